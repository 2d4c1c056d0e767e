"""The console that the verbs print on for people."""

from __future__ import annotations

import os
import sys

from rich.console import Console


class _SteadfastConsole(Console):
    """Writes on into nothing when the reader has closed the pipe: a run must not end half done because its ``| head`` did."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def make_console() -> Console:
    """Return the console on standard output; a file or a pipe has no width, so tables are not cut at rich's 80 columns."""
    console = _SteadfastConsole(highlight=False)
    if not console.is_terminal:
        console.width = 200
    return console


def say(console: Console, text: str, style: str = "") -> None:
    """Print ``text`` as it is: neither markup nor line breaks of ours."""
    console.print(text, markup=False, soft_wrap=True, style=style or None)
