"""Samples to the bodies of the journal's events and back, so that any rollout can be judged again.  Pure.

A histogram is written as the requests of each bucket and read back with the edges of all samples.  Empty buckets are left
out, but for the one below each that has requests: a limit that lies between the two must not move to the far side of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from dawsos.analysis.measures import quantile
from dawsos.model.rollout import Counts, Judgement, Reading, Sample

# Evidence far below any limit is only noise in a journal.
_LEAST = -99.0


def to_body(sample: Sample, judgement: Judgement, rung: int) -> dict[str, Any]:
    """Return the body of ``rollout_sampled``."""
    return {
        "at": round(sample.at, 3),
        "weight": sample.weight,
        "rung": rung,
        "seconds": round(sample.seconds, 3),
        "canary": _side(sample.canary),
        "stable": _side(sample.stable),
        "restarts": sample.restarts,
        "counters": sample.counters,
        "crash_looping": sample.crash_looping,
        "complete": sample.complete,
        "verdict": judgement.verdict,
        "reason": judgement.reason,
        "check": {"error_rate": judgement.error_rate, "p95": judgement.p95, "requests": judgement.requests},
        "suspected": judgement.suspected,
        "evidence": [_reading(reading) for reading in judgement.tests],
    }


def from_bodies(bodies: Iterable[Mapping[str, Any]]) -> list[Sample]:
    """Return the samples that ``bodies`` were made from; older ones, without histograms, have no latencies."""
    listed = list(bodies)
    edges = sorted({_edge(edge) for body in listed for side in _sides(body) for edge, _ in side.get("buckets", ())})
    return [
        Sample(
            at=float(body.get("at", 0.0)),
            seconds=float(body.get("seconds", 0.0)),
            weight=int(body.get("weight", 0)),
            canary=_counts(body.get("canary", {}), edges),
            stable=_counts(body.get("stable", {}), edges),
            restarts=int(body.get("restarts", 0)),
            crash_looping=bool(body.get("crash_looping", False)),
            counters=dict(body.get("counters", {})),
            complete=bool(body.get("complete", True)),
        )
        for body in listed
    ]


def _sides(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [body.get(name, {}) for name in ("canary", "stable")]


def _side(counts: Counts) -> dict[str, Any]:
    p95 = quantile(counts, 0.95)
    buckets, before = [], 0
    for index, (edge, count) in enumerate(counts.latency):
        next_up = [more for _, more in counts.latency[index + 1 : index + 2]]
        if count > before or not next_up or next_up[0] > count:
            buckets.append([None if math.isinf(edge) else edge, count - before])
        before = count
    return {
        "requests": counts.requests,
        "errors": counts.errors,
        "p95": None if p95 is None else round(p95, 5),
        "buckets": buckets,
    }


def _counts(side: Mapping[str, Any], edges: list[float]) -> Counts:
    buckets = {_edge(edge): int(count) for edge, count in side.get("buckets", ())}
    latency, running = [], 0
    for edge in edges if buckets else ():
        running += buckets.get(edge, 0)
        latency.append((edge, running))
    return Counts(int(side.get("requests", 0)), int(side.get("errors", 0)), tuple(latency))


def _edge(edge: float | None) -> float:
    return math.inf if edge is None else float(edge)


def _reading(reading: Reading) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": reading.name,
        "log_e": round(max(_LEAST, reading.log_e), 3),
        "limit": round(reading.limit, 3),
    }
    for key in ("estimate", "low", "high", "compared"):
        value = getattr(reading, key)
        if value is not None:
            body[key] = round(value, 6)
    if reading.requests:
        body |= {"requests": reading.requests, "bad": reading.bad}
    return body
