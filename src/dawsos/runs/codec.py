"""Events to canonical bytes and back, and the hash that chains each to the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from dawsos.model.events import Event, fact_of

GENESIS = "0" * 64
# (run, seq, at, kind, stage, body as JSON): the columns of the journal that an event is made of.
Row = tuple[str, int, float, str, str, str]


def canonical(body: Mapping[str, Any]) -> str:
    """Return the one JSON text of ``body``: sorted keys, no blanks, UTF-8, no NaN.  Raises ValueError for NaN."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def to_row(event: Event) -> Row:
    """Return the columns of ``event``.  Raises ValueError for a number that JSON does not have."""
    return (event.run, event.seq, event.at, event.kind, event.stage, canonical(event.fact.body()))


def chain(prev: str, row: Row) -> str:
    """Return the SHA-256 (hex) over the previous hash and every column of ``row``.

    The body goes in as it was stored, so a version that knows fewer keys computes the same hash.
    Raises ValueError when the body is no JSON.
    """
    run, seq, at, kind, stage, body = row
    fields = [prev, run, seq, repr(at), kind, stage, canonical(json.loads(body))]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def from_row(row: Row) -> Event:
    """Return the event of ``row``.  Raises ValueError, TypeError or LookupError when its body was altered."""
    run, seq, at, kind, stage, body = row
    return Event(run, seq, at, fact_of(kind, json.loads(body)), stage)
