"""The codec is canonical: one event, one text, one hash."""

from __future__ import annotations

import pytest

from dawsos.model.events import Event, RunStarted, Unknown
from dawsos.runs.codec import GENESIS, canonical, chain, from_row, to_row
from support.facts import fact


def test_key_order_does_not_matter() -> None:
    assert canonical({"b": 1, "a": [1, 2]}) == canonical({"a": [1, 2], "b": 1}) == '{"a":[1,2],"b":1}'


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical({"p95": float("nan")})


def test_every_field_enters_the_hash() -> None:
    event = Event("r", 1, 2.0, fact("run_started", commit="1"), "s")
    others = [
        Event("q", 1, 2.0, fact("run_started", commit="1"), "s"),
        Event("r", 2, 2.0, fact("run_started", commit="1"), "s"),
        Event("r", 1, 2.1, fact("run_started", commit="1"), "s"),
        Event("r", 1, 2.0, Unknown("run_resumed", {"commit": "1"}), "s"),
        Event("r", 1, 2.0, fact("run_started", commit="1"), "t"),
        Event("r", 1, 2.0, fact("run_started", commit="2"), "s"),
    ]
    hashes = {chain(GENESIS, to_row(other)) for other in [event, *others]} | {chain("1" * 64, to_row(event))}
    assert len(hashes) == len(others) + 2


def test_a_row_is_read_as_the_event_it_was_made_of_and_keeps_its_hash_with_keys_of_a_newer_version() -> None:
    event = Event("r", 1, 2.0, fact("run_started", commit="1"), "s")
    assert from_row(to_row(event)) == event
    newer = (*to_row(event)[:5], '{"commit":"1","of_a_newer_version":1}')
    assert chain(GENESIS, newer) != chain(GENESIS, to_row(event))
    assert from_row(newer).fact == RunStarted(commit="1")
