"""The values that a canary rollout is judged by: samples of the traffic, and the judgements on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from dawsos.model.status import Cause

Verdict = Literal["healthy", "failing", "inconclusive", "no_data"]
Decision = Literal["hold", "advance", "promote", "rollback", "dim", "restore"]
JudgeName = Literal["statistical", "thresholds", "flagger"]


# The keys of ``Counts.codes``: the classes of status codes, and the codes that are counted beside their class.
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
NAMED_CODES = ("401", "403", "404", "429")
# The keys of ``Counts.faults``: no connection could be had; the connection was reset, or closed, before the answer was whole;
# the answer was shorter than announced or broke off; it was no HTTP; it did not come in time; the proxy had too many under way.
FAULTS = ("refused", "reset", "closed", "short", "protocol", "timeout", "overflow")


@dataclass(frozen=True)
class Counts:
    """One version's traffic within one sample.  What the proxy does not tell is left at its default: not known, never a zero.

    ``requests`` are tries; ``errors`` are those that failed: answered 5xx, or not answered whole.  Each counts once, whether or
    not the proxy tried it again elsewhere.
    ``latency`` maps an upper edge in seconds to the number of answers at or below it within the sample (cumulative, the last
    edge is ``inf``); ``sizes`` maps likewise an upper edge in bytes to the number of bodies of answers.
    ``codes`` are the answers by class and by named code (``CLASSES``, ``NAMED_CODES``), ``faults`` the errors that were not an
    answer, by kind (``FAULTS``).  A key that is missing is not known; what was counted and did not occur is a zero.
    ``under_way`` requests had no answer at the end of the sample (None: not known).  ``waiting`` maps an age in seconds to a lower
    bound of how many of those were at least that old.
    """

    requests: int = 0
    errors: int = 0
    latency: tuple[tuple[float, int], ...] = ()
    codes: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)
    under_way: int | None = None
    waiting: tuple[tuple[float, int], ...] = ()
    sizes: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True)
class Resources:
    """What one version's replicas use at the end of a sample, all together.

    ``memory`` is in bytes, ``cpu`` in seconds of a processor since each of the processes began: it falls when one is started
    again.  ``limit`` is the memory at which they are killed (None: there is no limit, or it is not known).
    """

    replicas: int = 0
    memory: float = 0.0
    cpu: float = 0.0
    limit: float | None = None

    @classmethod
    def read(cls, body: Mapping[str, Any] | None) -> Self | None:
        """Return what plain values hold; None for None."""
        if body is None:
            return None
        limit = body.get("limit")
        return cls(
            int(body.get("replicas", 0)),
            float(body.get("memory", 0.0)),
            float(body.get("cpu", 0.0)),
            None if limit is None else float(limit),
        )


@dataclass(frozen=True)
class ClientSide:
    """What a client saw: ``requests`` that ended within the sample, and the ``errors`` among them (5xx, or no whole answer)."""

    requests: int = 0
    errors: int = 0

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Return the side that plain values hold."""
        return cls(int(body.get("requests", 0)), int(body.get("errors", 0)))


@dataclass(frozen=True)
class Client:
    """What the tool's own load saw within a sample, by the version that answered; ``untold`` where no answer told it."""

    canary: ClientSide = ClientSide()
    stable: ClientSide = ClientSide()
    untold: ClientSide = ClientSide()

    @classmethod
    def read(cls, body: Mapping[str, Any] | None) -> Self | None:
        """Return what plain values hold; None for None."""
        if body is None:
            return None
        return cls(*(ClientSide.read(body.get(name, {})) for name in ("canary", "stable", "untold")))


@dataclass(frozen=True)
class Sample:
    """What one tick saw.  ``at`` is seconds on the controller's monotonic clock; ``complete`` is False when the
    proxy could not be read or its counters went backwards (a restart), so that the tick proves nothing.

    ``restarts`` are those of the canary's processes since the rollout began.  ``deaths`` and ``stable_deaths`` are the processes
    that ended by themselves within this sample.  What is None was not measured.
    """

    at: float
    seconds: float
    weight: int
    canary: Counts = Counts()
    stable: Counts = Counts()
    restarts: int = 0
    crash_looping: bool = False
    counters: dict[str, float] = field(default_factory=dict)
    complete: bool = True
    canary_resources: Resources | None = None
    stable_resources: Resources | None = None
    deaths: int | None = None
    stable_deaths: int | None = None
    client: Client | None = None


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
