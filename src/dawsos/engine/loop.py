"""The loop: starts every stage that may start, in parallel, until all have ended or one is red; no new stage starts then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from dawsos.engine.contract import StageOutcome
from dawsos.engine.scheduler import startable
from dawsos.model.pipeline import Stage
from dawsos.model.status import StageState

Execute = Callable[[Stage], Awaitable[StageOutcome]]


async def run_stages(
    stages: Sequence[Stage], states: Mapping[str, StageState], execute: Execute, cores: int
) -> dict[str, StageState]:
    """Run ``stages``; ``execute`` restores or runs one.  Returns the final state of each.

    When a stage ends red, no new stage starts.  The stages that run beside it run to their end, because their findings help.
    Cancelling cancels every running stage and waits until each has cleaned up.
    """
    states = dict(states)
    tasks: dict[asyncio.Task[StageOutcome], str] = {}
    stopped = False
    try:
        while True:
            if not stopped:
                for stage_id in startable(stages, states, list(tasks.values()), cores):
                    stage = next(stage for stage in stages if stage.id == stage_id)
                    states[stage_id] = StageState.RUNNING
                    tasks[asyncio.create_task(_as_outcome(execute, stage))] = stage_id
            if not tasks:
                return states
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                outcome = task.result()
                states[tasks.pop(task)] = outcome.result
                stopped = stopped or not outcome.result.done
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)


async def _as_outcome(execute: Execute, stage: Stage) -> StageOutcome:
    return await execute(stage)
