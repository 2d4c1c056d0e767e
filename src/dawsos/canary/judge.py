"""The judge: samples and policy in, judgement out.  Pure; this is the seam for the statistical judge.

The rule asked for: a *check* looks at the samples of one ``check_interval``; it fails when the canary's error rate or p95
is above its limit.  ``failed_checks`` checks that fail one after the other are proof.  A crash loop or a named failure
counter is proof at once.  A check with fewer than ``min_requests`` requests is no data: it neither fails nor clears.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dawsos.canary.measures import error_rate, quantile, total
from dawsos.model.rollout import Judgement, RolloutPolicy, Sample, Verdict


@dataclass(frozen=True)
class Check:
    """One check's numbers; ``failed`` is None when there was too little data."""

    requests: int
    error_rate: float | None
    p95: float | None
    failed: bool | None
    why: str = ""


def judge(samples: Sequence[Sample], policy: RolloutPolicy) -> Judgement:
    """Return the judgement over all ``samples`` since the rollout began, the newest last."""
    proof = _proof_at_once(samples)
    checks = [_check(group, policy) for group in _groups(samples, policy.check_interval)]
    failures = _consecutive_failures(checks)
    last = next((check for check in reversed(checks) if check.failed is not None), None)
    verdict, reason = _conclude(proof, checks, failures, policy)
    return Judgement(
        verdict,
        reason,
        error_rate=last.error_rate if last else None,
        p95=last.p95 if last else None,
        requests=last.requests if last else 0,
        consecutive_failures=failures,
    )


def _conclude(proof: str, checks: Sequence[Check], failures: int, policy: RolloutPolicy) -> tuple[Verdict, str]:
    if proof:
        return "failing", proof
    if not checks or checks[-1].failed is None:
        return "no_data", f"fewer than {policy.min_requests} canary requests in the last check"
    why = next((check.why for check in reversed(checks) if check.why), "")
    if failures >= policy.failed_checks:
        return "failing", f"{failures} consecutive checks failed: {why}"
    if failures:
        return "inconclusive", f"{failures} of {policy.failed_checks} checks failed: {why}"
    return "healthy", "error rate and p95 are within their limits"


def _proof_at_once(samples: Sequence[Sample]) -> str:
    if not samples:
        return ""
    newest = samples[-1]
    if newest.crash_looping:
        return f"the canary is in a crash loop: {newest.restarts} restarts"
    for name, value in sorted(newest.counters.items()):
        if value > 0:
            return f"{name} rose by {value:g} on the canary"
    return ""


def _groups(samples: Sequence[Sample], interval: float) -> list[list[Sample]]:
    """Split into whole checks counted back from the newest sample, so that the last check is never half empty."""
    groups: list[list[Sample]] = []
    group: list[Sample] = []
    seconds = 0.0
    for sample in reversed(samples):
        group.append(sample)
        seconds += sample.seconds
        if seconds >= interval - 1e-6:
            groups.append(group)
            group, seconds = [], 0.0
    if group and not groups:
        groups.append(group)
    groups.reverse()
    return groups


def _check(group: Sequence[Sample], policy: RolloutPolicy) -> Check:
    counts = total(sample.canary for sample in group if sample.complete)
    rate, p95 = error_rate(counts), quantile(counts, 0.95)
    if counts.requests < policy.min_requests or rate is None:
        return Check(counts.requests, rate, p95, None)
    if rate > policy.error_rate:
        why = f"error rate {rate:.2%} > {policy.error_rate:.2%} ({counts.errors} of {counts.requests} requests)"
        return Check(counts.requests, rate, p95, True, why)
    if p95 is not None and p95 > policy.p95:
        return Check(counts.requests, rate, p95, True, f"p95 {p95 * 1000:.0f} ms > {policy.p95 * 1000:.0f} ms")
    return Check(counts.requests, rate, p95, False)


def _consecutive_failures(checks: Sequence[Check]) -> int:
    failures = 0
    for check in reversed(checks):
        if check.failed is False:
            break
        failures += bool(check.failed)
    return failures
