"""The graph of stages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dawsos.model.pipeline import Stage


def closure(stages: Sequence[Stage], wanted: Iterable[str]) -> frozenset[str]:
    """Return ``wanted`` and everything it needs, directly or not."""
    by_id = {stage.id: stage for stage in stages}
    found: set[str] = set()
    todo = list(wanted)
    while todo:
        stage = todo.pop()
        if stage not in found:
            found.add(stage)
            todo.extend(by_id[stage].needs)
    return frozenset(found)


def dependents(stages: Sequence[Stage], stage_id: str) -> frozenset[str]:
    """Return every stage that needs ``stage_id``, directly or not."""
    return frozenset(stage.id for stage in stages if stage.id != stage_id and stage_id in closure(stages, [stage.id]))
