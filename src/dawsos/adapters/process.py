"""Runs commands under the reaper: live logs with masked secrets, a time budget, and no process left at the end."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import signal
from collections import deque
from io import FileIO
from pathlib import Path
from typing import TextIO

from dawsos.adapters.reapers import reapers
from dawsos.errors import refusal_of
from dawsos.model.process import NOT_FOUND, Command, CommandOutcome
from dawsos.ports import Clock, Redactor

_PIECE = 1 << 16
# Characters that a log keeps of a command's output: its beginning, and its end, where the reason mostly is.
HEAD, TAIL = 48_000_000, 2_000_000


class ProcessRunner:
    """Implements ``ports.Runner``; every text is cleaned by ``redactor`` before it is written to a log."""

    def __init__(self, clock: Clock, redactor: Redactor) -> None:
        self._clock = clock
        self._redactor = redactor

    async def run(self, command: Command) -> CommandOutcome:
        """Run ``command``; never raises for what the command does.  Cancelling ends the process tree first."""
        started = self._clock.monotonic()
        Path(command.log).parent.mkdir(parents=True, exist_ok=True)
        try:
            reaper = await _Reaper.of(command)
        except OSError as error:
            return CommandOutcome("infrastructure", None, 0.0, f"cannot start: {error}")
        timed_out = False
        capture = asyncio.create_task(self._capture(reaper.output, Path(command.log)))
        try:
            try:
                async with asyncio.timeout(command.budget):
                    await asyncio.shield(reaper.ended)
            except TimeoutError:
                timed_out = True
        finally:
            # Closing the lifeline makes the reaper end the tree, also when this task is being cancelled.
            os.close(reaper.lifeline)
            await asyncio.shield(self._finish(reaper, capture, command.grace))
        seconds = self._clock.monotonic() - started
        unwritten = "" if capture.cancelled() else capture.result()
        answer = "" if reaper.ended.cancelled() else reaper.ended.result()
        if unwritten:
            return CommandOutcome("infrastructure", _code(answer), seconds, unwritten)
        return _classify(answer, timed_out, seconds, command.budget)

    async def _finish(self, reaper: _Reaper, capture: asyncio.Task[str], grace: float) -> None:
        try:
            async with asyncio.timeout(grace + 10):
                await asyncio.shield(reaper.ended)
                await capture
        except TimeoutError:
            reaper.kill()
            reaper.ended.cancel()
            capture.cancel()
            await asyncio.gather(reaper.ended, capture, return_exceptions=True)

    async def _capture(self, output: asyncio.StreamReader, path: Path) -> str:
        """Write what comes from ``output`` to ``path``; return why that failed, an empty text when it did not."""
        try:
            with path.open("a", encoding="utf-8", newline="") as log:
                await self._copy(output, log)
        except OSError as error:
            # Keep reading: a command blocks when nobody reads its output.
            while await output.read(_PIECE):
                pass
            return f"cannot write {path}: {refusal_of(error) or error.strerror}"
        return ""

    async def _copy(self, stream: asyncio.StreamReader, log: TextIO) -> None:
        # Read in pieces, not in lines: a line may be longer than any buffer, and a secret may hold a line's end.
        text = codecs.getincrementaldecoder("utf-8")(errors="replace")
        masked, kept = self._redactor.stream(), _Bounded(log)
        try:
            while raw := await stream.read(_PIECE):
                kept.write(masked.feed(text.decode(raw)))
                log.flush()
        finally:
            kept.write(masked.feed(text.decode(b"", final=True)) + masked.end())
            kept.end()


class _Bounded:
    """Writes the beginning of a text to ``log`` as it comes, and its end when it has ended; what is left out is said between."""

    def __init__(self, log: TextIO) -> None:
        self._log = log
        self._room = HEAD
        self._held: deque[str] = deque()
        self._held_size = self._lost = 0

    def write(self, text: str) -> None:
        now, later = text[: self._room], text[self._room :]
        self._room -= len(now)
        self._log.write(now)
        if later:
            self._held.append(later)
            self._held_size += len(later)
        while self._held_size - len(self._held[0] if self._held else "") >= TAIL:
            gone = len(self._held.popleft())
            self._held_size -= gone
            self._lost += gone

    def end(self) -> None:
        if self._lost:
            self._log.write(f"\n[dawsos cut this log: {self._lost:,} characters are left out here]\n")
        self._log.writelines(self._held)


class _Reaper:
    """A running reaper: the output of its command, and how the command ended."""

    def __init__(self, lifeline: int, output: asyncio.StreamReader, status: asyncio.StreamReader) -> None:
        self.lifeline = lifeline
        self.output = output
        self._pid = 0
        self.ended = asyncio.create_task(self._listen(status))

    @classmethod
    async def of(cls, command: Command) -> _Reaper:
        """Start ``command`` under a reaper; raises OSError when no reaper can be started."""
        their_lifeline, our_lifeline = os.pipe()
        output, output_end = os.pipe()
        status, status_end = os.pipe()
        try:
            reapers().ask(command, their_lifeline, output_end, status_end)
        except OSError:
            for number in (our_lifeline, output, status):
                os.close(number)
            raise
        finally:
            for number in (their_lifeline, output_end, status_end):
                os.close(number)
        # The event loop closes a pipe that became a stream, at the latest when the reaper ends; the others are closed here.
        pipes = [os.fdopen(number, "rb", 0) for number in (output, status)]
        try:
            printed = await _stream(pipes.pop(0))
            return cls(our_lifeline, printed, await _stream(pipes.pop(0)))
        except BaseException:
            for pipe in pipes:
                pipe.close()
            os.close(our_lifeline)
            raise

    async def _listen(self, status: asyncio.StreamReader) -> str:
        """Return what the reaper says at its end, an empty text when it was killed."""
        self._pid = int(await status.readline() or 0)
        return (await status.read()).decode(errors="replace")

    def kill(self) -> None:
        """Kill a reaper that does not end; it is alive, for its end of the status pipe is open."""
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)


async def _stream(pipe: FileIO) -> asyncio.StreamReader:
    """Return a reader that owns ``pipe``."""
    stream = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
    return stream


def _code(answer: str) -> int | None:
    return int(answer.removeprefix("exit ")) if answer.startswith("exit ") else None


def _classify(answer: str, timed_out: bool, seconds: float, budget: float) -> CommandOutcome:
    code = _code(answer)
    if timed_out:
        return CommandOutcome("timeout", code, seconds, f"stopped after its budget of {budget:g} s")
    if code is None:
        return CommandOutcome("infrastructure", None, seconds, answer or "the reaper was killed")
    if code == 0:
        return CommandOutcome("ok", 0, seconds)
    if code == NOT_FOUND:
        return CommandOutcome("failed", code, seconds, "command not found")
    if code == 128 + 9:
        return CommandOutcome("infrastructure", code, seconds, "killed by signal 9 (out of memory?)")
    return CommandOutcome("failed", code, seconds, f"exit code {code}")
