"""Samples to the facts of the journal and back, so that any rollout can be judged again.  Pure.

A histogram is written as the requests of each bucket and read back with the edges of all samples.  Empty buckets are left out,
except the one below each bucket with requests, so that a limit between the two stays between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from dawsos.analysis.measures import quantile
from dawsos.model.events import CheckNumbers, RolloutSampled, SideSample
from dawsos.model.rollout import Counts, Judgement, Reading, Sample

# Evidence far below any limit is only noise in a journal.
_LEAST = -99.0


def to_fact(sample: Sample, judgement: Judgement, step: int) -> RolloutSampled:
    """Return what the journal keeps of ``sample`` and of the judgement on it; ``step`` is the weight of the step."""
    return RolloutSampled(
        at=round(sample.at, 3),
        weight=sample.weight,
        step=step,
        seconds=round(sample.seconds, 3),
        canary=_side(sample.canary),
        stable=_side(sample.stable),
        restarts=sample.restarts,
        counters=sample.counters,
        crash_looping=sample.crash_looping,
        complete=sample.complete,
        verdict=judgement.verdict,
        reason=judgement.reason,
        check=CheckNumbers(judgement.error_rate, judgement.p95, judgement.requests),
        suspected=judgement.suspected,
        evidence=tuple(_reading(reading) for reading in judgement.tests),
    )


def from_facts(facts: Iterable[RolloutSampled]) -> list[Sample]:
    """Return the samples that ``facts`` were made from; older ones, without histograms, have no latencies."""
    listed = list(facts)
    edges = sorted({_edge(edge) for fact in listed for side in (fact.canary, fact.stable) for edge, _ in side.buckets})
    return [
        Sample(
            at=float(fact.at),
            seconds=float(fact.seconds),
            weight=int(fact.weight),
            canary=_counts(fact.canary, edges),
            stable=_counts(fact.stable, edges),
            restarts=int(fact.restarts),
            crash_looping=bool(fact.crash_looping),
            counters=dict(fact.counters),
            complete=bool(fact.complete),
        )
        for fact in listed
    ]


def _side(counts: Counts) -> SideSample:
    p95 = quantile(counts, 0.95)
    buckets: list[tuple[float | None, int]] = []
    before = 0
    for index, (edge, count) in enumerate(counts.latency):
        next_up = [more for _, more in counts.latency[index + 1 : index + 2]]
        if count > before or not next_up or next_up[0] > count:
            buckets.append((None if math.isinf(edge) else edge, count - before))
        before = count
    return SideSample(counts.requests, counts.errors, None if p95 is None else round(p95, 5), tuple(buckets))


def _counts(side: SideSample, edges: list[float]) -> Counts:
    buckets = {_edge(edge): int(count) for edge, count in side.buckets}
    latency, running = [], 0
    for edge in edges if buckets else ():
        running += buckets.get(edge, 0)
        latency.append((edge, running))
    return Counts(side.requests, side.errors, tuple(latency))


def _edge(edge: float | None) -> float:
    return math.inf if edge is None else float(edge)


def _reading(reading: Reading) -> Reading:
    """Return ``reading`` as it is kept: rounded, and not further below any limit than a journal needs."""
    return replace(
        reading,
        log_e=round(max(_LEAST, reading.log_e), 3),
        limit=round(reading.limit, 3),
        estimate=_rounded(reading.estimate),
        low=_rounded(reading.low),
        high=_rounded(reading.high),
        compared=_rounded(reading.compared),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
