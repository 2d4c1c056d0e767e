"""Keeps releases, each an immutable folder that is named by its content, and builds those of Python packages: the service's wheel
and its locked dependencies."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawsos.adapters import programs
from dawsos.adapters.digests import sha256
from dawsos.adapters.files import read_json
from dawsos.adapters.git import Commit
from dawsos.adapters.scratch import owned_folder
from dawsos.adapters.toolchain import base_python, python_version, tool_environment
from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.model.release import Release
from dawsos.ports import Runner
from dawsos.releases import packages
from dawsos.releases.layouts import canonical
from dawsos.releases.packages import tree_manifest

# The folder of a release that holds what a project's own build made.
FOLDER = "app"


def _digest(manifest: dict[str, Any]) -> str:
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
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())
    size -= (path / "release.json").stat().st_size
    python = manifest.get("python", "")
    if python:
        _must_fit(digest, python, python_version())
    is_folder = manifest.get("kind") == "folder"
    if is_folder:
        _must_fit(digest, manifest["platform"], platform_name())
    needed = programs.folders(manifest["programs"], os.environ) if is_folder else ()
    interpreter = base_python() if python else ""
    return Release(digest, path, manifest["commit"], size, python, interpreter, is_folder=is_folder, programs=needed)


def _must_fit(digest: str, built_for: str, here: str) -> None:
    if built_for != here:
        raise InfrastructureError(f"release {digest[:12]} was built for {built_for}, this is {here}", fix="ship again")


def platform_name() -> str:
    """Return what the files of a folder that was built fit: system and processor."""
    return f"{sys.platform}-{platform.machine().lower()}"


def files_of(folder: Path, manifest: dict[str, Any]) -> dict[str, str]:
    """Return what ``tree_manifest`` says of the content of a release: its packages, or what a build made and perhaps packages."""
    if manifest.get("kind") != "folder":
        return tree_manifest(folder / "site")
    names = (FOLDER, "site") if manifest.get("python") else (FOLDER,)
    return {f"{name}/{path}": digest for name in names for path, digest in tree_manifest(folder / name).items()}


def known_links(path: Path) -> dict[str, str]:
    """Return path -> target of each link that the manifest of the release in ``path`` names, paths from the release's folder."""
    links = (read_json(path / "release.json") or {}).get("links")
    return {f"{FOLDER}/{name}": str(target) for name, target in links.items()} if isinstance(links, dict) else {}


def restore_links(folder: Path, digest: str) -> None:
    """Make the links of the release ``digest`` below ``folder`` again, which an archive of files does not carry.

    None leads out of the release, or lies outside of what was built.  Whether they are the right ones ``is_whole`` says.
    """
    release, root = folder / digest, folder / digest / FOLDER
    for name, target in known_links(release).items():
        place = release / name
        ends = Path(os.path.normpath(place.parent / target))
        inside = Path(os.path.normpath(place)).is_relative_to(root) and ends.is_relative_to(root)
        if inside and not place.is_symlink() and place.parent.resolve().is_relative_to(root.resolve()):
            with contextlib.suppress(OSError):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(target)


def links_of(app: Path) -> dict[str, str]:
    """Return path -> target of each symbolic link below ``app``."""
    return {path.relative_to(app).as_posix(): os.readlink(path) for path in sorted(app.rglob("*")) if path.is_symlink()}  # noqa: PTH115


def is_whole(folder: Path, digest: str) -> bool:
    """Return whether the release ``digest`` below ``folder`` is what its digest says, file by file."""
    path = folder / digest
    try:
        return _fits(path, digest, json.loads((path / "release.json").read_text()))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


def _fits(path: Path, digest: str, manifest: dict[str, Any]) -> bool:
    return _digest(manifest) == digest and files_of(path, manifest) == manifest["files"]


def protect(path: Path) -> None:
    """Take the right to write from the files of a release: nothing changes them from now on."""
    for file in path.rglob("*"):
        if file.is_file() and not file.is_symlink():
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
        pip = pip_of(python, recipe.commit, folder, log, runner)
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


def pip_of(python: Path, commit: Commit, home: Path, log: Path, runner: Runner) -> packages.Pip:
    """Return the pip of ``python``, with variables by which two builds of one commit are the same."""
    environment = {
        **tool_environment(home),
        "SOURCE_DATE_EPOCH": str(commit.time),
        "PYTHONHASHSEED": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return packages.Pip(python, environment, log, runner)


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
    files = tree_manifest(work / "site")
    return seal(work, {"commit": commit.sha, "python": python_version(), "files": files}, folder)


def seal(work: Path, manifest: dict[str, Any], folder: Path) -> Release:
    """Give ``work`` its place below ``folder``, named by its ``manifest``, and return the release; nothing changes it from now on."""
    digest = _digest(manifest)
    target = folder / digest
    if not target.exists():
        shutil.rmtree(work / "dist", ignore_errors=True)
        (work / "release.json").write_text(json.dumps(manifest, sort_keys=True, indent=1))
        protect(work)
        work.chmod(0o755)
        try:
            os.rename(work, target)  # noqa: PTH104 - os.rename refuses a non-empty target, which is what we want
        except OSError:
            if not target.exists():
                raise
            # Another build of the same commit was faster; ``load`` compares every file of what it made.
    return load(folder, digest)
