"""What a canary rollout is made of: the policy, the samples it is judged by, the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dawsos.model.units import PositiveDuration, Share

Verdict = Literal["healthy", "failing", "inconclusive", "no_data"]
Decision = Literal["hold", "advance", "promote", "rollback"]


class Strict(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LadderStep(Strict):
    """One rung: ``weight`` per cent of the traffic for at least ``duration`` seconds."""

    weight: int = Field(ge=1, le=100)
    duration: PositiveDuration


class LoadRequest(Strict):
    """One kind of request of the synthetic mix; ``share`` is its relative weight."""

    path: str = Field(pattern=r"^/")
    share: float = Field(default=1, gt=0)
    authenticated: bool = False


class Load(Strict):
    """The declared open-loop load, sent when there is no real traffic: ``rate`` requests a second."""

    rate: float = Field(gt=0, le=5000)
    requests: tuple[LoadRequest, ...] = Field(min_length=1)


class CrashLoop(Strict):
    """``restarts`` restarts of one process within ``window`` seconds are a crash loop."""

    restarts: int = Field(default=3, ge=1)
    window: PositiveDuration = 300.0


class RolloutPolicy(Strict):
    """How a release takes over the traffic, and when it is rolled back.

    ``tick`` is the time between samples; a *check* judges the samples of ``check_interval``.  ``failed_checks``
    consecutive failed checks roll back.  ``no_data_deadline`` bounds how long a step may be held without a
    healthy verdict once its duration is over.
    """

    ladder: tuple[LadderStep, ...] = Field(min_length=1)
    tick: PositiveDuration = 1.0
    check_interval: PositiveDuration = 60.0
    failed_checks: int = Field(default=5, ge=1)
    error_rate: Share
    p95: PositiveDuration
    min_requests: int = Field(default=1, ge=1, description="Requests a check needs; fewer are no_data.")
    no_data_deadline: PositiveDuration = 600.0
    crash_loop: CrashLoop = CrashLoop()
    failure_counters: tuple[str, ...] = ()
    lease: PositiveDuration = Field(
        default=15.0, description="After so long without a live controller, traffic goes to stable."
    )
    load: Load | None = None

    @model_validator(mode="after")
    def _weights_increase(self) -> RolloutPolicy:
        weights = [step.weight for step in self.ladder]
        if any(after <= before for before, after in pairwise(weights)):
            raise ValueError(f"ladder weights must increase, got {' '.join(map(str, weights))}")
        if weights[-1] != 100:
            raise ValueError(f"the ladder must end at 100, got {weights[-1]}")
        if self.check_interval < self.tick:
            raise ValueError("check_interval must not be shorter than tick")
        return self


@dataclass(frozen=True)
class Counts:
    """One version's traffic within one sample: requests, errors (5xx, resets, refused connects, retried 5xx) and latency.

    ``latency`` maps an upper edge in seconds to the number of requests at or below it within the sample
    (cumulative, the last edge is ``inf``).
    """

    requests: int = 0
    errors: int = 0
    latency: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True)
class Sample:
    """What one tick saw.  ``at`` is seconds on the controller's monotonic clock; ``complete`` is False when the
    proxy could not be read or its counters went backwards (a restart), so that the tick proves nothing."""

    at: float
    seconds: float
    weight: int
    canary: Counts = Counts()
    stable: Counts = Counts()
    restarts: int = 0
    crash_looping: bool = False
    counters: dict[str, float] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True)
class Silence:
    """How the canary fell silent, in seconds from the question: ``received`` until it was sent its last request,
    ``answered`` until it had answered all it had (None when it had not by the deadline)."""

    received: float
    answered: float | None


@dataclass(frozen=True)
class Judgement:
    """The judge's answer: ``verdict``, one sentence for a person, and what was measured against which limit."""

    verdict: Verdict
    reason: str
    error_rate: float | None = None
    p95: float | None = None
    requests: int = 0
    consecutive_failures: int = 0
