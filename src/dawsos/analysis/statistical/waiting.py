"""Requests that wait for an answer: slow as soon as they are older than an edge, and counted once.  Pure.

The estimator.  For an edge, let ``answered`` be the answers of a sample that took longer, and ``waiting`` a lower bound of how many
requests are at least that old and unanswered at its end.  ``ahead`` of them were counted earlier and may still be waiting.  Then
``answered + waiting - ahead``, if it is above 0, have passed the edge within the sample.  Whoever is counted while it waits is in
``ahead`` and is not counted again when it is answered.  All of these requests did take longer than the edge, so the count is never
too high; it can only be late, by as much as the lower bound is too low.

The bound is tighter for the version that has fewer requests, so what hangs on both would be seen on the canary first.  While stable
has more requests under way than it usually has, the canary's waiting ones are therefore not counted before they are answered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from dawsos.analysis.statistical.evidence import LATENCY_QUANTILES
from dawsos.analysis.statistical.latency import Edge, above
from dawsos.analysis.statistical.statistics import Table
from dawsos.model.rollout import Counts

# Standard deviations above the usual at which stable has more requests under way than it usually has.
MORE = 3.0
FADE = 0.995


class Waiting:
    """One version's requests that are past an edge and unanswered."""

    def __init__(self) -> None:
        self._before = Counts()
        self._ahead: dict[float, int] = {}

    def passed(self, counts: Counts, edges: Sequence[float], *, count: bool = True) -> list[tuple[int, int]]:
        """Return for each edge how many requests were answered below it or have passed it, and how many have passed it.

        ``count`` False: those that wait are not counted in this sample.
        """
        found, ahead = [], {}
        for edge in edges:
            earlier = self._ahead.get(edge, older(self._before, edge))
            answered = above(counts, edge)
            now = older(counts, edge) if count else 0
            slow = max(0, answered + now - earlier)
            ahead[edge] = max(now, min(earlier - answered, counts.under_way or 0))
            found.append(((counts.latency[-1][1] if counts.latency else 0) - answered + slow, slow))
        self._before, self._ahead = counts, ahead
        return found


class Usual:
    """How many requests stable usually has under way, for its traffic."""

    def __init__(self) -> None:
        self._under_way = self._requests = 0.0

    def exceeded(self, stable: Counts) -> bool:
        """Take in one sample; True when more are under way than usual, or when it is not known."""
        if stable.under_way is None:
            return True
        usual = self._under_way / self._requests * stable.requests if self._requests else float(stable.under_way)
        if stable.under_way > usual + MORE * math.sqrt(usual + 1.0):
            return True
        self._under_way = FADE * self._under_way + stable.under_way
        self._requests = FADE * self._requests + stable.requests
        return False


class Both:
    """The latency tables of both versions, those that wait included."""

    def __init__(self) -> None:
        self._canary, self._stable, self._usual = Waiting(), Waiting(), Usual()

    def tables(
        self, edges: Sequence[Edge], limit: float, canary: Counts, stable: Counts
    ) -> tuple[tuple[Table, ...], tuple[int, int]]:
        """Return a table for each edge (empty ones without edges or latencies), and the canary's requests beside ``limit``."""
        alone = not self._usual.exceeded(stable)
        mine = self._canary.passed(canary, [*(edge.canary for edge in edges), limit], count=alone)
        theirs = self._stable.passed(stable, [edge.stable for edge in edges])
        if not edges or not stable.latency or not (canary.latency or canary.waiting):
            return tuple(Table() for _ in LATENCY_QUANTILES), mine[-1]
        return tuple(Table(*one, *other) for one, other in zip(mine[:-1], theirs, strict=True)), mine[-1]


def older(counts: Counts, edge: float) -> int:
    """Return a lower bound of how many requests wait for at least ``edge`` seconds."""
    return max((count for age, count in counts.waiting if age >= edge - 1e-9), default=0)
