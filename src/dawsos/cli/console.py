"""The console that the verbs print on for people."""

from __future__ import annotations

import io
import sys
from typing import TextIO

from rich.console import Console

from dawsos.cli.output import drop_output, is_workflow, lose_output, neutral, print_text


class _SteadfastConsole(Console):
    """Keeps writing when the reader has closed the pipe: ``| head`` must not end a run in the middle."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        drop_output()


class _Steadfast(io.TextIOBase):
    """Writes to ``stream`` as long as that can be written to, and what no CI service takes for a command to itself."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        try:
            return self._stream.write(neutral(text) if is_workflow() else text)
        except BrokenPipeError:
            raise
        except OSError as error:
            lose_output(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            lose_output(error)


def annotate(command: str) -> None:
    """Write a workflow command on a line of its own."""
    print_text(f"{command}\n")


def make_console() -> Console:
    """Return the console on standard output; a file or a pipe has no width, so tables are not cut at rich's 80 columns.

    On GitHub Actions nothing that is printed on it is a command to the runner.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names and reasons may have letters that the terminal's encoding lacks: to end in the middle of a run would be worse.
        sys.stdout.reconfigure(errors="replace")
    console = _SteadfastConsole(highlight=False, file=_Steadfast(sys.stdout))  # type: ignore[arg-type]
    if not console.is_terminal:
        console.width = 200
    return console


def say(console: Console, text: str, style: str = "") -> None:
    """Print ``text`` without markup and without line breaks at the width."""
    console.print(text, markup=False, soft_wrap=True, style=style or None)
