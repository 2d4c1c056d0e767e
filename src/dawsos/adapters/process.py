"""Runs commands under the guard: live log capture with secrets masked, a time budget, the whole tree gone at the end."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import sys
from pathlib import Path
from typing import TextIO

from dawsos.model.process import Command, CommandOutcome
from dawsos.ports import Clock, Redactor

GUARD = Path(__file__).with_name("guard.py")
_MISSING = 127
_PIECE = 1 << 16


def guarded(argv: tuple[str, ...], grace: float, user: tuple[int, int] | None = None) -> tuple[str, ...]:
    """Return the argv that runs ``argv`` under the guard, as uid and gid ``user`` when given (we must be root then)."""
    identity = f"{user[0]}:{user[1]}" if user else "-"
    return (sys.executable, "-I", "-S", str(GUARD), str(grace), identity, "--", *argv)


class GuardedRunner:
    """Implements ``ports.Runner``; every text is cleaned by ``redactor`` before it is written to a log."""

    def __init__(self, clock: Clock, redactor: Redactor) -> None:
        self._clock = clock
        self._redactor = redactor

    async def run(self, command: Command) -> CommandOutcome:
        """Run ``command``; never raises for what the command does.  Cancelling ends the process tree first."""
        started = self._clock.monotonic()
        Path(command.log).parent.mkdir(parents=True, exist_ok=True)
        reader, writer = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *guarded(command.argv, command.grace),
                cwd=command.cwd,
                env=command.env,
                stdin=reader,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            os.close(reader)
            os.close(writer)
            return CommandOutcome("infrastructure", None, 0.0, f"cannot start: {error}")
        os.close(reader)
        timed_out = False
        capture = asyncio.create_task(self._capture(process, Path(command.log)))
        try:
            try:
                async with asyncio.timeout(command.budget):
                    await process.wait()
            except TimeoutError:
                timed_out = True
        finally:
            # Closing the lifeline makes the guard end the tree, also when this task is being cancelled.
            os.close(writer)
            await asyncio.shield(self._finish(process, capture, command.grace))
        seconds = self._clock.monotonic() - started
        unwritten = "" if capture.cancelled() else capture.result()
        if unwritten:
            return CommandOutcome("infrastructure", process.returncode, seconds, unwritten)
        return _classify(process.returncode, timed_out, seconds, command.budget)

    async def _finish(self, process: asyncio.subprocess.Process, capture: asyncio.Task[str], grace: float) -> None:
        try:
            async with asyncio.timeout(grace + 10):
                await process.wait()
                await capture
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            capture.cancel()

    async def _capture(self, process: asyncio.subprocess.Process, path: Path) -> str:
        """Write what ``process`` says to ``path``; return why that failed, an empty text when it did not."""
        if process.stdout is None:
            return ""
        try:
            with path.open("a", encoding="utf-8", newline="") as log:
                await self._copy(process.stdout, log)
        except OSError as error:
            # Go on reading: a command whose words nobody takes stands still until its budget is over.
            while await process.stdout.read(_PIECE):
                pass
            return f"cannot write {path}: {error.strerror}"
        return ""

    async def _copy(self, stream: asyncio.StreamReader, log: TextIO) -> None:
        # Read in pieces, not in lines: a line may be longer than any buffer, and a secret may hold a line's end.
        text = codecs.getincrementaldecoder("utf-8")(errors="replace")
        masked = self._redactor.stream()
        try:
            while raw := await stream.read(_PIECE):
                log.write(masked.feed(text.decode(raw)))
                log.flush()
        finally:
            log.write(masked.feed(text.decode(b"", final=True)) + masked.end())


def _classify(code: int | None, timed_out: bool, seconds: float, budget: float) -> CommandOutcome:
    if timed_out:
        return CommandOutcome("timeout", code, seconds, f"stopped after its budget of {budget:g} s")
    if code == 0:
        return CommandOutcome("ok", 0, seconds)
    if code is None or code == _MISSING:
        return CommandOutcome("failed", code, seconds, "command not found")
    if code < 0:
        return CommandOutcome("infrastructure", code, seconds, f"the guard was killed by signal {-code}")
    if code == 128 + 9:
        return CommandOutcome("infrastructure", code, seconds, "killed by signal 9 (out of memory?)")
    return CommandOutcome("failed", code, seconds, f"exit code {code}")
