"""One run in the hands of its owner: records, reports, finishes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from dawsos.adapters.digests import storable
from dawsos.adapters.files import write_text
from dawsos.adapters.locks import owned
from dawsos.adapters.redactor import Masker
from dawsos.errors import (
    EXIT_DONE,
    EXIT_GATE_FAILED,
    EXIT_INFRASTRUCTURE,
    EXIT_ROLLED_BACK,
    EXIT_WAITING,
    BadInput,
)
from dawsos.model.events import Event, EventKind
from dawsos.model.fold import fold
from dawsos.model.pipeline import Pipeline
from dawsos.model.run import Run
from dawsos.ports import Reporter
from dawsos.reporting.prometheus import KINDS, render_metrics
from dawsos.runs.evidence import sign_summary
from dawsos.runs.project import Project, Tools, load_run, new_run

EXIT_CODES = {
    "passed": EXIT_DONE,
    "failed": EXIT_GATE_FAILED,
    "rejected": EXIT_GATE_FAILED,
    "infrastructure": EXIT_INFRASTRUCTURE,
    "interrupted": EXIT_INFRASTRUCTURE,
    "rolled_back": EXIT_ROLLED_BACK,
    "waiting": EXIT_WAITING,
}


class Session:
    """Implements ``ports.Recorder`` for one run: journal first, then the reporters, then the folded state."""

    def __init__(self, tools: Tools, run: str, reporter: Reporter) -> None:
        self.tools = tools
        self.id = run
        self.reporter = reporter
        self.state = fold(tools.journal.events(run))

    @property
    def masker(self) -> Masker:
        return self.tools.masker

    def record(self, kind: EventKind, stage: str = "", /, **body: Any) -> Event:
        event = self.tools.journal.append(self.id, kind, stage, **_clean(body, self.masker))
        # Another process may have appended meanwhile (an approval): take everything since what we know.
        self.refresh()
        return event

    def refresh(self) -> Run:
        """Take in what others appended and return the state."""
        for fact in self.tools.journal.events(self.id, self.state.last_seq):
            self.state = fold([fact], self.state)
            # A terminal that went away, or a full disk behind the output, ends no run.
            with suppress(OSError):
                self.reporter.notice(fact)
        return self.state

    def since(self, seq: int) -> list[Event]:
        return self.tools.journal.events(self.id, seq)

    def artifacts(self, stage: str, attempt: int = 1) -> Path:
        """Return the folder for the evidence of one attempt at a stage."""
        return self.tools.project.run_folder(self.id) / stage / f"attempt-{attempt}"

    def finish(self, pipeline: Pipeline, result: str, reason: str = "") -> int:
        """Write the report, anchor the journal, sign the summary and record the end of the run; return the exit code.

        The end is recorded last: a run killed before it is resumed and comes here again, one that has an end has its
        signed summary.
        """
        from dawsos.runs.report import write_report  # loaded beside the stages, see ``runs.preload``

        code = EXIT_CODES[result]
        reason = self.masker.clean(reason)
        ended = replace(
            self.refresh(), result=result, exit_code=code, reason=reason, finished_at=self.tools.clock.now()
        )
        write_report(self.tools, pipeline, ended)
        self.tools.journal.anchor(
            self.id, self.tools.project.summary(self.id), result=result, release=ended.release, commit=ended.commit
        )
        sign_summary(self.tools, ended)
        self.record("run_finished", result=result, exit_code=code, reason=reason)
        write_text(self.tools.project.metrics, render_metrics(self.tools.journal.of_kinds(KINDS)))
        with suppress(OSError):
            self.reporter.close()
        return code


def _clean(value: Any, masker: Masker) -> Any:
    """Mask secrets in every text of a body: what is not in the journal cannot get from there into a report.

    Half a character, such as a tool's JSON may hold, would be refused by the journal and end the run."""
    if isinstance(value, str):
        return storable(masker.clean(value))
    if isinstance(value, dict):
        return {key: _clean(item, masker) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item, masker) for item in value]
    return value


def deploying(project: Project) -> AbstractContextManager[None]:
    """Return the lock of who changes an environment, or starts it: one at a time; entering it raises OwnedElsewhere."""
    return owned(project.deploy_lock, "the deployment")


@contextmanager
def start(tools: Tools, reporter: Reporter, *, commit: str, **facts: Any) -> Iterator[Session]:
    """Begin a new run of ``commit`` and own it; with ``facts`` that is the body of its ``run_started``."""
    run = new_run(tools.project, commit)
    with owned(tools.project.run_lock(run), f"run {run}"):
        session = Session(tools, run, reporter)
        session.record("run_started", commit=commit, **facts)
        yield session


@contextmanager
def take_over(tools: Tools, run: str, reporter: Reporter, pid: int) -> Iterator[Session]:
    """Own an unfinished run again; raises OwnedElsewhere while its owner lives, BadInput when that one has ended it."""
    with owned(tools.project.run_lock(run), f"run {run}"):
        ended = fold(tools.journal.events(run))
        if not ended.unfinished:
            raise BadInput(f"run {run} has ended: {ended.result}", fix="ship again, or see dawsos show")
        for fact in tools.journal.events(run):
            reporter.notice(fact)
        session = Session(tools, run, reporter)
        session.record("run_resumed", pid=pid)
        yield session


def unfinished(tools: Tools) -> list[Run]:
    """Return the runs that have no end, the newest first."""
    runs = [load_run(tools, run) for run in reversed(tools.journal.runs())]
    return [run for run in runs if run.unfinished]
