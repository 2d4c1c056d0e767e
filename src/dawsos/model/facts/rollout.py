"""Facts of a rollout, from its beginning to its end, and of a revert: what was measured, decided and carried out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self

from dawsos.model import legacy
from dawsos.model.comparison import ComparedPage, ComparisonVerdict
from dawsos.model.facts.base import Fact, mapping, texts
from dawsos.model.rollout import Client, Reading, Resources
from dawsos.model.status import Cause, RolloutDecision, RolloutOutcome

# What a change of the canary's weight was, beside a step of the ladder: suspicion, or a controller that came back.
WeightChange = Literal["", "dimmed", "restored", "resumed"]


@dataclass(frozen=True)
class RolloutStarted(Fact):
    """A canary runs beside the stable release; ``first``: there is no stable release.  ``policy`` as plain values."""

    KIND: ClassVar[str] = "rollout_started"
    release: str
    deployment: str
    environment: str = ""
    stable_release: str = ""
    stable_deployment: str = ""
    ladder: tuple[int, ...] = texts()
    policy: Mapping[str, Any] = mapping()
    traffic: str = ""
    first: bool = False
    drill: str = ""


def _pages(bodies: Any) -> tuple[ComparedPage, ...]:
    return tuple(ComparedPage.read(body) for body in bodies)


Start = Literal["", "warm", "slow", "unasked"]


@dataclass(frozen=True)
class AnswersCompared(Fact):
    """The canary's answers were compared with those of the stable release before it got any traffic.

    ``requests`` were sent to both in ``seconds``.  ``start`` says whether the canary answered as fast as stable at last (empty:
    an older version did not ask that); ``waited`` are the seconds for which its first user waited for it.
    """

    KIND: ClassVar[str] = "answers_compared"
    verdict: ComparisonVerdict
    reason: str = ""
    requests: int = 0
    seconds: float = 0.0
    pages: tuple[ComparedPage, ...] = field(default=(), metadata={"reader": _pages})
    start: Start = ""
    waited: float = 0.0


@dataclass(frozen=True)
class PowerEstimated(Fact):
    """What the rollout can find at ``rate`` requests a second, of which stable fails the share ``errors``."""

    KIND: ClassVar[str] = "power_estimated"
    rate: float = 0.0
    errors: float = 0.0
    steps: tuple[str, ...] = texts()
    warnings: tuple[str, ...] = texts()


@dataclass(frozen=True)
class WeightIntended(Fact):
    """The canary is about to get ``weight`` per cent; ``step`` is the weight of its step, higher while it is dimmed."""

    KIND: ClassVar[str] = "weight_intended"
    weight: int
    step: int | None = None
    change: WeightChange = ""
    why: str = ""

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        return super().read(legacy.with_change(legacy.with_step(body)))


@dataclass(frozen=True)
class WeightConfirmed(Fact):
    """Every proxy gives the canary ``weight`` per cent; it took ``seconds``."""

    KIND: ClassVar[str] = "weight_confirmed"
    weight: int
    seconds: float = 0.0
    change: WeightChange = ""
    why: str = ""

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        return super().read(legacy.with_change(body))


Buckets = tuple[tuple[float | None, int], ...]


def _buckets(listed: Any) -> Buckets:
    return tuple((edge, int(count)) for edge, count in listed)


@dataclass(frozen=True)
class SideSample:
    """One version's traffic within one sample, as ``rollout.Counts`` has it.

    ``buckets`` are (upper edge in seconds, None for no limit; requests), ``sizes`` the same in bytes.  What the proxy did not
    tell, or an older version did not record, is missing.
    """

    requests: int = 0
    errors: int = 0
    p95: float | None = None
    buckets: Buckets = ()
    codes: Mapping[str, int] = mapping()
    faults: Mapping[str, int] = mapping()
    under_way: int | None = None
    waiting: tuple[tuple[float, int], ...] = ()
    sizes: Buckets = ()

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> SideSample:
        """Return the side that plain values hold."""
        under_way = body.get("under_way")
        return cls(
            int(body.get("requests", 0)),
            int(body.get("errors", 0)),
            body.get("p95"),
            _buckets(body.get("buckets", ())),
            {str(key): int(count) for key, count in body.get("codes", {}).items()},
            {str(key): int(count) for key, count in body.get("faults", {}).items()},
            None if under_way is None else int(under_way),
            tuple((float(age), int(count)) for age, count in body.get("waiting", ())),
            _buckets(body.get("sizes", ())),
        )


# What a side leaves out where it was not told: key -> the values that say so.
_UNTOLD: Mapping[str, tuple[Any, ...]] = {
    "codes": ({},),
    "faults": ({},),
    "under_way": (None,),
    "waiting": ((),),
    "sizes": ((),),
}


@dataclass(frozen=True)
class CheckNumbers:
    """What the check measured on the canary."""

    error_rate: float | None = None
    p95: float | None = None
    requests: int = 0

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> CheckNumbers:
        """Return the numbers that plain values hold."""
        return cls(body.get("error_rate"), body.get("p95"), int(body.get("requests", 0)))


def _readings(bodies: Any) -> tuple[Reading, ...]:
    names = {each.name for each in fields(Reading)}
    return tuple(Reading(**{key: value for key, value in body.items() if key in names}) for body in bodies)


@dataclass(frozen=True)
class RolloutSampled(Fact):
    """One sample and the judgement on it.  ``recorded_at`` is the event's own time, set when it is read."""

    KIND: ClassVar[str] = "rollout_sampled"
    at: float = 0.0
    weight: int = 0
    step: int = 0
    seconds: float = 0.0
    canary: SideSample = field(default=SideSample(), metadata={"reader": SideSample.read})
    stable: SideSample = field(default=SideSample(), metadata={"reader": SideSample.read})
    restarts: int = 0
    counters: Mapping[str, float] = mapping()
    crash_looping: bool = False
    complete: bool = True
    verdict: str = ""
    reason: str = ""
    check: CheckNumbers = field(default=CheckNumbers(), metadata={"reader": CheckNumbers.read})
    suspected: bool = False
    evidence: tuple[Reading, ...] = field(default=(), metadata={"reader": _readings})
    canary_resources: Resources | None = field(default=None, metadata={"reader": Resources.read})
    stable_resources: Resources | None = field(default=None, metadata={"reader": Resources.read})
    deaths: int | None = None
    stable_deaths: int | None = None
    client: Client | None = field(default=None, metadata={"reader": Client.read})
    recorded_at: float | None = None

    def body(self) -> dict[str, Any]:
        body = super().body()
        body["evidence"] = [
            {key: value for key, value in reading.items() if value is not None} for reading in body["evidence"]
        ]
        for side in ("canary", "stable"):
            told = {key: value for key, value in body[side].items() if key not in _UNTOLD or value not in _UNTOLD[key]}
            body[side] = told
        return body

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        return super().read(legacy.with_step(body))


@dataclass(frozen=True)
class DriverTold(Fact):
    """What the driver of a rollout that is not the tool itself (Flagger) said of it, in its own words."""

    KIND: ClassVar[str] = "driver_told"
    message: str = ""
    phase: str = ""


@dataclass(frozen=True)
class RollbackRequested(Fact):
    """A person asks for a rollback."""

    KIND: ClassVar[str] = "rollback_requested"
    name: str = ""
    reason: str = ""


@dataclass(frozen=True)
class RolloutDecided(Fact):
    """The end of a rollout was decided, before anything of it takes effect.

    ``metric`` names what was measured (a counter of the service where the cause is a failure counter), ``measured`` and
    ``limit`` are its numbers where there are any: shares for errors, seconds for latency, a count for restarts.
    """

    KIND: ClassVar[str] = "rollout_decided"
    decision: RolloutDecision = field(metadata={"reader": RolloutDecision})
    cause: Cause = field(default=Cause.UNKNOWN, metadata={"reader": legacy.known_cause})
    reason: str = ""
    metric: str = ""
    measured: float | None = None
    limit: float | None = None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        return super().read(legacy.with_cause(body))


@dataclass(frozen=True)
class RolloutFinished(Fact):
    """A rollout ended.  ``seconds`` run from the decision to the last request sent to the canary, ``drained`` until it had
    answered what was in flight."""

    KIND: ClassVar[str] = "rollout_finished"
    outcome: RolloutOutcome = field(metadata={"reader": RolloutOutcome})
    reason: str = ""
    seconds: float | None = None
    drained: float | None = None


@dataclass(frozen=True)
class RevertStarted(Fact):
    """``name`` brings an environment back to the release ``release``, which is ready; ``left_*`` is what serves until then."""

    KIND: ClassVar[str] = "revert_started"
    environment: str
    release: str
    deployment: str
    left_release: str = ""
    left_deployment: str = ""
    name: str = ""
    reason: str = ""


@dataclass(frozen=True)
class RevertFinished(Fact):
    """All traffic is on the release of the revert.  ``seconds`` and ``drained`` as for ``RolloutFinished``."""

    KIND: ClassVar[str] = "revert_finished"
    seconds: float | None = None
    drained: float | None = None
