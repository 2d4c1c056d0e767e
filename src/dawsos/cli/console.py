"""The console that the verbs print on for people."""

from __future__ import annotations

import io
import sys

from rich.console import Console

from dawsos.cli.output import drop_output


class _SteadfastConsole(Console):
    """Keeps writing when the reader has closed the pipe: ``| head`` must not end a run in the middle."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        drop_output()


def make_console() -> Console:
    """Return the console on standard output; a file or a pipe has no width, so tables are not cut at rich's 80 columns."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names and reasons may have letters that the terminal's encoding lacks: to end in the middle of a run would be worse.
        sys.stdout.reconfigure(errors="replace")
    console = _SteadfastConsole(highlight=False)
    if not console.is_terminal:
        console.width = 200
    return console


def say(console: Console, text: str, style: str = "") -> None:
    """Print ``text`` without markup and without line breaks at the width."""
    console.print(text, markup=False, soft_wrap=True, style=style or None)
