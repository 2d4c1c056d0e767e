"""Builds a release that is no Python package: the project's own command makes a folder from its committed files."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawsos.adapters.files import tail
from dawsos.adapters.git import Commit
from dawsos.adapters.scratch import owned_folder
from dawsos.adapters.toolchain import python_version
from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.model.process import Command, CommandOutcome
from dawsos.model.release import Release
from dawsos.model.service import Service
from dawsos.ports import Runner
from dawsos.releases.bundle import FOLDER, files_of, links_of, platform_name, seal

# What package managers say when it is the network or the disk, and not the project.
_MACHINE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENOSPC|No space left on device|dial tcp|i/o timeout"
    r"|TLS handshake timeout|Could not transfer artifact|Connection timed out|Temporary failure in name resolution"
    r"|Network is unreachable",
)
_SHOWN = 12


@dataclass(frozen=True)
class FolderRecipe:
    """What a release is made of: ``files`` of the folder ``source``, by the build of ``service``, all of ``commit``.

    ``environment`` are the variables of the build; ``programs`` are those of the toolchain that the release needs to run.
    ``packages`` puts the locked Python packages of the service into a folder, where it has some.
    """

    service: Service
    source: Path
    files: Iterable[str]
    commit: Commit
    environment: Mapping[str, str]
    programs: tuple[str, ...] = ()
    packages: Callable[[Path], Awaitable[None]] | None = None


def needed(service: Service, programs: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``programs`` that a command of the service starts: the others were for the build alone."""
    jobs = [job.run for job in (*service.jobs, *service.verify)]
    given = [service.command, service.migrate, service.seed, service.token, *(one.command for one in service.workers)]
    words = set(re.findall(r"[^\s;&|()<>'\"=]+", " ".join(command for command in (*given, *jobs) if command)))
    return tuple(name for name in programs if name in words)


async def build(recipe: FolderRecipe, *, folder: Path, log: Path, budget: float, runner: Runner) -> Release:
    """Build ``recipe`` and return the release kept below ``folder``.

    Nothing of the project but its committed files is there.  Raises ReleaseFailed with the log's end when the build fails or made what
    is no release, and InfrastructureError when it could not get what it needs.
    """
    wanted = recipe.service.build
    if wanted is None:
        raise ValueError("the service has no build")
    with owned_folder(folder, "source-") as source, owned_folder(folder, "build-") as work:
        _copy(recipe, source)
        if wanted.run is not None:
            argv = ("/bin/sh", "-euc", wanted.run)
            outcome = await runner.run(Command(argv, str(source), dict(recipe.environment), str(log), budget))
            if outcome.classification != "ok":
                raise _failure(outcome, log)
        made = source / wanted.folder
        if not made.is_dir():
            raise ReleaseFailed(
                f"the build made no folder {wanted.folder}",
                fix="correct service.build.folder, or what the build writes",
            )
        made.rename(work / FOLDER)
        (work / FOLDER).chmod(0o755)
        _must_be_whole(work / FOLDER, recipe.service)
        manifest: dict[str, Any] = {
            "kind": "folder",
            "commit": recipe.commit.sha,
            "platform": platform_name(),
            "programs": list(recipe.programs),
            "links": links_of(work / FOLDER),
        }
        if recipe.packages is not None:
            await recipe.packages(work / "site")
            manifest["python"] = python_version()
        return seal(work, {**manifest, "files": files_of(work, manifest)}, folder)


def _copy(recipe: FolderRecipe, target: Path) -> None:
    """Copy the files, each as old as the commit: archives that a build makes name these times."""
    for name in recipe.files:
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(recipe.source / name, place, follow_symlinks=False)
        os.utime(place, (recipe.commit.time, recipe.commit.time), follow_symlinks=False)


def _failure(outcome: CommandOutcome, log: Path) -> ReleaseFailed | InfrastructureError:
    lines = [line for line in tail(log, 40) if line.strip()] or [outcome.message]
    why, text = "\n".join(lines), "\n    ".join(lines[-_SHOWN:])
    lacking = re.search(r"(?:sh: \d+: |sh: line \d+: )(\S+): (?:command )?not found", why)
    if lacking:
        fix = f"name {lacking[1]} in the programs of the stage's toolchain, or install it"
        return ReleaseFailed(f"building the release failed: {text}", fix=fix)
    if outcome.classification == "infrastructure" or _MACHINE.search(why):
        return InfrastructureError(
            f"building the release failed: {text}", fix=f"read {log}; is the package registry reachable?"
        )
    return ReleaseFailed(f"building the release failed ({outcome.message}):\n    {text}", fix=f"read {log}")


def _must_be_whole(app: Path, service: Service) -> None:
    """Raise ReleaseFailed for what would be no release, or another one tomorrow."""
    paths = sorted(app.rglob("*"))
    if not any(path.is_file() for path in paths):
        raise ReleaseFailed("the build made an empty folder", fix="correct service.build")
    for path in paths:
        name = path.relative_to(app)
        if path.is_symlink():
            target = Path(os.path.normpath(path.parent / path.readlink()))
            if path.readlink().is_absolute() or not target.is_relative_to(app):
                raise ReleaseFailed(
                    f"{name} is a link to {path.readlink()}, which is not in the release",
                    fix="copy the file in the build",
                )
        elif not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise ReleaseFailed(f"{name} is no file, folder or link", fix="let the build leave it out")
    _must_start(app, service)


def _must_start(app: Path, service: Service) -> None:
    """Raise ReleaseFailed when a command begins with a file of the release that is not there or is no program."""
    commands = {"service.command": service.command, **{f"worker {one.name}": one.command for one in service.workers}}
    for place, command in commands.items() if not service.shell else ():
        word = next(iter(shlex.split(command)), "")
        if "/" not in word or word.startswith("/"):
            continue
        if not (app / word).is_file():
            raise ReleaseFailed(f"{place} starts {word}, and the build made no such file", fix="correct one of the two")
        if not os.access(app / word, os.X_OK):
            raise ReleaseFailed(f"{place} starts {word}, which is not executable", fix=f"chmod +x {word} in the build")
