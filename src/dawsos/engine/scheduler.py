"""Which stages may start now: a pure function of what is done, what runs and how many cores there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dawsos.model.pipeline import Stage
from dawsos.model.status import StageState


def startable(
    stages: Sequence[Stage], states: Mapping[str, StageState], running: Sequence[str], cores: int
) -> tuple[str, ...]:
    """Return the ids of the stages to start now, in the file's order.

    ``states`` maps every stage to its state (one that is missing is pending).  A stage may start when it is pending and all
    its needs among ``stages`` are done.  Stages that keep cores busy start only while cores are left; one always may, so
    that a stage that asks for more cores than there are still runs.
    """
    chosen: list[str] = []
    by_id = {stage.id: stage for stage in stages}
    busy = sum(by_id[stage].cpus for stage in running if stage in by_id)
    for stage in stages:
        if stage.id in running or _state(states, stage.id) is not StageState.PENDING:
            continue
        if any(not _state(states, need).done for need in stage.needs if need in by_id):
            continue
        if stage.cpus and busy and busy + stage.cpus > cores:
            continue
        chosen.append(stage.id)
        busy += stage.cpus
    return tuple(chosen)


def _state(states: Mapping[str, StageState], stage: str) -> StageState:
    return states.get(stage, StageState.PENDING)
