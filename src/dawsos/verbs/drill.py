"""``dawsos drill``: roll the stable release out against itself with a fault on the canary only; it must be rolled back."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from dawsos.actions.environments import deployed_profile, open_environment, serving_profile, with_images
from dawsos.actions.rollout import rollout_context
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.events import RunStarted
from dawsos.model.names import deployment_id
from dawsos.model.pipeline import Pipeline
from dawsos.model.release import Release
from dawsos.model.run import Run
from dawsos.model.status import RolloutDecision, RolloutOutcome, RunResult
from dawsos.planning.selection import must_know_profile
from dawsos.platforms.contract import Platform
from dawsos.releases import bundle as releases
from dawsos.rollout.controller import Finished, record_decision
from dawsos.rollout.decision import interrupted
from dawsos.rollout.faults import NO_FAULT, Drill, parse_fault
from dawsos.rollout.lifecycle import RolloutContext, begin, conduct, recorded
from dawsos.runs.evidence import find_run
from dawsos.runs.lifecycle import RunOutcome, carry_out, deploying, start, take_over
from dawsos.runs.project import Project, Tools, load, load_run, open_tools
from dawsos.runs.recorder import Session
from dawsos.verbs.execution import MakeReporters


@dataclass(frozen=True)
class Operation:
    """An operation on an environment outside of a ship: the pipeline, its rollout stage and the environment."""

    tools: Tools
    pipeline: Pipeline
    stage: str
    environment: str

    @classmethod
    def of(cls, tools: Tools, pipeline: Pipeline) -> Operation:
        """Return the operation on the environment of the pipeline's rollout; raises BadInput when it has none."""
        rollout = pipeline.rollout_stage()
        return cls(tools, pipeline, rollout.id, rollout.environment)

    def platform(self) -> Platform:
        """Return the environment's platform, which is not prepared: it says what it can do and what is there."""
        profile = deployed_profile(self.tools, self.pipeline, self.environment)
        return self.tools.platform(self.environment, self.pipeline.environment(self.environment, profile))

    def release(self, digest: str) -> Release:
        """Return the release, with the images that the ship which promoted it had built.

        An image that is lost here is left out: what runs already needs none, and the platform says when it has to start one.
        Raises InfrastructureError when the release is missing or was altered.
        """
        profile = deployed_profile(self.tools, self.pipeline, self.environment)
        settings = self.pipeline.environment(self.environment, profile)
        release = releases.load(self.tools.project.releases, digest)
        if not settings.runs_images:
            return release
        shipped = find_run((load_run(self.tools, run) for run in self.tools.journal.runs()), digest)
        try:
            return release if shipped is None else with_images(self.tools, release, shipped)
        except InfrastructureError:
            return release

    async def context(self, session: Session, release: Release, policy_profile: str) -> RolloutContext:
        """Open the environment as it was deployed and return what a rollout of ``release`` there works with."""
        profile = session.state.profile or await serving_profile(self.tools, self.pipeline, self.environment)
        platform = await open_environment(self.tools, self.pipeline, self.environment, profile)
        parts = (platform, release, self.pipeline.policy(policy_profile))
        return rollout_context(session, self.pipeline, parts, self.stage, session.artifacts(self.stage))


def drill(project: Project, fault_text: str, profile: str, make_reporters: MakeReporters) -> RunOutcome:
    """Roll the serving release out against itself with the fault on the canary.

    The run ends ``rolled_back`` when the fault was found (the drill succeeded), ``failed`` when the canary was promoted with it.
    """
    pipeline = load(project.root, accept_old=True)
    fault = parse_fault(fault_text, pipeline.service)
    must_know_profile(pipeline, profile)
    tools = open_tools(project)
    operation = Operation.of(tools, pipeline)
    Drill(fault, operation.platform().faults(), Path()).must_be_possible(operation.environment)
    release = _serving(operation)
    started = RunStarted(command="drill", commit=release.commit, profile=profile, options={"fault": fault_text})
    with deploying(project), start(tools, make_reporters(pipeline, ()), started) as session:

        async def work() -> tuple[RunResult, str]:
            context = await operation.context(session, release, profile)
            wanted = Drill(fault, context.platform.faults(), context.logs)
            await wanted.prepare(deployment_id(release.digest, session.id, drill=True))
            record = await begin(context, session.id, drill=fault.name)
            return _drilled(fault.name, await conduct(context, record, wanted))

        return carry_out(session, pipeline, work())


def _serving(operation: Operation) -> Release:
    """Return the release that serves; raises BadInput when none does."""
    status = asyncio.run(operation.platform().status())
    if status.roles.stable is None:
        raise BadInput(f"no release serves {operation.environment} yet", fix="dawsos ship")
    return operation.release(status.release_of(status.roles.stable))


def _drilled(fault: str, finished: Finished) -> tuple[RunResult, str]:
    """Return the result of a drill and its reason."""
    if fault == NO_FAULT and finished.outcome is RolloutOutcome.PROMOTED:
        return RunResult.PASSED, "a canary without a fault was promoted, as it must be"
    if finished.outcome is RolloutOutcome.PROMOTED:
        return RunResult.FAILED, f"the fault {fault} was not noticed: the canary was promoted"
    return RunResult.ROLLED_BACK, finished.reason


def resume_drill(tools: Tools, run: Run, make_reporters: MakeReporters) -> RunOutcome:
    """Bring an interrupted drill to its end; the traffic is on the stable release then."""
    pipeline = load(tools.project.root, accept_old=True)
    must_know_profile(pipeline, run.profile)
    reporters = make_reporters(pipeline, ())
    operation = Operation.of(tools, pipeline)
    with deploying(tools.project), take_over(tools, run.id, reporters, os.getpid()) as session:

        async def work() -> tuple[RunResult, str]:
            record = session.state.rollout
            if record is None:
                return RunResult.INFRASTRUCTURE, "interrupted before anything was changed"
            if record.decision is RolloutDecision.NONE:
                record_decision(session, operation.stage, interrupted(run.command))
                record = recorded(session)
            release = operation.release(record.release)
            context = await operation.context(session, release, run.profile)
            return _drilled(record.drill, await conduct(context, record))

        return carry_out(session, pipeline, work())
