"""Finds the Python that a project asks for: the tool's own where it fits, else one on PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from dawsos.errors import BadInput, InfrastructureError

_NEWEST, _OLDEST = 20, 8
_WITHIN = 20.0
# What a toolchain needs of it.
_ASK = "import ensurepip, sys, venv; print('.'.join(map(str, sys.version_info[:3])))"


@dataclass(frozen=True)
class Interpreter:
    """``version`` is that of an interpreter on PATH, as ``3.12``; empty for the tool's own."""

    path: str
    version: str
    full: str


def own() -> Interpreter:
    # The interpreter outside of any virtual environment.
    return Interpreter(
        str(getattr(sys, "_base_executable", sys.executable)), "", ".".join(map(str, sys.version_info[:3]))
    )


def find(requires: str) -> Interpreter:
    """Return an interpreter that ``requires`` (PEP 440) allows; raises BadInput with what there is when none does."""
    try:
        wanted = SpecifierSet(requires)
    except InvalidSpecifier as error:
        raise BadInput(f"requires-python is {requires!r}: {error}", fix="write it like >=3.11") from error
    mine = own()
    if wanted.contains(mine.full, prereleases=True):
        return mine
    seen = [mine.full]
    for minor in range(_NEWEST, _OLDEST - 1, -1):
        found = named(f"3.{minor}")
        if found is None:
            continue
        if wanted.contains(found.full, prereleases=True):
            return found
        seen.append(found.full)
    raise BadInput(
        f"the project needs Python {requires}, and here is {', '.join(dict.fromkeys(seen))}",
        fix="install one that fits (with venv), so that pythonX.Y is on PATH",
    )


@lru_cache(maxsize=32)
def named(version: str) -> Interpreter | None:
    """Return the interpreter ``pythonVERSION`` of PATH, None when there is none that runs: a shim may lead to nothing."""
    path = shutil.which(f"python{version}", path=os.environ.get("PATH"))
    if path is None:
        return None
    try:
        done = subprocess.run([path, "-I", "-c", _ASK], capture_output=True, text=True, timeout=_WITHIN, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Interpreter(path, version, done.stdout.strip()) if done.returncode == 0 else None


def chosen(version: str | None) -> Interpreter:
    """Return the interpreter that a toolchain names, the tool's own without a name; raises InfrastructureError when it is not here."""
    if version is None:
        return own()
    found = named(version)
    if found is None:
        raise InfrastructureError(
            f"there is no python{version} on PATH that runs and has venv, which a toolchain of the project names",
            fix=f"install Python {version}, or start dawsos where it is on PATH",
        )
    return found
