"""Requests that wait for an answer: slow as soon as they are older than an edge, and counted once.  Pure.

The estimator.  For an edge, let ``answered`` be the answers of a sample that took longer, and ``waiting`` a lower bound of how many
requests are at least that old and unanswered at its end.  ``ahead`` of them were counted earlier and may still be waiting.  Then
``answered + waiting - ahead``, if it is above 0, have passed the edge within the sample.  Whoever is counted while it waits is in
``ahead`` and is not counted again when it is answered.  All of these requests did take longer than the edge, so the count is never
too high; it can only be late, by as much as the lower bound is too low.

Both versions must be counted alike: by ages that the proxy knows, as on one machine, or only when they are answered.  A count that is
late for one version alone, and then comes all at once, would blame the other for what hangs on both.
"""

from __future__ import annotations

from collections.abc import Sequence

from dawsos.analysis.statistical.evidence import LATENCY_QUANTILES
from dawsos.analysis.statistical.latency import Edge, above
from dawsos.analysis.statistical.statistics import Table
from dawsos.model.rollout import Counts


class Waiting:
    """One version's requests that are past an edge and unanswered."""

    def __init__(self) -> None:
        self._before = Counts()
        self._ahead: dict[float, int] = {}

    def passed(self, counts: Counts, edges: Sequence[float]) -> list[tuple[int, int]]:
        """Return for each edge how many requests were answered below it or have passed it, and how many have passed it."""
        found, ahead = [], {}
        for edge in edges:
            earlier = self._ahead.get(edge, older(self._before, edge))
            answered = above(counts, edge)
            now = older(counts, edge)
            slow = max(0, answered + now - earlier)
            ahead[edge] = max(now, min(earlier - answered, counts.under_way or 0))
            found.append(((counts.latency[-1][1] if counts.latency else 0) - answered + slow, slow))
        self._before, self._ahead = counts, ahead
        return found


class Both:
    """The latency tables of both versions, those that wait included."""

    def __init__(self) -> None:
        self._canary, self._stable = Waiting(), Waiting()

    def tables(
        self, edges: Sequence[Edge], limit: float, canary: Counts, stable: Counts
    ) -> tuple[tuple[Table, ...], tuple[int, int]]:
        """Return a table for each edge (empty ones without edges or latencies), and the canary's requests beside ``limit``."""
        mine = self._canary.passed(canary, [*(edge.canary for edge in edges), limit])
        theirs = self._stable.passed(stable, [edge.stable for edge in edges])
        if not edges or not stable.latency or not (canary.latency or canary.waiting):
            return tuple(Table() for _ in LATENCY_QUANTILES), mine[-1]
        return tuple(Table(*one, *other) for one, other in zip(mine[:-1], theirs, strict=True)), mine[-1]


def older(counts: Counts, edge: float) -> int:
    """Return a lower bound of how many requests wait for at least ``edge`` seconds."""
    return max((count for age, count in counts.waiting if age >= edge - 1e-9), default=0)
