"""``dawsos show``: one run in full, and whether its journal is intact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dawsos.model.run import Run
from dawsos.runs import evidence
from dawsos.runs.project import Project, as_it_stands, load_run, open_tools


@dataclass(frozen=True)
class ShownRun:
    """A run, what is wrong with its journal and its signed end (one line each), and where its report lies."""

    run: Run
    problems: tuple[str, ...]
    report: Path


def show(project: Project, run_name: str) -> ShownRun:
    """Return the run called ``run_name``; raises BadInput when there is none."""
    tools = open_tools(project)
    run = load_run(tools, run_name)
    return ShownRun(as_it_stands(tools, run), tuple(evidence.summary_problems(tools, run)), project.report(run.id))
