"""What the verbs share: the project that the person stands in, and JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dawsos.runs.project import Project


def here() -> Project:
    """Return the project of the current folder; raises BadInput when there is none."""
    from dawsos.runs.project import find_project  # help needs no project

    return find_project(Path.cwd())


def print_json(value: object) -> None:
    """Print ``value`` as JSON on standard output."""
    print_text(json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")


def print_text(text: str) -> None:
    """Print ``text`` for a program on standard output."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()


def drop_output() -> None:
    """Send what is still written to nowhere: a reader that closed the pipe must not change how a verb ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
