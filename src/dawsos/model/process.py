"""Processes as data: what to run, when it is ready, how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

# The exit code for a program that is not there.
NOT_FOUND = 127
StepClass = Literal["ok", "judged", "failed", "timeout", "infrastructure", "cancelled"]


@dataclass(frozen=True)
class Probe:
    """How readiness is asked, on 127.0.0.1:``port``.

    ``http`` expects status 200 on ``path``.  ``tcp`` connects, sends the bytes ``ask`` and expects an answer that begins with
    one of ``answers`` (both in hexadecimal; no answer is awaited when there is none to expect): a server that still
    recovers already accepts connections.
    """

    kind: Literal["tcp", "http"]
    port: int
    path: str = "/"
    ask: str = ""
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProcessSpec:
    """A long-lived process that a supervisor keeps running.

    ``env`` is the whole environment: nothing of the supervisor's leaks in.  ``user`` is the uid and gid to
    take when the supervisor is root (Postgres refuses to be root).  ``group`` is the deployment or service it belongs to.
    """

    name: str
    group: str
    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str] = field(default_factory=dict)
    user: tuple[int, int] | None = None
    stop_signal: str = "SIGTERM"
    stop_grace: float = 5.0
    ready: Probe | None = None
    log: str = ""


@dataclass(frozen=True)
class Command:
    """A command with an end, a time budget and a log file; ``env`` is its whole environment."""

    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    log: str
    budget: float
    grace: float = 5.0


@dataclass(frozen=True)
class CommandOutcome:
    """The outcome of a command: ``exit_code`` is negative for a signal, None when it never started.

    ``judged`` is an exit code that the step declared as "findings were reported", not as a failure.
    """

    classification: StepClass
    exit_code: int | None
    seconds: float
    message: str = ""

    @property
    def not_found(self) -> bool:
        """Whether there is no such program: exit code 127, as shells and the reaper give it."""
        return self.exit_code == NOT_FOUND
