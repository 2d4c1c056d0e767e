"""The life of a rollout: begin it, conduct it under load to its end, resume it, and clean up.

Only ``decision`` decides what ends a rollout.  Each step here may be repeated: a controller that was killed comes back with the
recorded rollout and calls ``conduct`` again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dawsos.adapters.files import write_json
from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.model.events import AnswersCompared, Deployed, RolloutDecided, RolloutFinished, RolloutStarted
from dawsos.model.names import deployment_id
from dawsos.model.policy import Load, RolloutPolicy
from dawsos.model.release import Release
from dawsos.model.rollout import Client
from dawsos.model.run import RolloutRecord
from dawsos.model.service import Service
from dawsos.model.status import RolloutDecision, RolloutOutcome
from dawsos.platforms.commands import ServiceCommands, substitute
from dawsos.platforms.contract import EnvironmentStatus, Platform
from dawsos.ports import Clock, LoadGenerator, Recorder, Redactor
from dawsos.rollout.asking import must_say_so
from dawsos.rollout.client import ClientView
from dawsos.rollout.comparing import Caller, Comparing, comparison_evidence, declared_requests, nothing_to_ask
from dawsos.rollout.controller import Controller, Finished, Keeping, NotKept, record_decision
from dawsos.rollout.decision import answers_differ, load_failed, not_running, removed, superseded
from dawsos.rollout.faults import Drill, end_task

# How long to wait for a canary that is being restarted: (tries, seconds each).
_READY_TRIES, _READY_PAUSE = 40, 0.25
# What the gate ``compare`` reads.
COMPARISON = "compare.json"
StartLoad = Callable[[str, Load, str], LoadGenerator]


@dataclass(frozen=True)
class RolloutContext:
    """What one rollout works with: the release and its service, the environment's platform, the ports.

    ``start_load(url, load, token)`` makes the generator of the declared load; ``logs`` is the folder of the stage's evidence.
    """

    stage: str
    service: Service
    release: Release
    platform: Platform
    policy: RolloutPolicy
    recorder: Recorder
    clock: Clock
    redactor: Redactor
    start_load: StartLoad
    logs: Path
    keeping: Keeping = field(default_factory=NotKept)

    def commands(self, deployment: str) -> ServiceCommands:
        """Return the service's commands with the variables of ``deployment``."""
        inside = self.platform.commands(deployment, self.release)
        return ServiceCommands(self.service, self.platform.name, inside, self.redactor)


async def begin(context: RolloutContext, run: str, *, drill: str = "") -> RolloutRecord:
    """Start the canary beside the stable release and record the beginning of the rollout.

    Raises ReleaseFailed when the release does not come up; its processes are removed then.
    """
    platform, release = context.platform, context.release
    deployment = deployment_id(release.digest, run, drill=bool(drill))
    stable = (await platform.status()).roles.stable
    commands, log = context.commands(deployment), context.logs / "deploy.log"
    await commands.migrate(log)
    await commands.seed(log)
    await platform.deploy(deployment, release)
    status = await platform.status()
    replicas = status.deployments[deployment].replicas
    context.recorder.record(Deployed(platform.name, release.digest, deployment, status.url, replicas), context.stage)
    if not drill:
        try:
            await context.commands(deployment).before_traffic(context.logs)
            await must_say_so(platform, context.service, deployment, release.commit, context.clock)
        except ReleaseFailed:
            await platform.remove(deployment)
            raise
    started = RolloutStarted(
        release=release.digest,
        deployment=deployment,
        environment=platform.name,
        stable_release=status.release_of(stable),
        stable_deployment=stable or "",
        ladder=tuple(step.weight for step in context.policy.ladder),
        policy=context.policy.model_dump(mode="json"),
        traffic="synthetic" if context.policy.load else "real",
        first=stable is None,
        drill=drill,
    )
    context.recorder.record(started, context.stage)
    await context.keeping.keep()
    return recorded(context.recorder)


def recorded(recorder: Recorder) -> RolloutRecord:
    """Return the run's rollout as the journal has it; raises InfrastructureError when there is none."""
    record = recorder.refresh().rollout
    if record is None:
        raise InfrastructureError("the journal lost the beginning of the rollout", fix="dawsos verify")
    return record


async def conduct(context: RolloutContext, record: RolloutRecord, drill: Drill | None = None) -> Finished:
    """Bring the recorded rollout to its end under load, then stop what no longer serves."""
    status = await context.platform.status()
    if record.outcome:
        # Whoever brought it to its end died, or failed, before all was cleaned up.  The end stands: what was rejected must
        # not get traffic a second time.
        finished = Finished(record.outcome, record.reason, record.rollback_seconds)
        await _clean_up(context, record, finished)
        return finished
    if _superseded(status, record) or record.deployment not in status.deployments:
        return await _end_without_canary(context, record, status)
    try:
        finished, fault_task = await _watch(context, record, drill)
    except BaseException:
        await _let_go(context)
        raise
    with contextlib.suppress(InfrastructureError):
        # The end is known here; whoever finds the run elsewhere without it carries out the decision again.
        await context.keeping.keep()
    await _clean_up(context, record, finished)
    if fault_task is not None and not fault_task.cancelled():
        # An error of the fault's injection is raised only after the drill was cleaned up.
        fault_task.result()
    if drill is not None:
        await drill.mend(context.commands(record.stable_deployment))
    return finished


async def _watch(
    context: RolloutContext, record: RolloutRecord, drill: Drill | None
) -> tuple[Finished, asyncio.Task[None] | None]:
    """Let the controller bring the rollout to its end; return the end and the task that injected the fault."""
    platform, first = context.platform, not record.stable_deployment
    await _give_roles(context, record)
    # What goes back need not be ready: that it is not may be the reason.
    if record.decision is not RolloutDecision.ROLLBACK and not await _canary_ready(context, record):
        record = _decide(context, not_running())
    load: LoadGenerator | None = None
    if record.decision is not RolloutDecision.ROLLBACK:
        try:
            caller = await _caller(context)
            record = await _compare(context, record, caller)
            if record.decision is not RolloutDecision.ROLLBACK:
                load = await _start_load(context, caller)
        except ReleaseFailed as error:
            # Nobody can judge it, and it has its place beside the stable release already, a first one perhaps the traffic.
            record = _decide(context, load_failed(error.message))
    fault_task: asyncio.Task[None] | None = None
    if drill is not None:
        cause = drill.cause(
            record.deployment, context.commands(record.deployment), context.clock, 2 * context.policy.tick
        )
        fault_task = asyncio.create_task(cause)
    traffic, telemetry = platform.traffic(), platform.telemetry(context.policy)
    try:
        controller = Controller(
            stage=context.stage,
            policy=context.policy,
            traffic=traffic,
            telemetry=telemetry,
            recorder=context.recorder,
            clock=context.clock,
            promote=platform.promote,
            renew_lease=platform.renew_lease,
            on_weight=_load_follows(load, context.policy.load) if first else lambda _weight: None,
            client=_client(load, record),
            first=first,
            keeping=context.keeping,
        )
        return await controller.run(record), fault_task
    except BaseException:
        # At once, and not when the load has ended, which waits for what is under way.
        await _let_go(context)
        raise
    finally:
        if fault_task is not None:
            await end_task(fault_task)
        if load is not None:
            write_json(context.logs / "load.json", await load.stop())
        await traffic.close()
        await telemetry.close()


async def _give_roles(context: RolloutContext, record: RolloutRecord) -> None:
    """Put the canary beside stable.  A first release that a resumed run finds keeps the traffic that it has; every other canary
    begins with none and gets it from the controller.
    """
    roles = (await context.platform.status()).roles
    found = not record.stable_deployment and roles.canary == record.deployment
    weight = roles.weight if found and record.decision is not RolloutDecision.ROLLBACK else 0
    await context.platform.route(record.stable_deployment or None, record.deployment, weight)


async def _let_go(context: RolloutContext) -> None:
    """Take the traffic from the canary because no controller watches it any more.  It was not accepted, so this also holds when
    there is no stable release to take the traffic.

    A resumed or repeated run continues from the canary's step.
    """
    with contextlib.suppress(OSError, InfrastructureError):
        await context.platform.withdraw()


def _decide(context: RolloutContext, decided: RolloutDecided) -> RolloutRecord:
    """Record the decision to remove the canary before it takes effect, and return the rollout with it."""
    record_decision(context.recorder, context.stage, decided)
    return recorded(context.recorder)


def _superseded(status: EnvironmentStatus, record: RolloutRecord) -> bool:
    """Return whether a release that this rollout does not know serves now: this rollout's stable release must not return then."""
    stable = status.roles.stable
    return stable is not None and stable not in (record.stable_deployment, record.deployment)


async def _end_without_canary(context: RolloutContext, record: RolloutRecord, status: EnvironmentStatus) -> Finished:
    """End the rollout without a judgement: its deployment is gone (``dawsos down``), or another release serves."""
    platform = context.platform
    if _superseded(status, record):
        decided, stable = superseded(), status.roles.stable
    else:
        decided = removed()
        stable = record.stable_deployment if record.stable_deployment in status.deployments else None
    if record.decision is not RolloutDecision.ROLLBACK:
        record_decision(context.recorder, context.stage, decided)
    await platform.route(stable, None, 0)
    if record.deployment in status.deployments:
        await platform.remove(record.deployment)
    context.recorder.record(RolloutFinished(RolloutOutcome.ROLLED_BACK, decided.reason), context.stage)
    return Finished(RolloutOutcome.ROLLED_BACK, decided.reason)


async def _canary_ready(context: RolloutContext, record: RolloutRecord) -> bool:
    """Wait a short time for the canary, because the platform may be restarting it."""
    for _ in range(_READY_TRIES):
        if (await context.platform.status()).is_ready(record.deployment):
            return True
        await context.clock.sleep(_READY_PAUSE)
    return False


def _client(load: LoadGenerator | None, record: RolloutRecord) -> Callable[[], Client | None]:
    if load is None:
        return lambda: None
    return ClientView(load.seen, record.deployment, record.stable_deployment).since


def _load_follows(load: LoadGenerator | None, declared: Load | None) -> Callable[[int], None]:
    """Return a function that makes the load follow the weight.

    A first release has no stable one to share the traffic with, so the load itself climbs the ladder.
    """

    def set_rate(weight: int) -> None:
        if load is not None and declared is not None:
            load.rate = max(1.0, declared.rate * weight / 100)

    return set_rate


async def _caller(context: RolloutContext) -> Caller:
    """Return the variables and the token of the declared requests, which the release's own commands give."""
    if not declared_requests(context.policy):
        return Caller()
    commands = context.commands("load")
    variables = await commands.seed(context.logs / "seed.log")
    return Caller(variables, await commands.token(variables, context.logs / "token.log"))


async def _compare(context: RolloutContext, record: RolloutRecord, caller: Caller) -> RolloutRecord:
    """Compare the canary's answers with those of stable before it gets any traffic, unless that was done, and decide on them."""
    if record.compared is None and not record.weight_intended and not record.decision:
        found = await _ask_before_traffic(context, record, caller)
        if found is None:
            return record
        context.recorder.record(found, context.stage)
        record = recorded(context.recorder)
    if record.compared is None:
        return record
    at_no_data = context.policy.compare.at_no_data
    write_json(context.logs / COMPARISON, comparison_evidence(record.compared, accepted=at_no_data == "go_on"))
    decided = answers_differ(record.compared, at_no_data)
    return _decide(context, decided) if decided and not record.decision else record


async def _ask_before_traffic(context: RolloutContext, record: RolloutRecord, caller: Caller) -> AnswersCompared | None:
    """Ask both versions the declared requests, when there is something to ask; None: a person stopped the rollout meanwhile."""
    reason = nothing_to_ask(context.policy, record)
    if reason:
        return AnswersCompared("skipped", reason, start="unasked")
    if record.drill:
        return await _comparing(context).warm_up(record, caller, "a drill: both are the same release")
    return await _comparing(context).compare(record, caller)


def _comparing(context: RolloutContext) -> Comparing:
    async def goes_on() -> bool:
        await context.platform.renew_lease(context.policy.lease)
        return not recorded(context.recorder).requested

    release = context.release
    return Comparing(
        context.platform, context.policy, context.clock, context.redactor, goes_on, (release.commit, release.digest)
    )


async def _start_load(context: RolloutContext, caller: Caller) -> LoadGenerator | None:
    if context.policy.load is None:
        return None
    requests = tuple(
        request.model_copy(update={"path": substitute(request.path, caller.variables)})
        for request in context.policy.load.requests
    )
    url = (await context.platform.status()).url
    load = context.start_load(url, context.policy.load.model_copy(update={"requests": requests}), caller.bearer)
    await load.start()
    return load


async def _clean_up(context: RolloutContext, record: RolloutRecord, finished: Finished) -> None:
    """Keep what serves and what an instant rollback needs; stop everything else."""
    platform = context.platform
    faults = platform.faults()
    if faults is not None:
        await faults.clear()
    status = await platform.status()
    promoted = finished.outcome is RolloutOutcome.PROMOTED
    if not promoted and not _superseded(status, record):
        await platform.route(record.stable_deployment or None, None, 0)
        status = await platform.status()
    kept = {status.roles.stable, status.roles.standby}
    if not promoted:
        kept -= {record.deployment}
    for deployment in status.deployments:
        if deployment not in kept:
            await platform.remove(deployment)
