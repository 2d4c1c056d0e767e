"""``judge: thresholds``: so many consecutive failed checks roll back.  Pure.

A *check* looks at the samples of one ``check_interval``; the checks lie end to end.  One fails when the canary's error rate or
p95 is above its limit.  ``failed_checks`` consecutive failed checks are proof.  A check with fewer than ``min_requests`` requests
is no data: it neither fails nor clears.  Between two checks the last one stands.  Before the first is over, its samples so far
can raise doubt, but are not a failed check.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from dawsos.analysis.measures import error_rate, quantile
from dawsos.analysis.proof import proof_at_once, unusable
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Conclusion, Counts, Judgement, Sample
from dawsos.model.status import Cause


class Recent:
    """The canary's counts over the last ``length`` samples."""

    def __init__(self, length: int) -> None:
        self._parts: deque[Counts] = deque()
        self._length = length
        self._requests = self._errors = 0
        self._latency: dict[float, int] = {}

    def add(self, counts: Counts) -> Counts:
        """Take in the newest sample's counts and return the sum."""
        self._parts.append(counts)
        self._change(counts, 1)
        if len(self._parts) > self._length:
            self._change(self._parts.popleft(), -1)
        return Counts(self._requests, self._errors, tuple(sorted(self._latency.items())))

    def _change(self, counts: Counts, sign: int) -> None:
        self._requests += sign * counts.requests
        self._errors += sign * counts.errors
        for edge, count in counts.latency:
            self._latency[edge] = self._latency.get(edge, 0) + sign * count


@dataclass(frozen=True)
class Check:
    """One check's numbers; ``failed`` is None when there was too little data."""

    requests: int = 0
    error_rate: float | None = None
    p95: float | None = None
    failed: bool | None = None
    why: str = ""
    cause: Cause = Cause.UNKNOWN
    measured: float | None = None
    limit: float | None = None
    metric: str = ""


def check(counts: Counts, policy: RolloutPolicy, share: float = 0.95) -> Check:
    """Return what a check says of the canary's ``counts``; its limit of latency is that of the quantile ``share``."""
    rate, p95 = error_rate(counts), quantile(counts, share)
    if counts.requests < policy.min_requests or rate is None:
        return Check(counts.requests, rate, p95, None)
    if rate > policy.error_rate:
        why = f"error rate {rate:.2%} > {policy.error_rate:.2%} ({counts.errors} of {counts.requests} requests)"
        return Check(counts.requests, rate, p95, True, why, Cause.ERROR_RATE, rate, policy.error_rate)
    if p95 is not None and p95 > policy.p95:
        why = f"p{share * 100:g} {p95 * 1000:.0f} ms > {policy.p95 * 1000:.0f} ms"
        return Check(counts.requests, rate, p95, True, why, Cause.LATENCY, p95, policy.p95)
    return Check(counts.requests, rate, p95, False)


def twice_as_often(policy: RolloutPolicy) -> RolloutPolicy:
    """Return ``policy`` with checks half as long and twice as many: the same time in a row, but a fault must last through
    it.  Short bursts, one a minute, are none; without a stable release beside it nothing else tells them from a bad canary."""
    if policy.check_interval < 2 * policy.tick:
        return policy
    return policy.model_copy(
        update={"check_interval": policy.check_interval / 2, "failed_checks": policy.failed_checks * 2}
    )


def failing(last: Check, reason: str) -> Conclusion:
    """Return that the canary fails by what ``last`` measured."""
    return Conclusion("failing", f"{reason}: {last.why}", last.cause, last.metric, last.measured, last.limit)


class Thresholds:
    """Implements ``judge.Judge``."""

    def __init__(self, policy: RolloutPolicy) -> None:
        self._policy = policy
        self._length = max(1, round(policy.check_interval / policy.tick))
        self._recent = Recent(self._length)
        self._seen = self._failures = 0
        self._last, self._measured = Check(), Check()

    def observe(self, sample: Sample) -> Judgement:
        """Take in one more sample and return the judgement over all of them; one at weight 0 is of no check."""
        if not sample.weight:
            return Judgement("no_data", "the canary has no traffic yet")
        self._seen += 1
        counts = self._recent.add(Counts() if unusable(sample) else sample.canary)
        if self._seen <= self._length:
            self._look(counts, 0)
        elif self._seen % self._length == 0:
            self._look(counts, self._failures)
        return Judgement.of(
            proof_at_once(sample) or self._conclude(),
            error_rate=self._measured.error_rate,
            p95=self._measured.p95,
            requests=self._measured.requests,
            consecutive_failures=0 if self._unfinished else self._failures,
        )

    @property
    def _unfinished(self) -> bool:
        """Whether the first check is still under way."""
        return self._seen < self._length

    def _look(self, counts: Counts, before: int) -> None:
        self._last = check(counts, self._policy)
        self._failures = before if self._last.failed is None else before + 1 if self._last.failed else 0
        if self._last.failed is not None:
            self._measured = self._last

    def _conclude(self) -> Conclusion:
        policy, failures, measured = self._policy, self._failures, self._measured
        if self._last.failed is None:
            return Conclusion("no_data", f"fewer than {policy.min_requests} canary requests in the last check")
        if failures and self._unfinished:
            return Conclusion("inconclusive", f"the first check is not over, and so far its {measured.why}")
        if failures >= policy.failed_checks:
            return failing(measured, f"{failures} consecutive checks failed")
        if failures:
            return Conclusion("inconclusive", f"{failures} of {policy.failed_checks} checks failed: {measured.why}")
        return Conclusion("healthy", "error rate and p95 are within their limits", Cause.HEALTHY)
