"""What an operator does to production outside a ship: roll back, drill, take everything down."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager

from dawsos.actions import environments
from dawsos.adapters.locks import owner_of
from dawsos.errors import BadInput, InfrastructureError, ReleaseFailed
from dawsos.model.events import RollbackRequested, RolloutStarted, RunStarted
from dawsos.model.names import deployment_id
from dawsos.model.pipeline import Pipeline
from dawsos.model.run import Run
from dawsos.model.status import RolloutOutcome, RunResult
from dawsos.model.units import parse_duration, parse_share
from dawsos.platforms.local.platform import LocalPlatform
from dawsos.ports import Reporter
from dawsos.releases import bundle as releases
from dawsos.rollout.controller import Finished, record_decision
from dawsos.rollout.decision import interrupted, requested
from dawsos.rollout.lifecycle import Fault, RolloutContext, begin, conduct
from dawsos.runs.certification import confirm
from dawsos.runs.evidence import admit_again
from dawsos.runs.lifecycle import RunOutcome, carry_out, deploying, start, take_over
from dawsos.runs.project import Project, Tools, load, load_run, open_tools
from dawsos.runs.recorder import Session
from dawsos.verbs.ship import MakeReporters, must_know_profile

PRODUCTION = "production"
_WAIT = 90.0


NO_FAULT = "none"
_STUCK = 5.0


def parse_fault(text: str, pipeline: Pipeline) -> Fault:
    """Return the fault that ``errors=5%``, ``latency=2s``, ``slow=3%`` (so many requests take 5 s longer), each also below
    a path only (``errors=5%@/health``), ``crash``, ``none`` or a drill of the service names; raises BadInput."""
    name, _, rest = text.partition("=")
    value, _, path = rest.partition("@")
    place = path or "/"
    try:
        if not place.startswith("/"):
            raise ValueError(f"{place!r} is not a path; write it like errors=5%@/health")
        if name == "errors":
            return Fault(text, errors=parse_share(value), path=place)
        if name == "latency":
            return Fault(text, latency=parse_duration(value), path=place)
        if name == "slow":
            return Fault(text, latency=_STUCK, share=parse_share(value), path=place)
    except ValueError as error:
        raise BadInput(f"--fault {text}: {error}", fix="for example --fault errors=5% or --fault latency=2s") from error
    if text in ("crash", NO_FAULT):
        return Fault(text, crash=text == "crash")
    if text in pipeline.service.drills:
        return Fault(text, job=text)
    known = ", ".join(["errors=SHARE", "latency=DURATION", "slow=SHARE", "crash", NO_FAULT, *pipeline.service.drills])
    raise BadInput(f"unknown fault {text!r}; there are: {known}", fix="see dawsos drill --help")


def drill(project: Project, fault_text: str, profile: str, make_reporters: MakeReporters) -> RunOutcome:
    """Roll the stable release out against itself with a fault on the canary only; a rollback is what must come of it."""
    pipeline = load(project.root, accept_old=True)
    fault = parse_fault(fault_text, pipeline)
    must_know_profile(pipeline, profile)
    tools = open_tools(project)
    digest, commit = _serving(tools)
    release = releases.load(project.releases, digest)
    started = RunStarted(command="drill", commit=commit, profile=profile, options={"fault": fault_text})

    async def work(session: Session) -> tuple[RunResult, str]:
        stand = await _stand(tools, pipeline, session, release)
        return _drilled(fault.name, await conduct(stand, await begin(stand, drill=fault.name), fault))

    return _operate(tools, pipeline, make_reporters, start_with(tools, started), work)


def _drilled(fault: str, finished: Finished) -> tuple[RunResult, str]:
    """Return the result of a drill and its reason."""
    if fault == NO_FAULT and finished.outcome is RolloutOutcome.PROMOTED:
        return RunResult.PASSED, "a canary without a fault was promoted, as it must be"
    if finished.outcome is RolloutOutcome.PROMOTED:
        return RunResult.FAILED, f"the fault {fault} was not noticed: the canary was promoted"
    return RunResult.ROLLED_BACK, finished.reason


def start_with(tools: Tools, started: RunStarted) -> Callable[[Sequence[Reporter]], AbstractContextManager[Session]]:
    """Return a function that starts the run for its reporters."""
    return lambda reporters: start(tools, reporters, started)


def _serving(tools: Tools) -> tuple[str, str]:
    platform = LocalPlatform(tools.project.environment(PRODUCTION), PRODUCTION)
    stable = platform.roles().stable
    if stable is None:
        raise BadInput("no release serves production yet", fix="dawsos ship")
    digest = platform.release_of(stable)
    return digest, releases.load(tools.project.releases, digest).commit


async def _stand(tools: Tools, pipeline: Pipeline, session: Session, release: releases.Release) -> RolloutContext:
    profile = session.state.profile or environments.deployed_profile(tools, pipeline, PRODUCTION)
    environment = await environments.prepare(tools, pipeline, PRODUCTION, profile)
    policy = pipeline.policy(session.state.profile or None)
    return RolloutContext(tools, pipeline, session, environment, release, policy, "canary", session.artifacts("canary"))


def rollback(project: Project, to: str, name: str, reason: str, make_reporters: MakeReporters) -> RunOutcome:
    """Bring production back: stop a rollout under way, else return to the release before (or ``to``)."""
    tools = open_tools(project)
    live = _live_rollout(tools)
    if live is not None and not to:
        return _ask_owner(tools, live, name, reason, make_reporters)
    pipeline = load(project.root, accept_old=True)
    platform = LocalPlatform(project.environment(PRODUCTION), PRODUCTION)
    if platform.roles().stable is None:
        raise BadInput("no release serves production", fix="dawsos ship")
    target = _target(tools, platform, to)
    release = releases.load(project.releases, target)
    started = RunStarted(
        command="rollback", commit=release.commit, options={"to": target, "name": name, "reason": reason}
    )

    async def work(session: Session) -> tuple[RunResult, str]:
        if to:
            shipped = [run for run in _shipped(tools) if run.release == target]
            if not shipped:
                raise ReleaseFailed(
                    f"release {target[:12]} was never promoted: no evidence speaks for it", fix="ship it"
                )
            admit_again(tools, shipped[-1], await confirm(tools, pipeline.signing, project.root, shipped[-1]))
        return await _return_to(tools, pipeline, session, release, name, reason)

    return _operate(tools, pipeline, make_reporters, start_with(tools, started), work)


def _live_rollout(tools: Tools) -> Run | None:
    """Return the newest run whose rollout has no end; others, with all their samples, are not even read."""
    begun: dict[str, int] = {}
    over: dict[str, int] = {}
    for event in tools.journal.of_kinds(("rollout_started", "rollout_finished")):
        last = begun if isinstance(event.fact, RolloutStarted) else over
        last[event.run] = max(event.seq, last.get(event.run, 0))
    for run_id in reversed(tools.journal.runs()):
        if begun.get(run_id, 0) <= over.get(run_id, 0):
            continue
        run = load_run(tools, run_id)
        if run.rollout is not None and not run.rollout.outcome and run.unfinished:
            return run
    return None


def _ask_owner(tools: Tools, run: Run, name: str, reason: str, make_reporters: MakeReporters) -> RunOutcome:
    """Put the wish into the run's journal; its owner sees it within a tick, or we take the run over."""
    import time

    tools.journal.append(run.id, RollbackRequested(name, reason), "canary")
    if owner_of(tools.project.run_lock(run.id)) is None:
        from dawsos.verbs.ship import resume

        ended = resume(tools.project, run.id, make_reporters)
        _must_not_be_promoted(load_run(tools, run.id))
        return ended
    deadline = time.monotonic() + _WAIT
    while time.monotonic() < deadline:
        state = load_run(tools, run.id)
        if state.rollout is not None and state.rollout.outcome:
            _must_not_be_promoted(state)
            return RunOutcome(run.id, 0, tools.project.report(run.id))
        time.sleep(0.1)
    raise InfrastructureError(f"the owner of run {run.id} did not answer", fix=f"stop it, then dawsos resume {run.id}")


def _must_not_be_promoted(run: Run) -> None:
    """Raise InfrastructureError when the rollout was promoted all the same: nobody must take that for a rollback."""
    if run.rollout is not None and run.rollout.outcome == "promoted":
        raise InfrastructureError(
            f"the canary of run {run.id} was promoted before the wish was read, and serves production",
            fix="once that run has ended: dawsos rollback, which then returns to the release before",
        )


def _target(tools: Tools, platform: LocalPlatform, to: str) -> str:
    roles = platform.roles()
    serving = platform.release_of(roles.stable) if roles.stable else ""
    if not to:
        if roles.standby is not None:
            return platform.release_of(roles.standby)
        history = promoted(tools)
        if serving in history:
            # What was promoted after the serving release was taken away by a rollback: a second one must not bring it back.
            history = history[: len(history) - 1 - history[::-1].index(serving)]
        history = [digest for digest in history if digest != serving]
        if not history:
            raise BadInput("there is no earlier release to go back to", fix="dawsos history")
        return history[-1]
    # Not as a pattern: what a person typed may be a path, which is the beginning of no release.
    kept = tools.project.releases.iterdir() if tools.project.releases.exists() else ()
    found = sorted(path.name for path in kept if path.name.startswith(to) and path.is_dir() and len(path.name) == 64)
    found += [run.release for run in _shipped(tools) if run.commit.startswith(to) and run.release not in found]
    if len(set(found)) != 1:
        raise BadInput(f"release {to!r} is {'ambiguous' if found else 'unknown'}", fix="dawsos history lists releases")
    return found[0]


def promoted(tools: Tools) -> list[str]:
    """Return the digests of the releases that reached 100 %, the oldest first."""
    return [run.release for run in _shipped(tools)]


def _shipped(tools: Tools) -> list[Run]:
    runs = [load_run(tools, run) for run in tools.journal.runs()]
    return [run for run in runs if run.command == "ship" and run.result == "passed" and run.release]


async def _return_to(
    tools: Tools, pipeline: Pipeline, session: Session, release: releases.Release, name: str, reason: str
) -> tuple[RunResult, str]:
    """Make the old release's processes run (the standby does already), then move all traffic to them, measured.

    The serving release takes the part of the canary at 100 %, so that one and the same code shifts and measures.
    """
    profile = environments.deployed_profile(tools, pipeline, PRODUCTION)
    environment = await environments.prepare(tools, pipeline, PRODUCTION, profile)
    platform, roles = environment.platform, environment.platform.roles()
    if roles.stable is None:
        raise BadInput("no release serves production", fix="dawsos ship")
    if platform.release_of(roles.stable) == release.digest:
        return RunResult.PASSED, "production already serves this release"
    good = next(
        (d for d in platform.deployments() if platform.release_of(d) == release.digest and platform.is_ready(d)), None
    )
    if good is None:
        good = deployment_id(release.digest, session.id)
        await platform.deploy(environments.deployment_of(pipeline, environment, release, good))
    bad = roles.stable
    policy = pipeline.policy(None)
    begun = RolloutStarted(platform.release_of(bad), bad, PRODUCTION, release.digest, good, (100,), traffic="real")
    session.record(begun, "canary")
    session.record(RollbackRequested(name, reason), "canary")
    record_decision(session, "canary", requested(name, reason))
    platform.renew_lease(policy.lease)
    await platform.route(stable=good, canary=bad, weight=100)
    record = session.state.rollout
    if record is None:
        raise InfrastructureError("the journal lost the beginning of the rollback")
    stand = RolloutContext(
        tools,
        pipeline,
        session,
        environment,
        release,
        policy.model_copy(update={"load": None}),
        "canary",
        session.artifacts("canary"),
    )
    finished = await conduct(stand, record)
    return (
        RunResult.PASSED,
        f"{finished.reason}; its last request was sent {finished.seconds} s after the decision",
    )


def resume_operation(tools: Tools, run: Run, make_reporters: MakeReporters) -> RunOutcome:
    """Bring an interrupted drill or rollback to its end: always with the traffic on the stable release."""
    pipeline = load(tools.project.root, accept_old=True)
    must_know_profile(pipeline, run.profile)

    async def work(session: Session) -> tuple[RunResult, str]:
        record = session.state.rollout
        if record is None:
            return RunResult.INFRASTRUCTURE, "interrupted before anything was changed"
        if not record.decision:
            record_decision(session, "canary", interrupted(run.command))
            record = session.state.rollout or record
        release = releases.load(tools.project.releases, record.release)
        stand = await _stand(tools, pipeline, session, release)
        finished = await conduct(stand, record)
        return _drilled(record.drill, finished) if run.command == "drill" else (RunResult.PASSED, finished.reason)

    def take(reporters: Sequence[Reporter]) -> AbstractContextManager[Session]:
        return take_over(tools, run.id, reporters, os.getpid())

    return _operate(tools, pipeline, make_reporters, take, work)


def _operate(
    tools: Tools,
    pipeline: Pipeline,
    make_reporters: MakeReporters,
    begin_session: Callable[[Sequence[Reporter]], AbstractContextManager[Session]],
    work: Callable[[Session], Awaitable[tuple[RunResult, str]]],
) -> RunOutcome:
    with deploying(tools.project), begin_session(make_reporters(pipeline, ())) as session:
        return carry_out(session, pipeline, work(session))
