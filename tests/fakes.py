"""Fakes of the ports: virtual time, a recorder in memory, a scripted proxy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from dawsos.errors import InfrastructureError
from dawsos.model.events import Event, Fact
from dawsos.model.fold import fold
from dawsos.model.rollout import Counts, Drained, Sample
from dawsos.model.run import Run
from dawsos.platforms.contract import NotFollowed


class VirtualClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self._start = start
        self.elapsed = 0.0

    def now(self) -> float:
        return self._start + self.elapsed

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.elapsed += seconds
        await asyncio.sleep(0)


class MemoryRecorder:
    """Keeps events in a list, in order."""

    def __init__(self, clock: VirtualClock | None = None, run: str = "run") -> None:
        self.clock = clock or VirtualClock()
        self.run = run
        self.events: list[Event] = []

    def record(self, fact: Fact, stage: str = "") -> Event:
        event = Event(self.run, len(self.events) + 1, self.clock.now(), fact, stage)
        self.events.append(event)
        return event

    def refresh(self) -> Run:
        return self.state

    def since(self, seq: int) -> list[Event]:
        return [event for event in self.events if event.seq > seq]

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    @property
    def state(self) -> Run:
        return fold(self.events)


class ScriptedPrompter:
    """A person who answers question after question: a line that is typed, or what happens elsewhere while nothing is typed.

    Without any answer there is no terminal; after the last one the input is at its end.  ``said`` is what was shown.
    """

    def __init__(self, *answers: str | Callable[[], object]) -> None:
        self._terminal = bool(answers)
        self._answers = list(answers)
        self.said: list[str] = []

    def interactive(self) -> bool:
        return self._terminal

    def say(self, text: str) -> None:
        self.said.append(text)

    async def ask(self, text: str, answered: Callable[[], bool]) -> str | None:
        self.say(text)
        await asyncio.sleep(0)
        answer = self._answers.pop(0) if self._answers else ""
        if isinstance(answer, str):
            return answer
        answer()
        assert answered(), "a question that was not answered elsewhere is waited for for ever"
        return None


class ScriptedTraffic:
    """Traffic and telemetry of a proxy whose samples come from ``script(at, weight)``; ``weights`` is what it was told, in order.

    A weight in ``slow`` is followed when it was asked for so many times more.
    """

    def __init__(self, script: Callable[[float, int], Sample]) -> None:
        self.script = script
        self.weights: list[int] = []
        self.broken = 0
        self.slow: dict[int, int] = {}

    async def set_weight(self, weight: int) -> float:
        if self.broken:
            self.broken -= 1
            raise InfrastructureError("the proxy does not answer")
        if self.slow.get(weight):
            self.slow[weight] -= 1
            raise NotFollowed(f"one proxy does not follow {weight} %")
        self.weights.append(weight)
        return 0.01

    blind = ""

    async def sample(self, at: float, weight: int) -> Sample:
        return self.script(at, weight)

    async def wait_until_drained(self, deadline: float) -> Drained:
        return Drained(0.02, 0.5)

    async def close(self) -> None: ...


def counts(requests: int, errors: int = 0, slow: int = 0) -> Counts:
    """Return counts in which ``slow`` of the requests took between 1.2 and 2 seconds, the others under 100 ms."""
    fast = requests - slow
    return Counts(requests, errors, ((0.1, fast), (1.2, fast), (2.0, requests), (float("inf"), requests)))


def sample(at: float, weight: int = 5, canary: Counts | None = None, **changes: Any) -> Sample:
    """Return a one-second sample, healthy unless told otherwise."""
    return Sample(at, 1.0, weight, canary if canary is not None else counts(20), counts(200), **changes)
