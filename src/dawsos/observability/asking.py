"""How a check asks: until what it looks for is there or the time is up, because a new version is not seen at once.

A server that cannot be reached, or whose answer is not understood, is an ``error``; what pipeline.yaml does not name is
``not_checked``.  Neither is a pass.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from dawsos.model.events import NOT_CHECKED, CheckResult
from dawsos.model.observability import Observability
from dawsos.observability.answers import Unusable
from dawsos.observability.server import Server
from dawsos.ports import Clock

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_SHOWN = 3

# Whether it is as it must be, and what was measured.
Look: TypeAlias = Callable[[], Awaitable[tuple[bool, str]]]


@dataclass(frozen=True)
class Serving:
    """What serves an environment: its address, and the release behind it; ``deployment`` as ``dawsos metrics --listen`` calls it."""

    environment: str
    url: str
    release: str
    commit: str
    deployment: str
    replicas: int
    health: str = "/health"

    def named_in(self, text: str) -> str:
        """Return ``text`` with ``{release}``, ``{commit}``, ``{environment}`` and ``{deployment}`` replaced."""
        for name in ("release", "commit", "environment", "deployment"):
            text = text.replace(f"{{{name}}}", str(getattr(self, name)))
        return text


@dataclass(frozen=True)
class Question:
    """What the checks need besides: the time, the tokens, the variables of the environment with its ports, the dashboards by
    their paths.

    A dashboard without a text is one whose file is not there.  ``silent`` says which alerts must not be active where
    pipeline.yaml does not.
    """

    clock: Clock
    tokens: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    dashboards: Mapping[str, str | None] = field(default_factory=dict)
    silent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asking:
    """One verification: what serves, the settings, and a server for each that they name; ``service`` is what is observed."""

    serving: Serving
    settings: Observability
    question: Question
    servers: Mapping[str, Server]

    async def until(self, name: str, limit: str, look: Look) -> CheckResult:
        """Return what ``look`` found when it was as it must be, or last before the time was up."""
        clock = self.question.clock
        deadline, pause = clock.monotonic() + self.settings.within, _FIRST_PAUSE
        while True:
            final = False
            try:
                passed, measured = await look()
                found = CheckResult(name, "pass" if passed else "fail", measured, limit)
            except Unusable as error:
                found, final = CheckResult(name, "error", str(error), limit), error.final
            left = deadline - clock.monotonic()
            if found.passed or final or left <= 0:
                return found
            await clock.sleep(min(pause, left))
            pause = min(1.5 * pause, _LONGEST_PAUSE)

    def not_checked(self, name: str, key: str, limit: str) -> CheckResult:
        """Return the result of a check whose ``key`` pipeline.yaml does not have."""
        where = f"environments.{self.serving.environment}.observability.{key}"
        return CheckResult(name, NOT_CHECKED, f"not configured: {where}", limit)


def some(texts: Sequence[str]) -> str:
    """Return the first of ``texts``, and how many more there are."""
    more = f", and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


def counted(amount: int, noun: str) -> str:
    """Return ``1 span`` or ``2 spans``."""
    return f"{amount} {noun}{'' if amount == 1 else 's'}"
