"""Which stages may start now: a pure function of what is done, what runs and how many cores there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dawsos.model.pipeline import Stage
from dawsos.model.run import DONE_STATES


def startable(
    stages: Sequence[Stage], states: Mapping[str, str], running: Sequence[str], cores: int
) -> tuple[str, ...]:
    """Return the ids of the stages to start now, in the file's order.

    ``states`` maps every stage to its state (see ``model.run.StageRecord``).  A stage may start when it is pending and all
    its needs among ``stages`` are done.  Stages that keep cores busy start only while cores are left; one always may, so
    that a stage that asks for more cores than there are still runs.
    """
    chosen: list[str] = []
    by_id = {stage.id: stage for stage in stages}
    busy = sum(by_id[stage].cpus for stage in running if stage in by_id)
    for stage in stages:
        if stage.id in running or states.get(stage.id, "pending") != "pending":
            continue
        if any(states.get(need, "pending") not in DONE_STATES for need in stage.needs if need in by_id):
            continue
        if stage.cpus and busy and busy + stage.cpus > cores:
            continue
        chosen.append(stage.id)
        busy += stage.cpus
    return tuple(chosen)


def halted(states: Mapping[str, str]) -> str:
    """Return the id of the first stage that ended otherwise than done, an empty string when none did."""
    for stage, state in states.items():
        if state not in DONE_STATES and state not in ("pending", "running"):
            return stage
    return ""
