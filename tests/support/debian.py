"""Programs of Debian's packages, unpacked into a folder of this checkout: nothing is installed, so no root is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dawsos.adapters.locks import FileLock

ROOT = Path(__file__).resolve().parents[2]
_CACHE = ROOT / ".dawsos" / "tool" / "debian"
_WITHIN = 300.0


def unpacked(*packages: str, mend: Callable[[Path], None] = lambda _folder: None) -> Path:
    """Return the folder into which ``packages`` are unpacked (``usr/bin/...``); it is filled once and kept.

    ``mend`` changes what must differ where nothing is installed.  Dependencies are not fetched: name each package that is
    needed.  Where the packages cannot be had, the test is skipped with the reason; in CI, which is told by the variable ``CI``,
    it fails.
    """
    folder = _CACHE / "+".join(packages)
    with FileLock(_CACHE / "lock") as lock:
        assert lock.take(within=_WITHIN), f"process {lock.holder} holds {_CACHE}/lock"
        if folder.is_dir():
            return folder
        fresh = _CACHE / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        problem = _fetch(packages, fresh)
        if problem is None:
            mend(fresh)
            fresh.rename(folder)
            return folder
    told = f"{', '.join(packages)}: {problem}"
    if os.environ.get("CI"):
        pytest.fail(f"Debian's packages cannot be had: {told}")
    pytest.skip(told)


def _fetch(packages: tuple[str, ...], folder: Path) -> str | None:
    """Download and unpack the packages into ``folder``; return what went wrong."""
    lacking = [name for name in ("apt-get", "dpkg") if shutil.which(name) is None]
    if lacking:
        return f"there is no {lacking[0]}"
    downloads = folder / "downloads"
    downloads.mkdir(parents=True)
    said = _run("apt-get", "download", *packages, folder=downloads)
    if said.returncode:
        # A machine that never fetched Debian's lists, or has old ones.  Whoever is not root keeps lists of their own.
        own = _own_lists()
        _run("apt-get", *own, "update", folder=downloads)
        said = _run("apt-get", *own, "download", *packages, folder=downloads)
    if said.returncode:
        return f"apt-get download: {said.stderr.strip().splitlines()[-1:]}"
    for archive in sorted(downloads.glob("*.deb")):
        said = _run("dpkg", "-x", str(archive), str(folder), folder=downloads)
        if said.returncode:
            return f"dpkg -x {archive.name}: {said.stderr.strip()}"
    shutil.rmtree(downloads)
    return None


def _own_lists() -> list[str]:
    lists, cache = _CACHE / "lists", _CACHE / "apt"
    for path in (lists / "partial", cache / "archives" / "partial"):
        path.mkdir(parents=True, exist_ok=True)
    return ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}", "-o", "APT::Sandbox::User="]


def _run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False, timeout=_WITHIN)
