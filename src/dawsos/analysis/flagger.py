"""``judge: flagger``: what Flagger does with the same limits, so that both can be compared.  Pure.

From fluxcd/flagger, ``pkg/controller/scheduler.go`` at 15bd6ad.  Each ``check_interval``, in this order: (a) roll back when
the failed checks have reached the threshold; (b) run the checks over the last minute, or the interval where it is longer (a manifest
says which checks there are, and over which time each looks back), and when one fails, add one to the failed checks and stay; (c) else
advance.  So:

- the rollback comes on the tick *after* the last failed check allowed;
- failed checks add up over the whole rollout; a check that passes takes none away;
- a minute without requests is a failed check;
- an interval below 10 s is 10 s;
- there is no comparison with the stable release, and no statistics;
- a failure counter that has risen fails each check from then on, as the check does that ``exporters.flagger_metrics`` makes of
  it.  Only a crash loop rolls back at once here: Flagger makes no check while a replica is not ready.

Flagger has no durations: a step of this ladder needs as many checks passed as fit into its duration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dawsos.analysis.proof import proof_at_once, unusable
from dawsos.analysis.thresholds import Check, Recent, check, failing
from dawsos.model.flagger import SHORTEST_INTERVAL, FlaggerChecks, checks_of
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Conclusion, Counts, Judgement, Sample
from dawsos.model.status import Cause


class FlaggerRule:
    """Implements ``judge.Judge``."""

    def __init__(self, policy: RolloutPolicy) -> None:
        # Flagger knows no minimum of requests: one is enough, none is a failure.
        self._policy = policy.model_copy(update={"min_requests": 1})
        self._interval = max(SHORTEST_INTERVAL, policy.check_interval)
        self._every = max(1, round(self._interval / policy.tick))
        self._checks = checks_of(policy)
        windows = (self._checks.errors, self._checks.slow)
        self._recent = {window: Recent(max(1, round(window / policy.tick))) for window in windows if window}
        self._durations = {step.weight: step.duration for step in policy.ladder}
        self._seen = self._failures = self._passes = 0
        self._weight = 0
        self._last = Check()
        self._failure: Conclusion | None = None
        self._rolled_back = False

    def observe(self, sample: Sample) -> Judgement:
        """Take in one more sample; the judgement changes when an interval is over.

        A sample at weight 0 was taken before the analysis: the canary had no traffic that could be checked.
        """
        if not sample.weight:
            return Judgement("no_data", "the canary has no traffic yet")
        if sample.weight != self._weight:
            self._weight, self._passes = sample.weight, 0
        seen = Counts() if unusable(sample) else sample.canary
        counts = {window: recent.add(seen) for window, recent in self._recent.items()}
        proof = proof_at_once(sample)
        if proof is not None and proof.cause is Cause.FAILURE_COUNTER:
            self._failure, proof = (self._failure or proof) if self._checks.failures else None, None
        self._seen += 1
        if self._seen % self._every == 0:
            self._rolled_back = self._rolled_back or self._failures >= self._policy.failed_checks
            self._last = self._with_failure(self._checked(counts))
            good = self._last.failed is False
            self._failures += not good
            self._passes += good
        return Judgement.of(
            proof or self._conclude(),
            error_rate=self._last.error_rate,
            p95=self._last.p95,
            requests=self._last.requests,
            consecutive_failures=self._failures,
        )

    def _checked(self, counts: Mapping[float, Counts]) -> Check:
        """Return what the checks say that there are; without any of them everything passes."""
        wanted, last = self._checks, Check(failed=False)
        if wanted.errors:
            errors = counts[wanted.errors]
            if wanted.slow == wanted.errors and wanted.slow_share == FlaggerChecks.slow_share:
                return check(errors, self._policy)
            last = check(Counts(errors.requests, errors.errors), self._policy)
        if wanted.slow and last.failed is False:
            slow = counts[wanted.slow]
            last = check(Counts(slow.requests, 0, slow.latency), self._policy, 1 - wanted.slow_share)
        return last

    def _with_failure(self, last: Check) -> Check:
        failure = self._failure
        if failure is None or last.failed is not False:
            return last
        return replace(
            last, failed=True, why=failure.reason, cause=failure.cause,
            metric=failure.metric, measured=failure.measured, limit=failure.limit,
        )  # fmt: skip

    def _conclude(self) -> Conclusion:
        limit = self._policy.failed_checks
        last = self._last if self._last.why else replace(self._last, why="no values found", cause=Cause.NO_VERDICT)
        if self._rolled_back:
            return failing(last, f"failed checks threshold reached {limit}")
        if self._seen < self._every:
            return Conclusion("no_data", "the first check is not over yet")
        if self._last.failed is not False:
            return Conclusion("inconclusive", f"{self._failures} of {limit} failed checks: {last.why}")
        needed = max(1, round(self._durations.get(self._weight, 0.0) / self._interval))
        if self._passes < needed:
            return Conclusion("inconclusive", f"{self._passes} of {needed} checks passed at {self._weight} %")
        return Conclusion("healthy", f"{self._passes} checks passed at {self._weight} %", Cause.HEALTHY)
