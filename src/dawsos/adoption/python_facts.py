"""What ``init`` must know of a Python project to lock, install and try what its stages need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

LockName = Literal["uv", "poetry", "pdm", "pipenv", "requirements"]


Interface = Literal["asgi", "wsgi", "itself"]


@dataclass(frozen=True)
class App:
    """``target`` is ``module:object``, or the module that serves by itself; ``factory`` says that the object makes it."""

    target: str
    interface: Interface
    factory: bool = False

    def command(self, servers: Iterable[str]) -> str:
        """Return the command of the first of ``servers`` (locked packages) that can serve it, an empty text when none can."""
        if self.interface == "itself":
            return f"python -m {self.target}"
        called = f"'{self.target}()'" if self.factory else self.target
        known = {
            "uvicorn": f"python -m uvicorn {'--factory ' if self.factory else ''}{self.target} --host $HOST --port $PORT",
            "hypercorn": f"python -m hypercorn {called} --bind $HOST:$PORT",
            "gunicorn": f"python -m gunicorn {called} --bind $HOST:$PORT",
            "waitress": f"python -m waitress --listen=$HOST:$PORT {'--call ' if self.factory else ''}{self.target}",
        }
        fitting = ("uvicorn", "hypercorn") if self.interface == "asgi" else ("gunicorn", "waitress")
        there = set(servers)
        return next((known[name] for name in fitting if name in there), "")

    @property
    def servers(self) -> str:
        """What could serve it, for a message."""
        return "uvicorn or hypercorn" if self.interface == "asgi" else "gunicorn or waitress"


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

    ``lock`` has all dependencies, or None: then pip resolves ``sources`` (requirements, and ``-r`` files), of
    which the first ``run_sources`` are what it runs with.  ``tools`` are
    requirements beside them: test runner, type checker, build backend, and ``needs``, which
    a person named.  ``sql`` says that there are files of SQL.  ``collect`` is
    the command that collects the tests, empty without any; ``app`` is the service's application, and ``pages`` may answer for it.
    """

    packages: tuple[str, ...]
    requires: str = ""
    tests: str = ""
    installable: bool = False
    lock: Lock | None = None
    sources: tuple[str, ...] = ()
    run_sources: int = 0
    tools: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    sql: bool = False
    collect: str = ""
    app: App | None = None
    pages: tuple[str, ...] = ()
