"""Lets a release go to production, or refuses it: its evidence must be complete, genuine and of this release."""

from __future__ import annotations

from dawsos.model.pipeline import Stage
from dawsos.runs.certification import confirm
from dawsos.runs.context import RunContext
from dawsos.runs.evidence import admit


async def admit_release(context: RunContext, stage: Stage) -> None:
    """Let the run's release go to production by ``stage``, or raise ReleaseFailed."""
    tools, run = context.tools, context.session.state
    certified = await confirm(tools, context.pipeline.signing, context.root, run)
    admit(tools, context.pipeline, run, stage, certified)
