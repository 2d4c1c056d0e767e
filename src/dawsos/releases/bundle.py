"""Builds a release: the service's wheel and its locked dependencies in one immutable folder, named by its content."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from dawsos.adapters.digests import sha256
from dawsos.adapters.git import Commit
from dawsos.adapters.scratch import owned_folder
from dawsos.adapters.toolchain import base_python, python_version, tool_environment
from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.model.release import Release
from dawsos.ports import Runner
from dawsos.releases import packages
from dawsos.releases.layouts import canonical
from dawsos.releases.packages import tree_manifest


def _digest(manifest: dict[str, object]) -> str:
    return sha256(canonical(manifest))


def load(folder: Path, digest: str) -> Release:
    """Return the release ``digest`` kept below ``folder`` after comparing every file with its manifest.

    Raises InfrastructureError when it is missing or was altered.
    """
    path = folder / digest
    try:
        manifest = json.loads((path / "release.json").read_text())
    except (OSError, ValueError) as error:
        raise InfrastructureError(f"release {digest[:12]} is not here: {error}", fix="ship its commit again") from error
    if not _fits(path, digest, manifest):
        raise InfrastructureError(
            f"release {digest[:12]} was altered after it was built", fix=f"remove {path} and ship its commit again"
        )
    if manifest["python"] != python_version():
        raise InfrastructureError(
            f"release {digest[:12]} was built for {manifest['python']}, this is {python_version()}", fix="ship again"
        )
    size = sum(file.stat().st_size for file in (path / "site").rglob("*") if file.is_file())
    return Release(digest, path, manifest["commit"], size, manifest["python"], base_python())


def is_whole(folder: Path, digest: str) -> bool:
    """Return whether the release ``digest`` below ``folder`` is what its digest says, file by file."""
    path = folder / digest
    try:
        return _fits(path, digest, json.loads((path / "release.json").read_text()))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


def _fits(path: Path, digest: str, manifest: dict[str, object]) -> bool:
    return _digest(manifest) == digest and tree_manifest(path / "site") == manifest["files"]


def protect(path: Path) -> None:
    """Take the right to write from the files of a release: nothing changes them from now on."""
    for file in path.rglob("*"):
        if file.is_file():
            file.chmod(file.stat().st_mode & ~0o222)


@dataclass(frozen=True)
class Recipe:
    """What a release is made of: the project's folder ``source``, its hash-locked ``requirements``, the ``commit`` both are of."""

    source: Path
    requirements: Path
    commit: Commit


async def build(recipe: Recipe, python: Path, *, folder: Path, kept: Path, log: Path, runner: Runner) -> Release:
    """Build ``recipe`` with the build backend of ``python`` and return the release kept below ``folder``; ``kept`` is where
    installed packages are, for the next build.

    Everything that depends on the machine or the time (launch scripts with their interpreter's path, installation
    records) is left out, so that two builds of one commit are one release.  Raises ReleaseFailed with the log's end, and
    InfrastructureError when the locked packages cannot be fetched.
    """
    with owned_folder(folder, "build-") as work:
        environment = {
            **tool_environment(folder),
            "SOURCE_DATE_EPOCH": str(recipe.commit.time),
            "PYTHONHASHSEED": "0",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        pip = packages.Pip(python, environment, log, runner)
        await pip.run(
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "-w",
            str(work / "dist"),
            str(recipe.source),
        )
        wheels = sorted((work / "dist").glob("*.whl"))
        own, site = work / "own", work / "site"
        await pip.run(
            "install", "--quiet", "--no-compile", "--no-deps", "--no-index", "--target", str(own), *map(str, wheels)
        )
        packages.strip(own)
        await packages.install(recipe.requirements, site, kept=kept, pip=pip)
        _refuse_clashes(own, site)
        await pip.compile(own)
        # A folder that both have, of a namespace, gets the files of both.
        shutil.copytree(own, site, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(own)
        return _seal(work, recipe.commit, folder)


def _refuse_clashes(own: Path, site: Path) -> None:
    """Raise ReleaseFailed where a file of the release's own code would take the place of a locked package's.

    The package would no longer be what the lock and the bill of materials say that it is.
    """
    for path in sorted(own.rglob("*")):
        name = path.relative_to(own).as_posix()
        installed = site / name
        if not installed.exists() or (path.is_dir() and installed.is_dir()):
            continue
        if path.is_dir() or installed.is_dir() or path.read_bytes() != installed.read_bytes():
            raise ReleaseFailed(
                f"both the service's own code and a locked package install {name}",
                fix="rename the service's file or folder, or take the package out of the requirements",
            )


def _seal(work: Path, commit: Commit, folder: Path) -> Release:
    site = work / "site"
    manifest: dict[str, object] = {"commit": commit.sha, "python": python_version(), "files": tree_manifest(site)}
    digest = _digest(manifest)
    target = folder / digest
    if not target.exists():
        (work / "release.json").write_text(json.dumps(manifest, sort_keys=True, indent=1))
        protect(work)
        shutil.rmtree(work / "dist", ignore_errors=True)
        work.chmod(0o755)
        try:
            os.rename(work, target)  # noqa: PTH104 - os.rename refuses a non-empty target, which is what we want
        except OSError:
            if not target.exists():
                raise
            # Another build of the same commit was faster; ``load`` compares every file of what it made.
    return load(folder, digest)
