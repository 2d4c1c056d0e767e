"""``dawsos rollback``: bring production back, by ending a rollout under way or by a revert to an earlier release."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, replace

from dawsos.actions.environments import serving_profile
from dawsos.adapters import git
from dawsos.adapters.locks import owner_of
from dawsos.errors import EXIT_DONE, EXIT_ROLLED_BACK, BadInput, InfrastructureError, ReleaseFailed
from dawsos.model.events import RollbackRequested, RolloutStarted, RunStarted
from dawsos.model.release import Release
from dawsos.model.run import RevertRecord, Run
from dawsos.model.status import RolloutOutcome, RunResult
from dawsos.platforms.contract import EnvironmentStatus
from dawsos.rollout.revert import finish_revert, revert
from dawsos.runs.certification import confirm
from dawsos.runs.evidence import admit_again
from dawsos.runs.lifecycle import RunOutcome, carry_out, deploying, start, take_over
from dawsos.runs.project import Project, Tools, load, load_run, open_tools
from dawsos.runs.recorder import Session
from dawsos.verbs.drill import Operation, resume_drill
from dawsos.verbs.execution import MakeReporters
from dawsos.verbs.handing_over import take_back
from dawsos.verbs.resume_run import resume_run

# Seconds within which the owner of a rollout must act on the request.
_WAIT = 90.0
_POLL = 0.1
# As many rollbacks of one minute can be told apart by their tags.
_TAGS = 100


@dataclass(frozen=True)
class Request:
    """Who asks for the rollback, why, and to which release (a digest or a commit; empty for the one before)."""

    name: str
    reason: str
    to: str = ""


def rollback(project: Project, request: Request, make_reporters: MakeReporters) -> RunOutcome:
    """Bring production back: stop a rollout under way, else return to the release before (or ``request.to``)."""
    tools = open_tools(project)
    live = _live_rollout(tools)
    conducted = live is not None and (live.handed_over or owner_of(project.run_lock(live.id)) is not None)
    if live is not None and live.handed_over:
        take_back(tools, live)
        live = _live_rollout(tools)
    if live is not None and conducted and not request.to:
        return _ask_owner(tools, live, request, make_reporters)
    pipeline = load(project.root, accept_old=True)
    operation = Operation.of(tools, pipeline)
    status = asyncio.run(operation.platform().status())
    if live is not None and not request.to and _has_a_place(live, operation, status):
        return _ask_owner(tools, live, request, make_reporters)
    if status.roles.stable is None:
        raise BadInput(f"no release serves {operation.environment}", fix="dawsos ship")
    release = operation.release(_target(tools, status, request.to))
    options = {"to": release.digest, "asked_for": request.to, "name": request.name, "reason": request.reason}
    # What a rollback starts has the settings of what serves, and whoever acts on it later finds their profile by this run.
    profile = asyncio.run(serving_profile(tools, pipeline, operation.environment))
    started = RunStarted(command="rollback", commit=release.commit, profile=profile, options=options)
    with deploying(project), start(tools, make_reporters(pipeline, ()), started) as session:
        return carry_out(session, pipeline, _work(operation, session, release, request))


async def _work(operation: Operation, session: Session, release: Release, request: Request) -> tuple[RunResult, str]:
    tools = operation.tools
    if request.to:
        shipped = [run for run in _shipped(tools) if run.release == release.digest]
        if not shipped:
            raise ReleaseFailed(
                f"release {release.digest[:12]} was never promoted: no evidence speaks for it", fix="ship it"
            )
        signing = operation.pipeline.signing
        admit_again(tools, shipped[-1], await confirm(tools, signing, tools.project.root, shipped[-1]))
    context = await operation.context(session, release, "")
    return _reverted(await revert(context, session.id, request.name, request.reason))


def _reverted(record: RevertRecord | None) -> tuple[RunResult, str]:
    if record is None:
        return RunResult.PASSED, "production already serves this release"
    cause = f"asked for by {record.name}: {record.reason}"
    return RunResult.PASSED, f"{cause}; its last request was sent {record.seconds} s after the decision"


def resume_rollback(tools: Tools, run: Run, make_reporters: MakeReporters) -> RunOutcome:
    """Bring an interrupted rollback to its end."""
    pipeline = load(tools.project.root, accept_old=True)
    operation = Operation.of(tools, pipeline)
    release = operation.release(str(run.options.get("to", "")))
    asked_for = str(run.options.get("asked_for", ""))
    request = Request(str(run.options.get("name", "")), str(run.options.get("reason", "")), asked_for)
    reporters = make_reporters(pipeline, ())
    with deploying(tools.project), take_over(tools, run.id, reporters, os.getpid()) as session:

        async def work() -> tuple[RunResult, str]:
            record = session.state.revert
            if record is None:
                return await _work(operation, session, release, request)
            context = await operation.context(session, release, "")
            if record.deployment not in (await context.platform.status()).deployments:
                return await _work(operation, session, release, request)
            return _reverted(await finish_revert(context, record))

        return carry_out(session, pipeline, work())


def tag_what_serves(project: Project) -> str:
    """Tag the commit that serves now as ``rollback-YYYYMMDD-HHMM`` (UTC) and return the tag; one that is taken gets a number.

    Raises InfrastructureError when nothing serves or git refuses.
    """
    tools = open_tools(project)
    operation = Operation.of(tools, load(project.root, accept_old=True))
    status = asyncio.run(operation.platform().status())
    if status.roles.stable is None:
        raise InfrastructureError(
            f"no release serves {operation.environment}: there is nothing to tag", fix="dawsos ship"
        )
    commit = operation.release(status.release_of(status.roles.stable)).commit
    name = time.strftime("rollback-%Y%m%d-%H%M", time.gmtime(tools.clock.now()))
    for each in (name, *(f"{name}-{number}" for number in range(2, _TAGS))):
        if git.tag(project.root, each, commit):
            return each
    raise InfrastructureError(f"there are {_TAGS} tags {name} already", fix="wait a minute")


def _live_rollout(tools: Tools) -> Run | None:
    """Return the newest run whose rollout has not ended.  Other runs, with all their samples, are not read."""
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


def _has_a_place(run: Run, operation: Operation, status: EnvironmentStatus) -> bool:
    """Return whether the release of an open rollout is in its environment still.

    Whoever conducted it is dead, and another release may have been promoted since, or everything taken down: to end it would bring
    nothing back then.  It stays for ``dawsos resume``.
    """
    rollout = run.rollout
    if rollout is None or rollout.environment != operation.environment:
        return rollout is not None
    return rollout.deployment in (status.roles.canary, status.roles.stable)


def _ask_owner(tools: Tools, run: Run, request: Request, make_reporters: MakeReporters) -> RunOutcome:
    """Write the request into the run's journal.  Its owner reads it within a tick; if the owner is dead, this process takes the
    run over.
    """
    stage = run.rollout.stage if run.rollout else ""
    tools.journal.append(run.id, RollbackRequested(request.name, request.reason), stage)
    if owner_of(tools.project.run_lock(run.id)) is None:
        resume = resume_drill if run.command == "drill" else resume_run
        ended = resume(tools, run, make_reporters)
        _must_not_be_promoted(load_run(tools, run.id))
        # The run was rolled back (4); the person who asked for that got it (0).
        return replace(ended, exit_code=EXIT_DONE) if ended.exit_code == EXIT_ROLLED_BACK else ended
    deadline = time.monotonic() + _WAIT
    while time.monotonic() < deadline:
        state = load_run(tools, run.id)
        if state.rollout is not None and state.rollout.outcome:
            _must_not_be_promoted(state)
            return RunOutcome(run.id, EXIT_DONE, tools.project.report(run.id))
        time.sleep(_POLL)
    raise InfrastructureError(f"the owner of run {run.id} did not answer", fix=f"stop it, then dawsos resume {run.id}")


def _must_not_be_promoted(run: Run) -> None:
    """Raise InfrastructureError when the rollout was promoted: that must not be reported as a rollback."""
    if run.rollout is not None and run.rollout.outcome is RolloutOutcome.PROMOTED:
        raise InfrastructureError(
            f"the canary of run {run.id} was promoted before the request was read, and serves production",
            fix="once that run has ended: dawsos rollback, which then returns to the release before",
        )


def _target(tools: Tools, status: EnvironmentStatus, to: str) -> str:
    """Return the digest of the release to go back to; raises BadInput when there is none, or not exactly one."""
    serving = status.release_of(status.roles.stable)
    if not to:
        standby = status.release_of(status.roles.standby) if status.roles.standby else ""
        # After a drill without a fault it is another deployment of the release that serves.
        if standby not in ("", serving):
            return standby
        return _release_before(tools, serving)
    # Compared as text, not as a glob: the argument may hold anything, also a path.
    kept = tools.project.releases.iterdir() if tools.project.releases.exists() else ()
    found = sorted(path.name for path in kept if path.name.startswith(to) and path.is_dir() and len(path.name) == 64)
    found += [run.release for run in _shipped(tools) if run.commit.startswith(to) and run.release not in found]
    if len(set(found)) != 1:
        raise BadInput(f"release {to!r} is {'ambiguous' if found else 'unknown'}", fix="dawsos history lists releases")
    return found[0]


def _release_before(tools: Tools, serving: str) -> str:
    history = promoted(tools)
    if serving in history:
        # A rollback took away the releases promoted after the serving one; a second rollback must not bring them back.
        history = history[: len(history) - 1 - history[::-1].index(serving)]
    history = [digest for digest in history if digest != serving]
    if not history:
        raise BadInput("there is no earlier release to go back to", fix="dawsos history")
    return history[-1]


def promoted(tools: Tools) -> list[str]:
    """Return the digests of the releases that reached 100 %, the oldest first."""
    return [run.release for run in _shipped(tools)]


def _shipped(tools: Tools) -> list[Run]:
    runs = [load_run(tools, run) for run in tools.journal.runs()]
    passed = [run for run in runs if run.command == "ship" and run.result is RunResult.PASSED and run.release]
    return [run for run in passed if not run.ends_before_users]
