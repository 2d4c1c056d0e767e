"""Asks a person on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable

_POLL = 0.5


class TerminalPrompter:
    """Implements ``ports.Prompter``: questions on standard error, answers from standard input."""

    def interactive(self) -> bool:
        """Return whether both are a terminal."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def say(self, text: str) -> None:
        """Write ``text`` at once."""
        sys.stderr.write(text)
        sys.stderr.flush()

    async def ask(self, text: str, answered: Callable[[], bool]) -> str | None:
        """Show ``text`` and return the next line typed, None as soon as the question was answered elsewhere."""
        import asyncio  # few commands ask anything

        self.say(text)
        loop = asyncio.get_running_loop()
        typed: asyncio.Future[str] = loop.create_future()

        def on_input() -> None:
            if not typed.done():
                typed.set_result(sys.stdin.readline())

        loop.add_reader(sys.stdin.fileno(), on_input)
        try:
            while not typed.done():
                if answered():
                    return None
                await asyncio.wait([typed], timeout=_POLL)
        finally:
            loop.remove_reader(sys.stdin.fileno())
        return typed.result()
