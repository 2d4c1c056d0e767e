"""Keeps the installed and compiled packages of a lock, so that the next build of that lock copies them.

Fetching, unpacking and compiling them takes most of the time of a build, and a commit seldom changes the lock.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from dawsos.adapters import pip
from dawsos.adapters.digests import sha256
from dawsos.adapters.files import read_json, write_json
from dawsos.adapters.scratch import owned_folder
from dawsos.adapters.toolchain import base_python, lock_digest, python_version
from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.model.process import Command
from dawsos.ports import Runner

_BUDGET = 600.0
# The lock of this commit, of the one before, and of a branch.
_KEPT = 3
# Part of the name: another way to install makes another folder.
_FORM = "1"


@dataclass(frozen=True)
class Pip:
    """How packages are installed: ``python`` has pip and the build backends; its output goes to ``log``."""

    python: Path
    environment: dict[str, str]
    log: Path
    runner: Runner

    async def run(self, *words: str, fetches: bool = False) -> None:
        """Run pip; ``fetches`` when it needs the registry."""
        # Only pip's own log says whether the registry answered that it has none, or did not answer.
        detailed = self.log.with_name("pip.debug")
        try:
            told = ("--log", str(detailed)) if fetches else ()
            await self._run((str(self.python), "-m", "pip", *words, *told), detailed)
        finally:
            detailed.unlink(missing_ok=True)

    async def compile(self, site: Path) -> None:
        """Compile ``site`` reproducibly: the output depends neither on its path nor on the time."""
        await self._run(
            (base_python(), "-I", "-S", "-m", "compileall", "-q", "-j", "2", "--invalidation-mode", "unchecked-hash",
             "-s", str(site), str(site)),
            self.log,
        )  # fmt: skip

    async def _run(self, argv: tuple[str, ...], detailed: Path) -> None:
        """Raises ReleaseFailed with what pip says is wrong, and InfrastructureError when what is locked cannot be fetched."""
        log, before = self.log, pip.size_of(self.log)
        outcome = await self.runner.run(Command(argv, str(log.parent), self.environment, str(log), _BUDGET))
        if outcome.classification != "ok":
            output = pip.said_in(log, before)
            of_machine = outcome.classification == "infrastructure" or pip.is_of_the_machine(output)
            fetched = "--log" in argv
            of_commit = not fetched or pip.is_of_the_commit(output, pip.said_in(detailed))
            kind = ReleaseFailed if of_commit and not of_machine else InfrastructureError
            why = "\n    ".join(pip.error_of(output))
            hint = "" if kind is ReleaseFailed or not fetched else "; is the package registry reachable?"
            raise kind(f"building the release failed: {why or outcome.message}", fix=f"read {log}{hint}")


def tree_manifest(folder: Path) -> dict[str, str]:
    """Return relative path -> SHA-256 (with an ``x`` in front for executables) of every file below ``folder``.

    Of a symbolic link it is that of its target's name, with an ``l`` in front: a wheel installs none, but one that is put
    there later is imported like a file.
    """
    manifest = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            target = sha256(os.fsencode(path.readlink()))
            manifest[path.relative_to(folder).as_posix()] = "l" + target
        elif path.is_file():
            mark = "x" if path.stat().st_mode & stat.S_IXUSR else ""
            manifest[path.relative_to(folder).as_posix()] = mark + sha256(path.read_bytes())
    return manifest


def strip(site: Path) -> None:
    """Remove what names this machine or this minute: launch scripts, installation records, compiled files."""
    shutil.rmtree(site / "bin", ignore_errors=True)
    for info in site.glob("*.dist-info"):
        for name in ("direct_url.json", "RECORD", "INSTALLER", "REQUESTED"):
            (info / name).unlink(missing_ok=True)
    for cache in site.rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)


async def install(requirements: Path, site: Path, *, kept: Path, pip: Pip) -> None:
    """Make ``site``, which must not be there, of the packages that ``requirements`` locks; a copy of them is kept below ``kept``.

    A kept copy is used only if every file of it is as it was when it was installed.  Raises as ``Pip``.
    """
    name = sha256(f"{_FORM} {lock_digest(requirements)} {python_version()}".encode())[:16]
    if _copied(kept / name, site):
        return
    shutil.rmtree(site, ignore_errors=True)
    with owned_folder(kept, "build-") as work:
        await pip.run(
            "install", "--quiet", "--no-compile", "--no-deps", "--require-hashes", "--only-binary", ":all:",
            "--target", str(work / "site"), "-r", str(requirements), fetches=True,
        )  # fmt: skip
        strip(work / "site")
        await pip.compile(work / "site")
        write_json(work / "manifest.json", tree_manifest(work / "site"))
        shutil.copytree(work / "site", site, symlinks=True)
        _keep(work, kept / name)


def _copied(source: Path, site: Path) -> bool:
    """Copy the kept packages ``source`` to ``site`` and return whether what arrived is what was once installed."""
    manifest = read_json(source / "manifest.json")
    if manifest is None:
        return False
    try:
        os.utime(source)  # the last that are used are kept
        shutil.copytree(source / "site", site, symlinks=True)
    except OSError:
        # Removed by another build just now.
        return False
    return bool(tree_manifest(site) == manifest)


def _keep(work: Path, target: Path) -> None:
    """Put ``work`` in the place of ``target``, and remove the oldest of the others."""
    shutil.rmtree(target, ignore_errors=True)
    try:
        os.rename(work, target)  # noqa: PTH104 - os.rename refuses a non-empty target, which is what we want
    except OSError:
        # Another build of the same lock was faster; its packages are the same.
        return
    others = [path for path in target.parent.iterdir() if path != target and not path.name.endswith(".owned")]
    for path in sorted(others, key=lambda path: path.stat().st_mtime)[: -(_KEPT - 1)]:
        shutil.rmtree(path, ignore_errors=True)
