"""Questions on a terminal, answered through a pseudo-terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

from dawsos.adapters.prompter import TerminalPrompter

TIMEOUT = 20.0


class Terminal:
    """A pseudo-terminal in the place of standard input and error; ``person`` is the end at which somebody types."""

    def __init__(self) -> None:
        self.person, self.program = pty.openpty()
        self.stdin, self.stderr = open(self.program, closefd=False), open(self.program, "w", closefd=False)  # noqa: SIM115

    def __enter__(self) -> Terminal:
        # In the test itself: before it pytest puts its own streams there.
        self.before = sys.stdin, sys.stderr
        sys.stdin, sys.stderr = self.stdin, self.stderr
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdin, sys.stderr = self.before
        self.stdin.close()
        self.stderr.close()
        os.close(self.program)
        os.close(self.person)

    def type(self, text: str) -> None:
        os.write(self.person, text.encode())

    def shown(self, end: str) -> str:
        """Return what the terminal shows, up to ``end``."""
        text = ""
        while not text.endswith(end):
            ready, _, _ = select.select([self.person], [], [], TIMEOUT)
            assert ready, f"only {text!r} was shown"
            text += os.read(self.person, 1024).decode()
        return text


def asked(answered: Callable[[], bool] = lambda: False) -> str | None:
    return asyncio.run(asyncio.wait_for(TerminalPrompter().ask("Type: yes or no\n> ", answered), TIMEOUT))


def test_there_is_a_terminal_only_where_input_and_output_are_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Terminal(), log.open("w") as written, log.open() as read:
        assert TerminalPrompter().interactive()
        with redirect_stderr(written):
            assert not TerminalPrompter().interactive()
        sys.stdin = read
        assert not TerminalPrompter().interactive()


def test_a_question_is_shown_and_the_line_typed_is_the_answer() -> None:
    with Terminal() as terminal:
        terminal.type("yes Ada looks right\n")
        # The kernel echoes in its own time: once the echo is there, the line is too, and the prompt comes after it.
        assert terminal.shown("right\r\n") == "yes Ada looks right\r\n"
        assert asked() == "yes Ada looks right\n"
        assert terminal.shown("> ") == "Type: yes or no\r\n> "


def test_what_was_said_is_shown_at_once() -> None:
    with Terminal() as terminal:
        TerminalPrompter().say("Eve may not decide\n")
        assert terminal.shown("decide\r\n") == "Eve may not decide\r\n"


def test_the_end_of_the_input_is_an_empty_line() -> None:
    with Terminal() as terminal:
        terminal.type("\x04")
        assert asked() == ""


def test_a_question_that_was_answered_elsewhere_waits_for_no_line() -> None:
    looks: list[int] = []

    def answered() -> bool:
        looks.append(1)
        return len(looks) == 2

    with Terminal() as terminal:
        assert asked(answered) is None
        # What is typed afterwards is for the next question.
        terminal.type("no Bob too late\n")
        assert asked() == "no Bob too late\n"
