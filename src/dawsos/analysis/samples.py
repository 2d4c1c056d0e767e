"""Samples to the facts of the journal and back, so that any rollout can be judged again.  Pure.

A histogram is written as the count of each bucket and read back with the edges of all samples.  Empty buckets are left out,
except the one below each bucket with requests, so that a limit between the two stays between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from dawsos.analysis.measures import quantile
from dawsos.model.events import Buckets, CheckNumbers, RolloutSampled, SideSample
from dawsos.model.rollout import Counts, Judgement, Reading, Resources, Sample

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
        canary_resources=_used(sample.canary_resources),
        stable_resources=_used(sample.stable_resources),
        deaths=sample.deaths,
        stable_deaths=sample.stable_deaths,
        client=sample.client,
    )


def from_facts(facts: Iterable[RolloutSampled]) -> list[Sample]:
    """Return the samples that ``facts`` were made from; what an older version did not record is not known."""
    listed = list(facts)
    sides = [side for fact in listed for side in (fact.canary, fact.stable)]
    edges = _Edges(_edges(side.buckets for side in sides), _edges(side.sizes for side in sides))
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
            canary_resources=fact.canary_resources,
            stable_resources=fact.stable_resources,
            deaths=fact.deaths,
            stable_deaths=fact.stable_deaths,
            client=fact.client,
        )
        for fact in listed
    ]


@dataclass(frozen=True)
class _Edges:
    latency: list[float]
    sizes: list[float]


def _side(counts: Counts) -> SideSample:
    p95 = quantile(counts, 0.95)
    return SideSample(
        counts.requests,
        counts.errors,
        None if p95 is None else round(p95, 5),
        _buckets(counts.latency),
        dict(counts.codes),
        dict(counts.faults),
        counts.under_way,
        counts.waiting,
        _buckets(counts.sizes),
    )


def _counts(side: SideSample, edges: _Edges) -> Counts:
    return Counts(
        side.requests,
        side.errors,
        _cumulative(side.buckets, edges.latency),
        side.codes,
        side.faults,
        side.under_way,
        side.waiting,
        _cumulative(side.sizes, edges.sizes),
    )


def _buckets(cumulative: tuple[tuple[float, int], ...]) -> Buckets:
    buckets: list[tuple[float | None, int]] = []
    before = 0
    for index, (edge, count) in enumerate(cumulative):
        next_up = [more for _, more in cumulative[index + 1 : index + 2]]
        if count > before or not next_up or next_up[0] > count:
            buckets.append((None if math.isinf(edge) else edge, count - before))
        before = count
    return tuple(buckets)


def _cumulative(buckets: Buckets, edges: list[float]) -> tuple[tuple[float, int], ...]:
    counts = {_edge(edge): int(count) for edge, count in buckets}
    cumulative, running = [], 0
    for edge in edges if counts else ():
        running += counts.get(edge, 0)
        cumulative.append((edge, running))
    return tuple(cumulative)


def _edges(sides: Iterable[Buckets]) -> list[float]:
    return sorted({_edge(edge) for buckets in sides for edge, _ in buckets})


def _used(resources: Resources | None) -> Resources | None:
    """Return ``resources`` as they are kept: whole bytes and milliseconds."""
    if resources is None:
        return None
    return replace(resources, memory=round(resources.memory), cpu=round(resources.cpu, 3))


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
