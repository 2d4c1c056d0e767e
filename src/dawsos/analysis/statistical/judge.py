"""``judge: statistical``: a judge that may decide at every second.  Pure.

``Judge`` is the contract: samples go in one by one, each with the judgement over all of them.  The statistical judge compares the
canary with stable in the same second (``evidence``).  Where there is nothing to compare with (the first release, the soak at 100
%) it says so, and the threshold rule judges.
"""

from __future__ import annotations

import math
from typing import Protocol

from dawsos.analysis.measures import error_rate, quantile
from dawsos.analysis.proof import proof_at_once, unusable
from dawsos.analysis.statistical import sentences
from dawsos.analysis.statistical.evidence import STREAMS, Bin, Evidence, Rules
from dawsos.analysis.statistical.latency import Edge, History, above, choose_edges, tables
from dawsos.analysis.statistical.statistics import Table
from dawsos.analysis.thresholds import Recent, Thresholds, twice_as_often
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Conclusion, Counts, Judgement, Reading, Sample
from dawsos.model.status import Cause

SLOW_SHARE = 0.05
_PATIENCE = 120.0
# An e-value of which nothing more is to be said.
_MOST = 20.0


class Judge(Protocol):
    """Judges one rollout: ``observe`` takes the newest sample and answers for all of them."""

    def observe(self, sample: Sample) -> Judgement: ...


def rules_of(policy: RolloutPolicy) -> Rules:
    """Return the part of ``policy`` that the evidence depends on.  A p95 limit means: at most 5 % of the requests are slower."""
    return Rules(
        alpha=policy.alpha,
        tolerance=policy.tolerance,
        error_limit=min(max(policy.error_rate, 1e-6), 0.5),
        slow_limit=SLOW_SHARE,
        shortest_fault=policy.shortest_fault,
        planned=sum(step.duration for step in policy.ladder),
        cluster=policy.requests_per_user,
        warm_up=policy.warm_up.duration,
        warm_up_errors=policy.warm_up.errors,
        # Suspicion that gets no worse must not last until the deadline.
        patience=min(_PATIENCE, policy.no_data_deadline / 2),
    )


class Statistical:
    """Implements ``Judge``.  ``first``: there is no stable release."""

    def __init__(self, policy: RolloutPolicy, *, first: bool = False) -> None:
        self._policy, self._first = policy, first
        self._evidence = Evidence(rules_of(policy))
        self._soak = Thresholds(policy if first else twice_as_often(policy))
        self._recent = Recent(max(1, round(policy.check_interval / policy.tick)))
        self._history = History()
        self._edges: tuple[Edge, ...] = ()
        self._weight = self._top = 0
        self._step = Table()

    def observe(self, sample: Sample) -> Judgement:
        """Take in one more sample.  A sample at weight 0 only teaches what stable is like."""
        if self._first or sample.weight >= 100:
            judgement = self._soak.observe(sample)
            why = "first release" if self._first else "all traffic is on the canary"
            note = f"{judgement.reason} (nothing to compare with: {why}; thresholds watch)"
            return Judgement(**{**judgement.__dict__, "reason": note})
        recent = self._recent.add(Counts() if unusable(sample) else sample.canary)
        trouble = unusable(sample)
        if not trouble:
            self._learn(sample)
        return Judgement.of(
            proof_at_once(sample) or self._conclude(trouble),
            error_rate=error_rate(recent),
            p95=quantile(recent, 0.95),
            requests=recent.requests,
            tests=self._readings(),
            suspected=self._evidence.suspected,
            dim_factor=self._evidence.dim_factor,
            proven=self._evidence.within_limits,
        )

    def _learn(self, sample: Sample) -> None:
        evidence = self._evidence
        if sample.weight:
            if sample.weight != self._weight or evidence.epoch_over():
                # Only here no bin is open, and only the past decides.
                self._edges = choose_edges(self._history.counts, self._policy.latency_tolerance)
            if sample.weight > self._top:
                self._top, self._step = sample.weight, Table()
            self._weight = sample.weight
            canary, stable = sample.canary, sample.stable
            errors = Table(canary.requests, canary.errors, stable.requests, stable.errors)
            self._step = self._step.plus(errors)
            slow = (canary.latency[-1][1] if canary.latency else 0, above(canary, self._policy.p95))
            evidence.observe(Bin(sample.seconds, sample.weight, (errors, *tables(self._edges, canary, stable)), slow))
        self._history.add(sample.stable)

    def _conclude(self, trouble: str) -> Conclusion:
        evidence, policy = self._evidence, self._policy
        if evidence.failing:
            reason, worth, limit = sentences.against(evidence, self._edges), evidence.log_e, evidence.rules.proof
            return Conclusion(
                "failing", reason, Cause.WORSE_THAN_STABLE, "evidence", math.exp(min(worth, _MOST)), math.exp(limit)
            )
        if trouble:
            return Conclusion("no_data", trouble)
        if not self._step.canary:
            return Conclusion("no_data", f"no request has reached the canary at {self._top} % yet")
        healthy = Conclusion("healthy", sentences.healthy(evidence, self._step, policy), Cause.HEALTHY)
        return self._doubt() or healthy

    def _doubt(self) -> Conclusion | None:
        evidence, policy = self._evidence, self._policy
        if evidence.suspected:
            return Conclusion("inconclusive", f"suspicion: {sentences.against(evidence, self._edges)}")
        if evidence.above_limit:
            return Conclusion("inconclusive", sentences.above_limit(evidence.above_limit, self._step, policy))
        if self._step.canary < policy.min_requests:
            seen = f"{self._step.canary} of {policy.min_requests} requests"
            return Conclusion("inconclusive", f"too little traffic to say anything: {seen} seen at {self._top} %")
        if policy.advance == "evidence" and not evidence.within_limits:
            return Conclusion("inconclusive", sentences.unproven(self._step, policy))
        return None

    def _readings(self) -> tuple[Reading, ...]:
        return sentences.readings(self._evidence, self._step, STREAMS)
