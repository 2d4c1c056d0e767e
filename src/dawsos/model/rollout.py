"""The values that a canary rollout is judged by: samples of the traffic, and the judgements on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from dawsos.model.status import Cause

Verdict = Literal["healthy", "failing", "inconclusive", "no_data"]
Decision = Literal["hold", "advance", "promote", "rollback", "dim", "restore"]
JudgeName = Literal["statistical", "thresholds", "flagger"]


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
class Drained:
    """How the canary fell silent, in seconds from the question: ``received`` until it was sent its last request,
    ``answered`` until it had answered all it had (None when it had not by the deadline)."""

    received: float
    answered: float | None


@dataclass(frozen=True)
class Reading:
    """One of the judge's tests as read now: its evidence as a log e-value against ``limit`` (ln 1/alpha), the estimate (a share) with
    its confidence sequence, and the counts behind it."""

    name: str
    log_e: float
    limit: float
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    requests: int = 0
    bad: int = 0
    compared: float | None = None


@dataclass(frozen=True)
class Conclusion:
    """A conclusion of a judge: the verdict, one sentence for a person and, of a failing canary, the cause.

    ``metric`` names what was measured where the cause alone does not; ``measured`` and ``limit`` are its numbers.
    """

    verdict: Verdict
    reason: str
    cause: Cause = Cause.UNKNOWN
    metric: str = ""
    measured: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Judgement:
    """The judge's answer: ``verdict``, one sentence for a person, and what was measured against which limit.

    ``cause``, ``metric``, ``measured`` and ``limit`` are those of the ``Conclusion``; error rate and p95 are the check's.

    ``suspected`` asks the controller to dim the canary to ``dim_factor`` of its weight until it is cleared; ``proven`` says
    that the canary is shown to be within its limits at this weight.
    """

    verdict: Verdict
    reason: str
    error_rate: float | None = None
    p95: float | None = None
    requests: int = 0
    consecutive_failures: int = 0
    tests: tuple[Reading, ...] = ()
    suspected: bool = False
    dim_factor: float = 1.0
    proven: bool = False
    cause: Cause = Cause.UNKNOWN
    metric: str = ""
    measured: float | None = None
    limit: float | None = None

    @classmethod
    def of(cls, conclusion: Conclusion, **measures: Any) -> Judgement:
        """Return the judgement that ``conclusion`` and the other fields make."""
        return cls(**conclusion.__dict__, **measures)
