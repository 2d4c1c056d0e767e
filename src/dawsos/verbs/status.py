"""``dawsos status``: which releases serve, which processes run, which runs are unfinished."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass

from dawsos.adapters.locks import owner_of
from dawsos.errors import BadInput
from dawsos.platforms.contract import EnvironmentStatus, ProcessStatus
from dawsos.platforms.observers import OBSERVERS, observe_cluster
from dawsos.platforms.remembered import kept_on
from dawsos.runs.project import PIPELINE_FILE, Project, load, load_run, open_tools


@dataclass(frozen=True)
class ShownEnvironment:
    """An environment: ``roles`` maps stable, canary and standby to release digests, ``weight`` is the canary's per cent.

    ``notes`` are sentences about what was done to it beside this tool, or why it could not be looked at.
    """

    name: str
    url: str
    running: bool
    roles: dict[str, str]
    weight: int
    processes: tuple[ProcessStatus, ...]
    platform: str = "local"
    notes: tuple[str, ...] = ()


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
    """Every environment that was started here or is on a cluster of pipeline.yaml, and the unfinished runs, the newest first."""

    environments: tuple[ShownEnvironment, ...]
    unfinished: tuple[UnfinishedRun, ...]


def status(project: Project) -> Status:
    """Return the state of every environment and the unfinished runs."""
    tools = open_tools(project)
    runs = [load_run(tools, run) for run in reversed(tools.journal.runs())]
    unfinished = tuple(
        UnfinishedRun(run.id, run.command, run.state, owner_of(project.run_lock(run.id)), run.reason or run.stopped)
        for run in runs
        if run.unfinished
    )
    known = frozenset(run.id for run in runs)
    return Status(tuple(_environments(project, known)), unfinished)


def _environments(project: Project, runs: Set[str]) -> Iterator[ShownEnvironment]:
    """Yield each environment, and which runs it keeps beside the ``runs`` of this machine.

    One that different profiles put on different platforms is there once for each.
    """
    on_cluster: set[str] = set()
    for path in project.environments():
        for platform in kept_on(path):
            on_cluster |= {path.name} if platform == "kubernetes" else set()
            yield _shown(platform, OBSERVERS[platform](path), runs)
    yield from _never_opened_here(project, on_cluster, runs)


# The part of pipeline.yaml that has the environments, without what profiles make of them.
_PART = re.compile(r"^environments:.*?(?=^[^\s#]|\Z)", re.MULTILINE | re.DOTALL)


def _never_opened_here(project: Project, known: set[str], runs: Set[str]) -> Iterator[ShownEnvironment]:
    """Yield the environments that pipeline.yaml has on a cluster and that this machine has never opened.

    The file is read whole only where it names a cluster: most projects have none, and a status must start at once.
    """
    try:
        part = _PART.search((project.root / PIPELINE_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return
    if part is None or "kubernetes" not in part[0]:
        return
    try:
        environments = load(project.root, accept_old=True).environments
    except BadInput:
        # Other verbs tell what is wrong with it; what runs is still shown.
        return
    for name, settings in environments.items():
        if settings.platform == "kubernetes" and name not in known:
            kept = settings.model_dump(mode="json", by_alias=True, exclude_unset=True)
            yield _shown("kubernetes", observe_cluster(name, kept), runs)


def _shown(platform: str, seen: EnvironmentStatus, runs: Set[str]) -> ShownEnvironment:
    parts = {"stable": seen.roles.stable, "canary": seen.roles.canary, "standby": seen.roles.standby}
    roles = {role: seen.release_of(deployment) for role, deployment in parts.items() if deployment is not None}
    kept = tuple(
        f"it keeps the run {run} of another machine: dawsos resume {run}" for run in seen.kept if run not in runs
    )
    return ShownEnvironment(
        seen.name, seen.url, seen.running, roles, seen.roles.weight, seen.processes, platform, (*seen.notes, *kept)
    )
