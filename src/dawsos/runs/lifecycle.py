"""The life of a run: start, take over, carry out, finish."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dawsos.adapters.locks import owned
from dawsos.errors import (
    EXIT_DONE,
    EXIT_GATE_FAILED,
    EXIT_INFRASTRUCTURE,
    EXIT_INTERRUPTED,
    EXIT_ROLLED_BACK,
    EXIT_WAITING,
    BadInput,
    InfrastructureError,
    failure_of,
    refusal_of,
)
from dawsos.model.events import Event, RunFinished, RunResumed, RunStarted, RunStopped
from dawsos.model.pipeline import Pipeline
from dawsos.model.run import Run
from dawsos.model.status import RunResult
from dawsos.platforms.contract import JobState
from dawsos.ports import Reporter
from dawsos.runs.evidence import sign_summary
from dawsos.runs.metrics_file import MetricsFile
from dawsos.runs.project import Project, Tools, load_run, new_run
from dawsos.runs.recorder import Session

# The only place where a result becomes an exit code.
EXIT_CODES: dict[RunResult, int] = {
    RunResult.PASSED: EXIT_DONE,
    RunResult.FAILED: EXIT_GATE_FAILED,
    RunResult.REJECTED: EXIT_GATE_FAILED,
    RunResult.INFRASTRUCTURE: EXIT_INFRASTRUCTURE,
    RunResult.INTERRUPTED: EXIT_INTERRUPTED,
    RunResult.ROLLED_BACK: EXIT_ROLLED_BACK,
    RunResult.WAITING: EXIT_WAITING,
}


@dataclass(frozen=True)
class RunOutcome:
    """What a verb that owned a run returns; ``url`` is the address of the service where it was shipped, ``job`` what conducts the
    rollout from now on."""

    run: str
    exit_code: int
    report: Path
    url: str = ""
    job: JobState | None = None


def carry_out(session: Session, pipeline: Pipeline, work: Awaitable[tuple[RunResult, str]]) -> RunOutcome:
    """Do ``work``, which returns the run's result and the reason, and end the run with it.

    An error becomes a result (see ``errors.failure_of``).  Ctrl-C and TERM leave the run open, so that ``resume`` can continue
    it.  Raises InfrastructureError when the disk has no room for its end; it stays open then, too.
    """
    metrics = MetricsFile(session.tools, pipeline)
    session.reporters = (*session.reporters, metrics)
    try:
        result, reason = asyncio.run(_to_its_end(work))
    except KeyboardInterrupt:
        result, reason = RunResult.INTERRUPTED, "Ctrl-C"
    try:
        if result is RunResult.INTERRUPTED:
            _stop(session, pipeline, reason)
        else:
            finish(session, pipeline, result, reason)
    except (OSError, InfrastructureError) as error:
        raise _without_end(session, error, reason) from error
    metrics.write()
    return RunOutcome(session.id, EXIT_CODES[result], session.tools.project.report(session.id))


def _stop(session: Session, pipeline: Pipeline, reason: str) -> None:
    """Say that nobody works on the run any more, in the journal, the report and to the reporters."""
    from dawsos.runs.report import write_report  # loaded beside the stages, see ``runs.preload``

    session.record(RunStopped(reason))
    write_report(session.tools, pipeline, session.state)
    session.close_reporters()


def _without_end(session: Session, error: Exception, reason: str) -> InfrastructureError:
    """Return the error of a run whose end could not be written, and try to say at least that nobody works on it."""
    said = error.message if isinstance(error, InfrastructureError) else str(error)
    why = (refusal_of(error) if isinstance(error, OSError) else "") or said
    stopped = RunStopped(why)
    try:
        session.record(stopped)
    except (OSError, InfrastructureError):
        # The journal does not have it, but who looks on must not read that the run goes on.
        session.tell(Event(session.id, session.state.last_seq + 1, session.tools.clock.now(), stopped))
    session.close_reporters()
    first = session.tools.masker.clean(reason.partition("\n  fix: ")[0])
    before = f"{first}\n" if first and first != why else ""
    return InfrastructureError(
        f"{before}run {session.id} is stopped, its end could not be written: {why}",
        fix=f"free some space, or see what the limits are, then dawsos resume {session.id}",
    )


async def _to_its_end(work: Awaitable[tuple[RunResult, str]]) -> tuple[RunResult, str]:
    """Turn an error into a result, and TERM into the same orderly end as Ctrl-C."""
    task = asyncio.ensure_future(work)
    by = ["Ctrl-C"]

    def end() -> None:
        by.append("TERM")
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    try:
        return await task
    except asyncio.CancelledError:
        return RunResult.INTERRUPTED, by[-1]
    except Exception as error:
        result, reason = failure_of(error)
        return RunResult(result), reason


def finish(session: Session, pipeline: Pipeline, result: RunResult, reason: str = "") -> None:
    """Write the report, anchor the journal, sign the summary and record the end of the run.

    The end is recorded last: a run that was killed before it is resumed and comes here again, and a run with an end has its
    signed summary.
    """
    from dawsos.runs.report import write_report  # loaded beside the stages, see ``runs.preload``

    tools, code = session.tools, EXIT_CODES[result]
    reason = tools.masker.clean(reason)
    ended = replace(session.refresh(), result=result, exit_code=code, reason=reason, finished_at=tools.clock.now())
    write_report(tools, pipeline, ended)
    tools.journal.anchor(
        session.id, tools.project.summary(session.id), result=result, release=ended.release, commit=ended.commit
    )
    sign_summary(tools, ended)
    session.record(RunFinished(result, code, reason))
    session.close_reporters()


def deploying(project: Project) -> AbstractContextManager[None]:
    """Return the lock of deployments: only one process at a time changes or starts an environment.  Entering it raises
    OwnedElsewhere.
    """
    return owned(project.deploy_lock, "the deployment")


@contextmanager
def start(tools: Tools, reporters: Sequence[Reporter], started: RunStarted) -> Iterator[Session]:
    """Begin a new run and own it; ``started`` is its first fact."""
    run = new_run(tools.project, started.commit)
    with owned(tools.project.run_lock(run), f"run {run}"):
        session = Session(tools, run, reporters)
        session.record(started)
        yield session


@contextmanager
def take_over(tools: Tools, run: str, reporters: Sequence[Reporter], pid: int) -> Iterator[Session]:
    """Own an unfinished run again; raises OwnedElsewhere while its owner lives, BadInput when the run has ended meanwhile."""
    with owned(tools.project.run_lock(run), f"run {run}"):
        session = Session(tools, run, reporters)
        if not session.state.unfinished:
            raise BadInput(f"run {run} has ended: {session.state.result}", fix="ship again, or see dawsos show")
        for event in session.since(0):
            session.tell(event)
        session.record(RunResumed(pid))
        yield session


def unfinished(tools: Tools) -> list[Run]:
    """Return the runs that have no end, the newest first."""
    runs = [load_run(tools, run) for run in reversed(tools.journal.runs())]
    return [run for run in runs if run.unfinished]
