"""What ``init`` must know of a Python project to lock, install and try what its stages need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LockName = Literal["uv", "poetry", "pdm", "pipenv", "requirements"]
Runner = Literal["", "pytest", "unittest", "django"]


@dataclass(frozen=True)
class Lock:
    """The project's own lock: its format and file, with the ``groups`` and ``extras`` of the tests."""

    format: LockName
    path: str
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()


@dataclass(frozen=True)
class PythonProject:
    """``packages`` are folders (or modules) that can be imported, ``requires`` is its ``requires-python``.

    ``lock`` has all dependencies, or None: then pip resolves ``sources`` (requirements, and ``-r`` files).  ``tools`` are
    requirements beside them: test runner, type checker, build backend.  ``app`` is ``module:object``.
    """

    packages: tuple[str, ...]
    requires: str = ""
    tests: str = ""
    runner: Runner = ""
    installable: bool = False
    lock: Lock | None = None
    sources: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    app: str = ""
