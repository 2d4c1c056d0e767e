"""The rollout policy of pipeline.yaml and its parts, checked when the file is read."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dawsos.model.rollout import JudgeName
from dawsos.model.units import Duration, PositiveDuration, Share

# A metric of Prometheus: the name becomes part of queries.
MetricName = Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Strict(BaseModel):
    """A frozen model that refuses unknown keys."""

    # Built when it is first asked to check something: a run uses few of the gates' options.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class LadderStep(Strict):
    """One step: ``weight`` per cent of the traffic for at least ``duration`` seconds."""

    weight: int = Field(ge=1, le=100)
    duration: PositiveDuration


class LoadRequest(Strict):
    """One kind of request of the synthetic mix; ``share`` is its relative weight."""

    path: str = Field(pattern=r"^/")
    share: float = Field(default=1, gt=0, allow_inf_nan=False)
    authenticated: bool = False


class Load(Strict):
    """The declared open-loop load, sent when there is no real traffic: ``rate`` requests a second."""

    rate: float = Field(gt=0, le=5000)
    requests: tuple[LoadRequest, ...] = Field(min_length=1)


class CompareRequest(Strict):
    """One request of the comparison before traffic, beside those of the load."""

    path: str = Field(pattern=r"^/")
    method: Literal["GET", "HEAD", "POST"] = "GET"
    authenticated: bool = False
    body: str | None = Field(default=None, description="Sent as JSON, with POST.")
    safe: bool = Field(default=False, description="It changes nothing, however often it is sent: needed for POST.")

    @model_validator(mode="after")
    def _reads_only(self) -> Self:
        if self.method == "POST" and not self.safe:
            raise ValueError("POST is sent to both releases several times: say `safe: true` when it changes nothing")
        if self.body is not None and self.method != "POST":
            raise ValueError(f"{self.method} has no body")
        return self


class AllowedDifference(Strict):
    """A difference that the commit means to make: on the declared ``path``, everywhere or only ``at`` one place of the answer."""

    path: str = Field(pattern=r"^/", description="As the request is declared.")
    why: str = Field(min_length=1)
    at: str | None = Field(default=None, min_length=1, description="A field (`items[].price`) or a header.")


class Compare(Strict):
    """The canary's answers to the declared requests are compared with those of stable before it gets any traffic."""

    enabled: bool = True
    requests: tuple[CompareRequest, ...] = Field(default=(), description="Requests beside those of the load.")
    allow: tuple[AllowedDifference, ...] = Field(default=(), description="What this commit means to change.")
    repetitions: int = Field(default=6, ge=5, le=50, description="So often stable is asked twice and the canary once.")
    most_requests: int = Field(default=600, ge=15, description="No more requests than so many are sent.")
    within: PositiveDuration = 60.0
    timeout: PositiveDuration = Field(default=10.0, description="The time for one answer.")
    at_no_data: Literal["go_on", "rollback"] = Field(
        default="rollback",
        description="What happens when stable itself fails, so that nothing can be compared: go_on for a release that mends it.",
    )


class CrashLoop(Strict):
    """``restarts`` restarts of one process within ``window`` seconds are a crash loop."""

    restarts: int = Field(default=3, ge=1)
    window: PositiveDuration = 300.0


class WarmUp(Strict):
    """A cold start is no regression.  Before its first user the canary is asked the declared requests until it answers as fast as
    stable, for ``wait`` seconds at most.  ``duration`` are seconds under traffic in which its latency, and unless ``errors`` its
    errors too, are not held against it.  A canary that is plainly down is rolled back all the same."""

    duration: Duration | None = Field(
        default=None,
        description="Without it: no time at all, or the first 30 s of a canary that could not be asked anything before its traffic.",
    )
    errors: bool = Field(default=True, description="False: errors are not judged while it warms up either.")
    wait: Duration = Field(
        default=60.0, description="So long the first user waits for a canary that is slower than stable."
    )


# What a release may mean to do otherwise than stable, and how.
Expected = Literal["4xx", "3xx", "bodies"]
Change = Literal["more", "smaller"]
_CHANGES: dict[Expected, Change] = {"4xx": "more", "3xx": "more", "bodies": "smaller"}


class RolloutSettings(Strict):
    """How a release takes over the traffic, and when it is rolled back: ``rollout`` of the file.

    ``tick`` is the time between samples; a *check* judges the samples of ``check_interval``.  ``failed_checks``
    consecutive failed checks roll back.  ``no_data_deadline`` bounds how long a step may be held without a
    healthy verdict once its duration is over.
    """

    judge: JudgeName = Field(default="statistical", description="Which judge decides; docs/judge.md compares them.")
    alpha: float = Field(
        default=0.01, gt=0, le=0.2, description="A healthy canary is rolled back by comparison at most this often."
    )
    tolerance: float = Field(
        default=1.5, ge=1, le=10, description="The canary's odds of an error may be so many times those of stable."
    )
    shortest_fault: PositiveDuration = Field(
        default=10.0, description="A fault shorter than this is no proof, unless the canary is plainly down."
    )
    latency_tolerance: Duration = Field(
        default=0.05, description="The canary may be so much slower than stable, and always by a fifth."
    )
    dim: bool = Field(default=True, description="Lower the canary's weight while it is under suspicion.")
    advance: Literal["time", "evidence"] = Field(
        default="time",
        description="evidence: a step ends when the canary is shown to be within its limits, and not without that.",
    )
    shortest_step: PositiveDuration = Field(default=60.0, description="With `advance: evidence`, no step is shorter.")
    at_deadline: Literal["rollback", "hold"] = Field(
        default="rollback", description="What becomes of a step that stays undecided to its deadline."
    )
    warm_up: WarmUp = WarmUp()
    requests_per_user: int = Field(
        default=1, ge=1, description="Where users stick to a version: the most requests that one sends within seconds."
    )
    baseline: Duration = Field(
        default=5.0, description="So long stable is watched before the first step, to know its latency and traffic."
    )

    expect: dict[Expected, Change] = Field(
        default_factory=dict,
        description="What the release means to do otherwise: `4xx: more`, `3xx: more`, `bodies: smaller`.",
    )

    ladder: tuple[LadderStep, ...] = Field(min_length=1)
    tick: PositiveDuration = 1.0
    check_interval: PositiveDuration = 60.0
    failed_checks: int = Field(default=5, ge=1)
    min_requests: int = Field(default=1, ge=1, description="Requests a check needs; fewer are no_data.")
    no_data_deadline: PositiveDuration = 600.0
    crash_loop: CrashLoop = CrashLoop()
    failure_counters: tuple[MetricName, ...] = ()
    lease: PositiveDuration = Field(
        default=15.0, description="After so long without a live controller, traffic goes to stable."
    )
    load: Load | None = None
    compare: Compare = Compare()

    @model_validator(mode="after")
    def _weights_increase(self) -> Self:
        weights = [step.weight for step in self.ladder]
        if any(after <= before for before, after in pairwise(weights)):
            raise ValueError(f"ladder weights must increase, got {' '.join(map(str, weights))}")
        if weights[-1] != 100:
            raise ValueError(f"the ladder must end at 100, got {weights[-1]}")
        if self.check_interval < self.tick:
            raise ValueError("check_interval must not be shorter than tick")
        if self.lease <= self.tick:
            raise ValueError(
                f"lease {self.lease:g} s must be longer than tick {self.tick:g} s: it is renewed once a tick"
            )
        return self

    @property
    def asks_first(self) -> bool:
        """Whether the canary is asked anything before its traffic, so that its cold start meets no user."""
        asked = self.load is not None or bool(self.compare.requests)
        return asked and self.compare.enabled and self.warm_up.wait > 0

    @field_validator("expect")
    @classmethod
    def _can_be_expected(cls, expect: dict[Expected, Change]) -> dict[Expected, Change]:
        for kind, change in expect.items():
            if _CHANGES[kind] != change:
                raise ValueError(f"{kind}: {change} cannot be expected, only {kind}: {_CHANGES[kind]}")
        return expect


class RolloutPolicy(RolloutSettings):
    """What a rollout is judged by: the settings, as a profile changes them, with the limits of the SLOs.

    ``error_rate`` is a share of the requests, ``p95`` a latency in seconds, ``metrics`` the page with ``failure_counters``.
    """

    error_rate: Share
    p95: PositiveDuration
    metrics: str = "/metrics"
