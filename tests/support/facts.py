"""Facts and events as tests write them: a kind and the body that a journal would hold."""

from __future__ import annotations

from typing import Any

from dawsos.model.events import FACTS, Event, Fact


def fact(kind: str, /, **body: Any) -> Fact:
    """Return the fact of ``kind``; a key that the kind does not have is a mistake of the test."""
    made = FACTS[kind].read(body)
    known = set(made.body()) | set(made.__dataclass_fields__) | {"rung"}
    assert set(body) <= known, f"{kind} has no {sorted(set(body) - known)}"
    return made


def event(seq: int, at: float, kind: str, stage: str = "", /, **body: Any) -> Event:
    """Return an event of the run ``run``."""
    return Event("run", seq, at, fact(kind, **body), stage)
