"""``dawsos status``: which releases serve, which processes run, which runs are unfinished."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dawsos.adapters.locks import owner_of
from dawsos.platforms.contract import ProcessStatus
from dawsos.platforms.observers import OBSERVERS
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
    """Return the state of every environment and the unfinished runs."""
    tools = open_tools(project)
    runs = [load_run(tools, run) for run in reversed(tools.journal.runs())]
    unfinished = tuple(
        UnfinishedRun(run.id, run.command, run.result, owner_of(project.run_lock(run.id)), run.reason)
        for run in runs
        if run.unfinished
    )
    return Status(tuple(_environment(path) for path in project.environments()), unfinished)


def _environment(path: Path) -> ShownEnvironment:
    seen = OBSERVERS["local"](path)
    parts = {"stable": seen.roles.stable, "canary": seen.roles.canary, "standby": seen.roles.standby}
    roles = {role: seen.release_of(deployment) for role, deployment in parts.items() if deployment is not None}
    return ShownEnvironment(seen.name, seen.url, seen.running, roles, seen.roles.weight, seen.processes)
