"""Admits a release to production or refuses it: its evidence must be complete, genuine and about this release."""

from __future__ import annotations

from dawsos.model.pipeline import Stage
from dawsos.runs.certification import confirm
from dawsos.runs.context import RunContext
from dawsos.runs.evidence import admit
from dawsos.runs.vouching import must_be_shown, vouch


async def admit_release(context: RunContext, stage: Stage) -> None:
    """Admit the run's release to production by ``stage``; raises ReleaseFailed.  Where the cluster wants it, sign for the images."""
    tools, run = context.tools, context.session.state
    certified = await confirm(tools, context.pipeline.signing, context.root, run)
    admit(tools, context.pipeline, run, stage, certified)
    must_be_shown(tools, run)
    delivery = context.pipeline.environment(stage.environment_name, run.profile).images
    if delivery is not None and delivery.signed:
        vouch(tools, run, stage.environment_name)
