"""``judge: statistical``: a judge that may decide at every second.  Pure.

``Judge`` is the contract: samples go in one by one, each with the judgement over all of them.  The statistical judge compares the
canary with stable in the same second (``evidence``).  Where there is nothing to compare with (the first release, the soak at 100
%) it says so, and the threshold rule judges.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Protocol

from dawsos.analysis.deaths import DEATH_DIM, Deaths
from dawsos.analysis.measures import error_rate, quantile
from dawsos.analysis.proof import proof_at_once, unusable
from dawsos.analysis.resources import Memory
from dawsos.analysis.statistical import sentences
from dawsos.analysis.statistical.answers import SmallEdge, answer_tables, choose_small, most_named
from dawsos.analysis.statistical.evidence import REDIRECTED, REFUSED, SMALL, STREAMS, Bin, Evidence, Rules
from dawsos.analysis.statistical.latency import Edge, History, choose_edges
from dawsos.analysis.statistical.statistics import Table
from dawsos.analysis.statistical.waiting import Both
from dawsos.analysis.statistical.witness import Witness
from dawsos.analysis.thresholds import Recent, Thresholds, twice_as_often
from dawsos.model.policy import Expected, RolloutPolicy
from dawsos.model.rollout import Conclusion, Counts, Judgement, Reading, Sample, Verdict
from dawsos.model.status import Cause

SLOW_SHARE = 0.05
# So long a canary that nobody has seen warm is not held to be slow.
START = 30.0
_PATIENCE = 120.0
# An e-value of which nothing more is to be said.
_MOST = 20.0
_EXPECTED: dict[Expected, int] = {"4xx": REFUSED, "3xx": REDIRECTED, "bodies": SMALL}


class Judge(Protocol):
    """Judges one rollout: ``observe`` takes the newest sample and answers for all of them."""

    def observe(self, sample: Sample) -> Judgement: ...


def rules_of(policy: RolloutPolicy, *, warm: bool = True) -> Rules:
    """Return the part of ``policy`` that the evidence depends on.  A p95 limit means: at most 5 % of the requests are slower.

    ``warm``: the canary's start is over, or has had its time, before its first user.
    """
    return Rules(
        alpha=policy.alpha,
        tolerance=policy.tolerance,
        error_limit=min(max(policy.error_rate, 1e-6), 0.5),
        slow_limit=SLOW_SHARE,
        shortest_fault=policy.shortest_fault,
        planned=sum(step.duration for step in policy.ladder),
        cluster=policy.requests_per_user,
        warm_up=policy.warm_up.duration or 0.0,
        start=0.0 if warm or policy.warm_up.duration is not None else START,
        warm_up_errors=policy.warm_up.errors,
        expected=frozenset(_EXPECTED[kind] for kind in policy.expect),
        # Suspicion that gets no worse must not last until the deadline.
        patience=min(_PATIENCE, policy.no_data_deadline / 2),
    )


class Statistical:
    """Implements ``Judge``.  ``first``: there is no stable release; ``warm``: as in ``rules_of``."""

    def __init__(self, policy: RolloutPolicy, *, first: bool = False, warm: bool = True) -> None:
        self._policy, self._first = policy, first
        self._evidence = Evidence(rules_of(policy, warm=warm))
        self._soak = Thresholds(policy if first else twice_as_often(policy))
        self._recent = Recent(max(1, round(policy.check_interval / policy.tick)))
        self._history = History()
        self._edges: tuple[Edge, ...] = ()
        self._small: SmallEdge | None = None
        self._latency = Both()
        self._codes: Counter[str] = Counter()
        self._deaths, self._memory = Deaths(policy), Memory(policy)
        self._witness = Witness()
        self._weight = self._top = 0
        self._step = Table()

    def observe(self, sample: Sample) -> Judgement:
        """Take in one more sample.  A sample at weight 0 only teaches what stable is like."""
        self._deaths.observe(sample)
        trouble = unusable(sample)
        if not trouble:
            self._memory.observe(sample)
            self._witness.observe(sample)
        if self._first or sample.weight >= 100:
            return self._watch(sample)
        recent = self._recent.add(Counts() if trouble else sample.canary)
        if not trouble:
            self._learn(sample)
        return Judgement.of(
            proof_at_once(sample) or self._beside("failing") or self._conclude(trouble),
            error_rate=error_rate(recent),
            p95=quantile(recent, 0.95),
            requests=recent.requests,
            tests=self._readings(),
            suspected=self._evidence.suspected or self._deaths.suspected,
            dim_factor=min(self._evidence.dim_factor, DEATH_DIM if self._deaths.suspected else 1.0),
            proven=self._evidence.within_limits,
        )

    def _watch(self, sample: Sample) -> Judgement:
        """Judge without a comparator: the thresholds, and processes that die."""
        judgement = self._soak.observe(sample)
        why = "first release" if self._first else "all traffic is on the canary"
        note = f"{judgement.reason} (nothing to compare with: {why}; thresholds watch)"
        if self._first or judgement.verdict == "failing":
            return replace(judgement, reason=note)
        found = self._beside("failing") or self._beside() or Conclusion(judgement.verdict, note, judgement.cause)
        dim = DEATH_DIM if self._deaths.suspected else 1.0
        return replace(judgement, **found.__dict__, suspected=self._deaths.suspected, dim_factor=dim)

    def _learn(self, sample: Sample) -> None:
        evidence = self._evidence
        if sample.weight:
            if sample.weight != self._weight or evidence.epoch_over():
                # Only here no bin is open, and only the past decides.
                self._edges = choose_edges(self._history.counts, self._policy.latency_tolerance)
                self._small = choose_small(self._history.counts)
            if sample.weight > self._top:
                self._top, self._step = sample.weight, Table()
                self._codes.clear()
            self._weight = sample.weight
            canary, stable = sample.canary, sample.stable
            errors = Table(canary.requests, canary.errors, stable.requests, stable.errors)
            self._step = self._step.plus(errors)
            self._codes.update(canary.codes)
            latency, slow = self._latency.tables(self._edges, self._policy.p95, canary, stable)
            answers = answer_tables(canary, stable, self._small, evidence.rules.expected)
            evidence.observe(Bin(sample.seconds, sample.weight, (errors, *latency, *answers), slow))
        self._history.add(sample.stable)

    def _conclude(self, trouble: str) -> Conclusion:
        evidence, policy = self._evidence, self._policy
        if evidence.failing:
            reason, worth, limit = self._against(), evidence.log_e, evidence.rules.proof
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
        beside = self._beside()
        if beside:
            return beside
        if evidence.suspected or evidence.starting:
            why = f"suspicion: {self._against()}" if evidence.suspected else sentences.starting(evidence)
            return Conclusion("inconclusive", why)
        if evidence.above_limit:
            return Conclusion("inconclusive", sentences.above_limit(evidence.above_limit, self._step, policy))
        if self._step.canary < policy.min_requests:
            seen = f"{self._step.canary} of {policy.min_requests} requests"
            return Conclusion("inconclusive", f"too little traffic to say anything: {seen} seen at {self._top} %")
        if policy.advance == "evidence" and not evidence.within_limits:
            return Conclusion("inconclusive", sentences.unproven(self._step, policy))
        return None

    def _beside(self, verdict: Verdict = "inconclusive") -> Conclusion | None:
        """Return the first finding with ``verdict`` of what is watched beside the comparison: processes, memory, the sensor."""
        found = (self._deaths.proof(), self._deaths.doubt(), self._memory.conclude(), self._witness.doubt())
        return next((one for one in found if one is not None and one.verdict == verdict), None)

    def _against(self) -> str:
        return sentences.against(self._evidence, self._edges, most_named(self._codes.items()))

    def _readings(self) -> tuple[Reading, ...]:
        return sentences.readings(self._evidence, self._step, STREAMS)
