"""The few errors that a person may see: what went wrong, where, and how to fix it.

Each class carries the exit code of the command line.  Everything else that is raised is a defect, and the boundary in
``dawsos.cli.main`` reports it as one.
"""

from __future__ import annotations

import errno
import re
from typing import Literal

EXIT_DONE = 0
EXIT_GATE_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INFRASTRUCTURE = 3
EXIT_ROLLED_BACK = 4
EXIT_WAITING = 75
EXIT_INTERRUPTED = 130


class DawsosError(Exception):
    """Base of every error shown to a person; ``fix`` says how to fix it."""

    exit_code = EXIT_INFRASTRUCTURE

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n  fix: {self.fix}" if self.fix else self.message


class BadInput(DawsosError):
    """The person's input cannot be used: pipeline file, arguments, names of runs, stages or releases."""

    exit_code = EXIT_BAD_INPUT


class InfrastructureError(DawsosError):
    """The machine failed: no disk, no port, a process that does not start, a registry that cannot be reached."""

    exit_code = EXIT_INFRASTRUCTURE


class ReleaseFailed(DawsosError):
    """The release itself is at fault: it does not build, its own command or job fails, its processes do not start.

    Never tried again: what fails for the release would fail for its users.
    """

    exit_code = EXIT_GATE_FAILED


class OwnedElsewhere(DawsosError):
    """Another live process owns the run or the environment; the message names its pid."""

    exit_code = EXIT_INFRASTRUCTURE


# What the machine refused, by the number that every system call gives for it.
_REFUSALS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file may not become that large here (ulimit -f)",
    errno.EROFS: "the disk is read-only",
    errno.EIO: "the disk cannot be read or written",
    errno.EMFILE: "too many files are open (ulimit -n)",
    errno.ENFILE: "the whole machine has too many files open",
    errno.ENOMEM: "the machine has no memory left",
}


def refusal_of(error: OSError) -> str:
    """Return what the machine refused, with the file where it is known; an empty text for what may be a defect of the tool."""
    number, name = error.errno, error.filename
    if number is None:
        # Of a copied folder the error is a text that holds the errors of its files.
        found = re.search(r"\[Errno (\d+)\]", str(error))
        number = int(found[1]) if found else 0
    refusal = _REFUSALS.get(number, "")
    return f"{refusal}: {name}" if refusal and name else refusal


def failure_of(error: Exception) -> tuple[Literal["failed", "infrastructure"], str]:
    """Return the result and the reason of a stage or a run that ``error`` stopped.

    This is the only map from errors to results.  An error of the release or of the input is ``failed``, because the same commit
    has it the next time as well.  An error of the machine, and a defect of the tool, are ``infrastructure``: another attempt may
    succeed.
    """
    if isinstance(error, (ReleaseFailed, BadInput)):
        return "failed", str(error)
    if isinstance(error, DawsosError):
        return "infrastructure", str(error)
    if isinstance(error, OSError):
        return "infrastructure", refusal_of(error) or f"{type(error).__name__}: {error}"
    return "infrastructure", f"a defect of dawsos: {type(error).__name__}: {error}{_where(error)}"


def _where(error: Exception) -> str:
    """Return the innermost places of the code in which ``error`` was raised, for who reports the defect."""
    from pathlib import PurePath
    from traceback import extract_tb

    places = [f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)[-3:]]
    return f" ({', '.join(places)})" if places else ""
