"""``dawsos history``: the runs, the newest last."""

from __future__ import annotations

from dataclasses import dataclass

from dawsos.model.run import Run
from dawsos.runs.project import Project, as_it_stands, load_run, open_tools


@dataclass(frozen=True)
class PastRun:
    """One run in a line.  ``started_at`` is seconds since the epoch; ``release`` is empty when it built and moved none."""

    run: str
    command: str
    commit: str
    release: str
    result: str
    started_at: float
    seconds: float
    reason: str


def history(project: Project) -> tuple[PastRun, ...]:
    """Return every run of the project, the newest last."""
    tools = open_tools(project)
    return tuple(_past(as_it_stands(tools, load_run(tools, run))) for run in tools.journal.runs())


def _past(run: Run) -> PastRun:
    return PastRun(
        run=run.id,
        command=run.command,
        commit=run.commit,
        release=run.release or (run.rollout.release if run.rollout else ""),
        result=run.state or "unfinished",
        started_at=run.started_at,
        seconds=(run.finished_at or run.started_at) - run.started_at,
        reason=run.reason or (f"by {run.stopped}; dawsos resume {run.id}" if run.state == "stopped" else ""),
    )
