"""``dawsos status``: what serves now, which processes run, which runs are unfinished."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dawsos.adapters.locks import owner_of
from dawsos.platforms.local.observed import observe
from dawsos.platforms.local.state import ProcessStatus
from dawsos.runs.project import Project, load_run, open_tools


@dataclass(frozen=True)
class ShownEnvironment:
    """An environment: ``roles`` maps stable, canary and standby to release digests, ``weight`` is the canary's per cent."""

    name: str
    url: str
    running: bool
    roles: dict[str, str]
    weight: int
    processes: tuple[ProcessStatus, ...]


@dataclass(frozen=True)
class UnfinishedRun:
    """A run that may go on; ``owner`` is the process that works on it, None when none does."""

    run: str
    command: str
    result: str
    owner: int | None
    reason: str


@dataclass(frozen=True)
class Status:
    """Every environment that was ever started, and the unfinished runs, the newest first."""

    environments: tuple[ShownEnvironment, ...]
    unfinished: tuple[UnfinishedRun, ...]


def status(project: Project) -> Status:
    """Return what runs now."""
    tools = open_tools(project)
    folder = project.home / "environments"
    found = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.exists() else []
    runs = [load_run(tools, run) for run in reversed(tools.journal.runs())]
    unfinished = tuple(
        UnfinishedRun(run.id, run.command, run.result, owner_of(project.run_lock(run.id)), run.reason)
        for run in runs
        if run.unfinished
    )
    return Status(tuple(_environment(path) for path in found), unfinished)


def _environment(path: Path) -> ShownEnvironment:
    seen = observe(path)
    state = seen.status
    return ShownEnvironment(path.name, state.url, state.running, seen.releases, seen.roles.weight, state.processes)
