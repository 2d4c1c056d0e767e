"""From histograms to tables: how many requests of each version were slower than stable usually is.  Pure.

The edges are chosen from what stable did *before*; then each bin counts stable's requests above an edge against the canary's
above a higher one: so much slower the canary may be.  Any choice that depends on the past alone keeps the bets valid.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from dawsos.analysis.statistical.evidence import LATENCY_QUANTILES
from dawsos.analysis.statistical.statistics import Table
from dawsos.model.rollout import Counts

# Neighbouring edges of an E12 series differ by 18 to 25 per cent: "a fifth slower" means the next edge.
FORGIVEN = 1.17
_ENOUGH = 200
_MOST = 20_000

Histogram = tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class Edge:
    """``stable`` and ``canary`` are the latencies in seconds above which each version's requests count as slow."""

    stable: float
    canary: float


def choose_edges(history: Counts, tolerance: float) -> tuple[Edge, ...]:
    """Return the edges for ``evidence.LATENCY_QUANTILES`` from stable's past, none while there is too little of it.

    An edge beyond the last finite one of the histogram cannot be passed and proves nothing.
    """
    if not history.latency or history.latency[-1][1] < _ENOUGH:
        return ()
    edges = [edge for edge, _ in history.latency]
    counts = [count for _, count in history.latency]
    chosen = []
    for q in LATENCY_QUANTILES:
        stable = edges[bisect_left(counts, q * counts[-1])]
        least = max(FORGIVEN * stable, stable + tolerance)
        chosen.append(Edge(stable, next((edge for edge in edges if edge >= least - 1e-9), edges[-1])))
    return tuple(chosen)


def tables(edges: Sequence[Edge], canary: Counts, stable: Counts) -> tuple[Table, ...]:
    """Return one table for each edge; empty ones when there are no edges or no latencies."""
    if not edges or not canary.latency or not stable.latency:
        return tuple(Table() for _ in LATENCY_QUANTILES)
    return tuple(
        Table(canary.latency[-1][1], above(canary, edge.canary), stable.latency[-1][1], above(stable, edge.stable))
        for edge in edges
    )


def above(counts: Counts, edge: float) -> int:
    """Return how many requests took longer than ``edge`` (rounded up to the next edge of the histogram)."""
    if not counts.latency:
        return 0
    place = bisect_left(counts.latency, (edge - 1e-9, -1))
    return counts.latency[-1][1] - counts.latency[min(place, len(counts.latency) - 1)][1]


class History:
    """Stable's latencies and sizes so far; old ones fade, so that the edges follow the day."""

    def __init__(self) -> None:
        self.counts = Counts()

    def add(self, stable: Counts) -> None:
        """Take in one sample."""
        past = self.counts
        self.counts = Counts(latency=_joined(past.latency, stable.latency), sizes=_joined(past.sizes, stable.sizes))


def _joined(past: Histogram, new: Histogram) -> Histogram:
    """Return the sum, halved when it is large; a histogram with other edges begins anew."""
    if not new:
        return past
    before = [count for _, count in past] if [e for e, _ in past] == [e for e, _ in new] else [0] * len(new)
    part = 2 if before[-1] + new[-1][1] > _MOST else 1
    return tuple((edge, (old + count) // part) for old, (edge, count) in zip(before, new, strict=True))
