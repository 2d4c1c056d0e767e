"""What the verbs share: the project that the person stands in, and JSON for programs."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dawsos.runs.project import Project


# The runner's lines end at either sign.
_COMMAND = re.compile(r"(^|[\r\n])([^\S\r\n]*)::")


def here() -> Project:
    """Return the project of the current folder; raises BadInput when there is none."""
    from dawsos.runs.project import find_project  # help needs no project

    return find_project(Path.cwd())


def is_workflow() -> bool:
    """Return whether GitHub Actions, or what behaves as it, reads what is printed."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def neutral(text: str) -> str:
    """Return ``text`` so that GitHub's runner takes no line of it for a command to itself.

    A command begins with ``::`` at the beginning of a line, or with ``##[`` anywhere in it.  What is printed may hold texts of
    evidence, and whoever writes a test's name must not set a variable of the job.
    """
    return _COMMAND.sub(r"\1\2: :", text.replace("##[", "## ["))


def print_json(value: object) -> None:
    """Print ``value`` as JSON on standard output."""
    text = json.dumps(value, indent=2, sort_keys=True, default=str)
    # Within a JSON text the sign may be written as its number, and the runner sees no command.
    print_text((text.replace("##[", "\\u0023#[") if is_workflow() else text) + "\n")


def print_text(text: str) -> None:
    """Print ``text`` for a program on standard output."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()
    except OSError as error:
        lose_output(error)


# Why output was lost; the command line says it at the end, once.
_lost: list[str] = []


def lose_output(error: OSError) -> None:
    """Go on without an output that cannot be written to: a full disk behind it must not end a run in the middle."""
    _lost.append(error.strerror or str(error))
    drop_output()


def unwritten() -> str:
    """Return why output of this command was lost, an empty text when all of it was written."""
    reason = _lost[0] if _lost else ""
    _lost.clear()
    return reason


def drop_output() -> None:
    """Send what is still written to nowhere: a reader that closed the pipe must not change how a verb ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
