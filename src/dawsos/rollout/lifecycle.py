"""Puts the controller, the platform, the journal and the load together for one rollout, rollback or drill."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawsos.actions import environments
from dawsos.actions.environments import Environment
from dawsos.actions.release_commands import ReleaseCommands, substitute
from dawsos.adapters.files import write_json
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.model.events import CheckNumbers, Deployed, RolloutDecided, RolloutFinished, RolloutStarted
from dawsos.model.names import deployment_id
from dawsos.model.pipeline import Pipeline
from dawsos.model.policy import Load, RolloutPolicy
from dawsos.model.run import RolloutRecord
from dawsos.model.status import RolloutDecision, RolloutOutcome, StageState
from dawsos.platforms.local.load_process import LoadProcess
from dawsos.releases.bundle import Release
from dawsos.rollout.controller import Controller, Finished, record_decision
from dawsos.rollout.decision import load_failed, not_running, removed, superseded
from dawsos.runs.project import Tools
from dawsos.runs.recorder import Session


@dataclass(frozen=True)
class Fault:
    """A drill's fault: a share of errors, seconds of latency for a ``share`` of the requests (both below ``path``), a killed
    process, a job with a broken input; or none, and then the canary must be promoted."""

    name: str
    errors: float = 0.0
    latency: float = 0.0
    crash: bool = False
    job: str = ""
    share: float = 1.0
    path: str = "/"


@dataclass(frozen=True)
class RolloutContext:
    """One rollout's surroundings."""

    tools: Tools
    pipeline: Pipeline
    session: Session
    environment: Environment
    release: Release
    policy: RolloutPolicy
    stage: str
    logs: Path

    def inside(self, deployment: str) -> ReleaseCommands:
        """Return where the release's own commands run."""
        return ReleaseCommands(self.tools, self.pipeline, self.environment, self.release, deployment)


async def roll_out(
    tools: Tools, pipeline: Pipeline, session: Session, release: Release, work: StageAttempt, root: Path
) -> StageOutcome:
    """Take the run's release to 100 % of production, or back; leave ``rollout.json`` as evidence.

    ``root`` is the checkout of the commit: stand-ins of the environment run from it.
    """
    environment = await environments.prepare(
        tools, pipeline, work.stage.environment or "production", session.state.profile, root
    )
    policy = pipeline.policy(session.state.profile or None)
    stand = RolloutContext(tools, pipeline, session, environment, release, policy, work.stage.id, work.artifacts)
    platform = environment.platform
    stable = platform.roles().stable
    record = session.state.rollout
    serving = stable is not None and platform.release_of(stable) == release.digest and platform.is_ready(stable)
    if serving and (record is None or record.outcome == "promoted" or stable == record.deployment):
        finished = Finished(RolloutOutcome.PROMOTED, "this release already serves 100 % of the traffic")
        if record is not None and not record.outcome:
            session.record(RolloutFinished(RolloutOutcome.PROMOTED, "found promoted after a restart"), work.stage.id)
    else:
        if record is None or record.outcome == "promoted":
            try:
                record = await begin(stand, drill="")
            except ReleaseFailed as error:
                never = {"outcome": "not started", "reason": error.message, "weight": 0, "release": release.digest}
                write_json(work.artifacts / "rollout.json", never)
                raise
        finished = await conduct(stand, record)
    write_json(work.artifacts / "rollout.json", evidence(session, finished, release))
    if finished.outcome == "promoted":
        return StageOutcome(StageState.PASSED)
    return StageOutcome(StageState.ROLLED_BACK, finished.reason)


def evidence(session: Session, finished: Finished, release: Release) -> dict[str, Any]:
    """Return what the rollout gate reads."""
    record = session.state.rollout
    check = record.samples[-1].check if record and record.samples else CheckNumbers()
    return {
        "outcome": finished.outcome,
        "reason": finished.reason,
        "rollback_seconds": finished.seconds,
        "weight": 100 if finished.outcome == "promoted" else (record.step or record.weight_intended if record else 0),
        "error_rate": check.error_rate,
        "p95": check.p95,
        "release": release.digest,
    }


async def begin(stand: RolloutContext, *, drill: str) -> RolloutRecord:
    """Start the canary's processes beside the stable ones and record the beginning of the rollout."""
    session, platform = stand.session, stand.environment.platform
    deployment = deployment_id(stand.release.digest, session.id, drill=bool(drill))
    stable = platform.roles().stable
    log = stand.logs / "deploy.log"
    inside = stand.inside(deployment)
    await inside.migrate(log)
    await inside.seed(log)
    await platform.deploy(environments.deployment_of(stand.pipeline, stand.environment, stand.release, deployment))
    deployed = Deployed(
        stand.environment.name,
        stand.release.digest,
        deployment,
        stand.environment.url,
        stand.environment.settings.replicas,
    )
    session.record(deployed, stand.stage)
    if not drill:
        try:
            await inside.before_traffic(stand.logs)
        except ReleaseFailed:
            await platform.remove(deployment)
            raise
    started = RolloutStarted(
        release=stand.release.digest,
        deployment=deployment,
        environment=stand.environment.name,
        stable_release=platform.release_of(stable) if stable else "",
        stable_deployment=stable or "",
        ladder=tuple(step.weight for step in stand.policy.ladder),
        policy=stand.policy.model_dump(mode="json"),
        traffic="synthetic" if stand.policy.load else "real",
        first=stable is None,
        drill=drill,
    )
    session.record(started, stand.stage)
    record = session.state.rollout
    if record is None:
        raise InfrastructureError("the journal lost the beginning of the rollout")
    return record


async def conduct(stand: RolloutContext, record: RolloutRecord, fault: Fault | None = None) -> Finished:
    """Bring the recorded rollout to its end under load, then tidy up what the end leaves behind."""
    platform = stand.environment.platform
    if record.outcome:
        # Whoever brought it to its end died, or failed, before all was tidied up.  The end stands: what was rejected must
        # not get traffic a second time.
        finished = Finished(record.outcome, record.reason, record.rollback_seconds)
        await _tidy(stand, record, finished)
        return finished
    if _overtaken(stand, record) or record.deployment not in platform.deployments():
        return await _lost(stand, record)
    try:
        finished, trouble = await _watched(stand, record, fault)
    except BaseException:
        _let_go(stand)
        raise
    await _tidy(stand, record, finished)
    if trouble is not None and not trouble.cancelled():
        # A fault that could not be brought about is told once nothing of the drill is left.
        trouble.result()
    if fault is not None and fault.job:
        await _mend(stand, record, fault)
    return finished


async def _watched(
    stand: RolloutContext, record: RolloutRecord, fault: Fault | None
) -> tuple[Finished, asyncio.Task[None] | None]:
    """Let the controller bring the rollout to its end; return it with the task that brought the fault about."""
    platform, first = stand.environment.platform, not record.stable_deployment
    # A first release that is found again keeps what it has; all others begin with nothing, and get it by the controller.
    found = first and record.decision != "rollback" and platform.roles().canary == record.deployment
    weight = platform.roles().weight if found else 0
    await platform.route(stable=record.stable_deployment or None, canary=record.deployment, weight=weight)
    # What goes back need not be ready: that it is not may be the reason.
    if record.decision != "rollback" and not await _canary_ready(stand, record):
        record = _reject(stand, record, not_running())
    load = None
    if record.decision != "rollback":
        try:
            load = await _start_load(stand)
        except ReleaseFailed as error:
            # Nobody can judge it, and it has its place beside the stable release already, a first one perhaps the traffic.
            record = _reject(stand, record, load_failed(error.message))
    trouble = asyncio.create_task(_cause(stand, record, fault)) if fault else None
    traffic = platform.traffic(stand.policy.failure_counters, stand.policy.crash_loop)
    try:
        controller = Controller(
            stage=stand.stage,
            policy=stand.policy,
            traffic=traffic,
            recorder=stand.session,
            clock=stand.tools.clock,
            promote=platform.promote,
            renew_lease=platform.renew_lease,
            on_weight=_ramp(load, stand.policy.load) if first and load else lambda _weight: None,
            first=first,
        )
        return await controller.run(record), trouble
    except BaseException:
        # At once, and not when the load has ended, which waits for what is under way.
        _let_go(stand)
        raise
    finally:
        if trouble is not None:
            trouble.cancel()
            await asyncio.wait([trouble])
        if load is not None:
            write_json(stand.logs / "load.json", await load.stop())
        await traffic.close()


def _let_go(stand: RolloutContext) -> None:
    """Take the traffic from a canary that nobody watches any more: it was not accepted, whether or not a stable release gets it.

    Who resumes the run, or tries again, goes on from its step."""
    with contextlib.suppress(OSError):
        stand.environment.platform.withdraw()


def _reject(stand: RolloutContext, record: RolloutRecord, decided: RolloutDecided) -> RolloutRecord:
    """Decide that the canary goes, before anything of it happens, and return the record of it."""
    record_decision(stand.session, stand.stage, decided)
    return stand.session.refresh().rollout or record


def _overtaken(stand: RolloutContext, record: RolloutRecord) -> bool:
    """Return whether a release that this rollout knows nothing of serves by now: then its stable one is not to come back."""
    stable = stand.environment.platform.roles().stable
    return stable is not None and stable not in (record.stable_deployment, record.deployment)


async def _lost(stand: RolloutContext, record: RolloutRecord) -> Finished:
    """The canary's deployment is gone (``dawsos down`` in between), or another release serves: there is nothing left to judge."""
    platform = stand.environment.platform
    if _overtaken(stand, record):
        decided, stable = superseded(), platform.roles().stable
    else:
        decided = removed()
        stable = record.stable_deployment if record.stable_deployment in platform.deployments() else None
    if record.decision is not RolloutDecision.ROLLBACK:
        record_decision(stand.session, stand.stage, decided)
    await platform.route(stable=stable, canary=None, weight=0)
    if record.deployment in platform.deployments():
        await platform.remove(record.deployment)
    stand.session.record(RolloutFinished(RolloutOutcome.ROLLED_BACK, decided.reason), stand.stage)
    return Finished(RolloutOutcome.ROLLED_BACK, decided.reason)


async def _canary_ready(stand: RolloutContext, record: RolloutRecord) -> bool:
    """Wait a little for the canary, which the supervisor may just be restarting."""
    for _ in range(40):
        if stand.environment.platform.is_ready(record.deployment):
            return True
        await stand.tools.clock.sleep(0.25)
    return False


def _ramp(load: LoadProcess | None, declared: Load | None) -> Any:
    def set_rate(weight: int) -> None:
        # Without a stable release there is nothing to share the traffic with: the load itself climbs the ladder.
        if load is not None and declared is not None:
            load.rate = max(1.0, declared.rate * weight / 100)

    return set_rate


async def _start_load(stand: RolloutContext) -> LoadProcess | None:
    if stand.policy.load is None:
        return None
    inside = stand.inside("load")
    variables = await inside.seed(stand.logs / "seed.log")
    bearer = await inside.token(variables, stand.logs / "token")
    requests = tuple(
        request.model_copy(update={"path": substitute(request.path, variables)})
        for request in stand.policy.load.requests
    )
    load = LoadProcess(stand.environment.url, stand.policy.load.model_copy(update={"requests": requests}), bearer)
    await load.start()
    return load


async def _cause(stand: RolloutContext, record: RolloutRecord, fault: Fault) -> None:
    """Bring the drill's fault about once the canary has had two healthy ticks."""
    platform = stand.environment.platform
    await stand.tools.clock.sleep(2 * stand.policy.tick)
    if fault.errors or fault.latency:
        await platform.set_fault(fault.errors, fault.latency, fault.share, fault.path)
    while fault.crash:
        platform.crash(record.deployment)
        await stand.tools.clock.sleep(0.5)
    if fault.job:
        drill = stand.pipeline.service.drills[fault.job]
        job = next(job for job in stand.pipeline.service.jobs if job.name == drill.job)
        log = stand.logs / f"drill-{fault.job}.log"
        await stand.inside(record.deployment).run(job.run, log, {**job.env, **drill.env})


async def _mend(stand: RolloutContext, record: RolloutRecord, fault: Fault) -> None:
    """Run the drill's job once more with its proper input on what serves: a drill must leave nothing broken behind."""
    service = stand.pipeline.service
    job = next(job for job in service.jobs if job.name == service.drills[fault.job].job)
    await stand.inside(record.stable_deployment).must(job.run, stand.logs / f"mend-{fault.job}.log", job.env)


async def _tidy(stand: RolloutContext, record: RolloutRecord, finished: Finished) -> None:
    """Keep what serves and what an instant rollback needs; stop the rest."""
    platform = stand.environment.platform
    await platform.set_fault(errors=0, latency=0)
    if finished.outcome != "promoted" and not _overtaken(stand, record):
        await platform.route(stable=record.stable_deployment or None, canary=None, weight=0)
    roles = platform.roles()
    kept = {roles.stable, roles.standby} - {None}
    if finished.outcome != "promoted":
        kept -= {record.deployment}
    for deployment in platform.deployments():
        if deployment not in kept:
            await platform.remove(deployment)
