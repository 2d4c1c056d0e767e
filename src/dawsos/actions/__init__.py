"""What a stage does: one action for each ``uses`` of pipeline.yaml.

Imports inside functions are for the start: a run that builds and deploys nothing loads no builder and no platform.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dawsos.actions.commands import run_commands
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.model.pipeline import Uses
from dawsos.runs.context import RunContext


async def _release(context: RunContext, attempt: StageAttempt) -> StageOutcome:
    from dawsos.actions.release import build_release

    return await build_release(context, attempt)


async def _deploy(context: RunContext, attempt: StageAttempt) -> StageOutcome:
    from dawsos.actions.deploy import deploy_release

    return await deploy_release(context, attempt)


async def _rollout(context: RunContext, attempt: StageAttempt) -> StageOutcome:
    from dawsos.actions.rollout import roll_out

    return await roll_out(context, attempt)


# A new ``uses`` is one line here and one file.
ACTIONS: dict[Uses, Callable[[RunContext, StageAttempt], Awaitable[StageOutcome]]] = {
    "commands": run_commands,
    "release": _release,
    "deploy": _deploy,
    "rollout": _rollout,
}
