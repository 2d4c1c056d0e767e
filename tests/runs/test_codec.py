"""The codec is canonical: one event, one text, one hash."""

from __future__ import annotations

import pytest

from dawsos.model.events import Event
from dawsos.runs.codec import GENESIS, canonical, chain


def test_key_order_does_not_matter() -> None:
    assert canonical({"b": 1, "a": [1, 2]}) == canonical({"a": [1, 2], "b": 1}) == '{"a":[1,2],"b":1}'


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical({"p95": float("nan")})


def test_every_field_enters_the_hash() -> None:
    event = Event("r", 1, 2.0, "run_started", "s", {"a": 1})
    others = [
        Event("q", 1, 2.0, "run_started", "s", {"a": 1}),
        Event("r", 2, 2.0, "run_started", "s", {"a": 1}),
        Event("r", 1, 2.1, "run_started", "s", {"a": 1}),
        Event("r", 1, 2.0, "run_resumed", "s", {"a": 1}),
        Event("r", 1, 2.0, "run_started", "t", {"a": 1}),
        Event("r", 1, 2.0, "run_started", "s", {"a": 2}),
    ]
    hashes = {chain(GENESIS, other) for other in [event, *others]} | {chain("1" * 64, event)}
    assert len(hashes) == len(others) + 2
