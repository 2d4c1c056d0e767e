"""Events to canonical bytes and back, and the hash that chains each to the one before."""

from __future__ import annotations

import hashlib
import json
from typing import Any, cast

from dawsos.model.events import Event, EventKind

GENESIS = "0" * 64


def canonical(body: dict[str, Any]) -> str:
    """Return the one JSON text of ``body``: sorted keys, no blanks, UTF-8, no NaN.  Raises ValueError for NaN."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def chain(prev: str, event: Event) -> str:
    """Return the SHA-256 (hex) over the previous hash and every field of ``event``."""
    fields = [prev, event.run, event.seq, repr(event.at), event.kind, event.stage, canonical(event.body)]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def from_row(row: tuple[str, int, float, str, str, str]) -> Event:
    """Return the event of a row (run, seq, at, kind, stage, body)."""
    run, seq, at, kind, stage, body = row
    return Event(run, seq, at, cast(EventKind, kind), stage, json.loads(body))
