"""Builds a release: the service's wheel and its locked dependencies in one immutable folder, named by its content."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from dawsos.adapters.git import Commit
from dawsos.adapters.leftovers import owned_folder
from dawsos.adapters.toolchain import base_python, python_version, tool_environment
from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.model.process import Command
from dawsos.ports import Runner

_BUDGET = 600.0


@dataclass(frozen=True)
class Release:
    """A built release.  ``digest`` is the SHA-256 over its manifest, ``size`` the bytes on disk."""

    digest: str
    path: Path
    commit: str
    size: int
    python: str

    @property
    def site(self) -> Path:
        return self.path / "site"

    @property
    def interpreter(self) -> str:
        return base_python()


def tree_manifest(folder: Path) -> dict[str, str]:
    """Return relative path -> SHA-256 (with an ``x`` in front for executables) of every file below ``folder``.

    Of a symbolic link it is that of its target's name, with an ``l`` in front: a wheel installs none, but one that is put
    there later is imported like a file.
    """
    manifest = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            target = hashlib.sha256(os.fsencode(path.readlink())).hexdigest()
            manifest[path.relative_to(folder).as_posix()] = "l" + target
        elif path.is_file():
            mark = "x" if path.stat().st_mode & stat.S_IXUSR else ""
            manifest[path.relative_to(folder).as_posix()] = mark + hashlib.sha256(path.read_bytes()).hexdigest()
    return manifest


def _digest(manifest: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def load(folder: Path, digest: str) -> Release:
    """Return the release ``digest`` kept below ``folder`` after comparing every file with its manifest.

    Raises InfrastructureError when it is missing or was altered.
    """
    path = folder / digest
    try:
        manifest = json.loads((path / "release.json").read_text())
    except (OSError, ValueError) as error:
        raise InfrastructureError(f"release {digest[:12]} is not here: {error}", fix="ship its commit again") from error
    if _digest(manifest) != digest or tree_manifest(path / "site") != manifest["files"]:
        raise InfrastructureError(
            f"release {digest[:12]} was altered after it was built", fix=f"remove {path} and ship its commit again"
        )
    if manifest["python"] != python_version():
        raise InfrastructureError(
            f"release {digest[:12]} was built for {manifest['python']}, this is {python_version()}", fix="ship again"
        )
    size = sum(file.stat().st_size for file in (path / "site").rglob("*") if file.is_file())
    return Release(digest, path, manifest["commit"], size, manifest["python"])


@dataclass(frozen=True)
class Recipe:
    """What a release is made of: the project's folder ``source``, its hash-locked ``requirements``, the ``commit`` both are of."""

    source: Path
    requirements: Path
    commit: Commit


async def build(recipe: Recipe, python: Path, *, folder: Path, log: Path, runner: Runner) -> Release:
    """Build ``recipe`` with the build backend of ``python`` and return the release kept below ``folder``.

    Everything that depends on the place or the hour (launch scripts with their interpreter's path, installation
    records) is left out, so that two builds of one commit are one release.  Raises ReleaseFailed with the log's end, and
    InfrastructureError when the locked packages cannot be fetched.
    """
    with owned_folder(folder, "build-") as work:
        site = work / "site"
        environment = {
            **tool_environment(folder),
            "SOURCE_DATE_EPOCH": str(recipe.commit.time),
            "PYTHONHASHSEED": "0",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        pip = (str(python), "-m", "pip")
        await _run(
            runner,
            (*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(work / "dist"),
             str(recipe.source)),
            environment, log,
        )  # fmt: skip
        wheels = sorted((work / "dist").glob("*.whl"))
        await _run(
            runner,
            (*pip, "install", "--quiet", "--no-compile", "--no-deps", "--require-hashes", "--only-binary", ":all:",
             "--target", str(site), "-r", str(recipe.requirements)),
            environment, log, fetches=True,
        )  # fmt: skip
        await _run(
            runner,
            (*pip, "install", "--quiet", "--no-compile", "--no-deps", "--no-index", "--target", str(site), *map(str, wheels)),
            environment, log,
        )  # fmt: skip
        _strip(site)
        await _run(
            runner,
            (base_python(), "-I", "-S", "-m", "compileall", "-q", "-j", "2", "--invalidation-mode", "unchecked-hash",
             "-s", str(site), str(site)),
            environment, log,
        )  # fmt: skip
        return _seal(work, recipe.commit, folder)


async def _run(
    runner: Runner, argv: tuple[str, ...], environment: dict[str, str], log: Path, *, fetches: bool = False
) -> None:
    outcome = await runner.run(Command(argv, str(log.parent), environment, str(log), _BUDGET))
    if outcome.classification != "ok":
        said = log.read_text(errors="replace")
        tail = "\n    ".join(said.splitlines()[-8:])
        # A registry that is away is nobody's fault here; a package that is not what was locked, or a list that locks
        # nothing, is the release's.
        away = fetches and "DO NOT MATCH THE HASHES" not in said and "--require-hashes mode" not in said
        kind = InfrastructureError if away or outcome.classification == "infrastructure" else ReleaseFailed
        raise kind(f"building the release failed ({outcome.message}):\n    {tail}", fix=f"read {log}")


def _strip(site: Path) -> None:
    """Remove what names this machine or this minute."""
    shutil.rmtree(site / "bin", ignore_errors=True)
    for info in site.glob("*.dist-info"):
        for name in ("direct_url.json", "RECORD", "INSTALLER", "REQUESTED"):
            (info / name).unlink(missing_ok=True)
    for cache in site.rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)


def _seal(work: Path, commit: Commit, folder: Path) -> Release:
    site = work / "site"
    manifest: dict[str, object] = {"commit": commit.sha, "python": python_version(), "files": tree_manifest(site)}
    digest = _digest(manifest)
    target = folder / digest
    if not target.exists():
        (work / "release.json").write_text(json.dumps(manifest, sort_keys=True, indent=1))
        for path in [work, *work.rglob("*")]:
            if path.is_file():
                path.chmod(path.stat().st_mode & ~0o222)
        shutil.rmtree(work / "dist", ignore_errors=True)
        work.chmod(0o755)
        os.rename(work, target)  # noqa: PTH104 - os.rename refuses a non-empty target, which is what we want
    return load(folder, digest)
