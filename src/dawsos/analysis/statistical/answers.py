"""From what a version answered to tables: refusals (4xx), redirections (3xx), bodies that collapse.  Pure.

What the proxy did not tell makes an empty table: nothing is bet on it.  Whoever looks at a body's size cannot see what is in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dawsos.analysis.statistical.evidence import REDIRECTED, REFUSED
from dawsos.analysis.statistical.statistics import Table
from dawsos.model.rollout import NAMED_CODES, Counts

# The class of codes behind a stream.
CLASSES = {REFUSED: "4xx", REDIRECTED: "3xx"}
# So few of stable's bodies may be as small as its edge; the canary's edge is at most half of it.
_FEW = 0.01
_HALF = 0.5
_ENOUGH = 200


@dataclass(frozen=True)
class SmallEdge:
    """``stable`` and ``canary`` are the sizes in bytes up to which each version's bodies count as small."""

    stable: float
    canary: float


def choose_small(past: Counts) -> SmallEdge | None:
    """Return the edges from stable's past, None while there is too little of it or its bodies are too small to collapse."""
    if not past.sizes or past.sizes[-1][1] < _ENOUGH:
        return None
    bodies = past.sizes[-1][1]
    rare = [edge for edge, count in past.sizes[:-1] if count <= _FEW * bodies]
    halved = [edge for edge in rare if edge <= _HALF * rare[-1]]
    return SmallEdge(rare[-1], halved[-1]) if halved else None


def answer_tables(
    canary: Counts, stable: Counts, edge: SmallEdge | None, expected: frozenset[int] = frozenset()
) -> tuple[Table, Table, Table]:
    """Return the tables of refusals, redirections and small bodies."""
    return (
        _of_class(canary, stable, CLASSES[REFUSED]),
        _of_class(canary, stable, CLASSES[REDIRECTED]),
        _small(canary, stable, edge, expected),
    )


def most_named(codes: Iterable[tuple[str, int]]) -> str:
    """Return the named code that occurs most, with its count, empty for none."""
    named = [(count, code) for code, count in codes if code in NAMED_CODES and count]
    count, code = max(named, default=(0, ""))
    return f"{code}: {count:,}" if count else ""


def _of_class(canary: Counts, stable: Counts, name: str) -> Table:
    if any(side.requests and name not in side.codes for side in (canary, stable)):
        return Table()
    return Table(
        canary.requests,
        min(canary.requests, canary.codes.get(name, 0)),
        stable.requests,
        min(stable.requests, stable.codes.get(name, 0)),
    )


def _small(canary: Counts, stable: Counts, edge: SmallEdge | None, expected: frozenset[int]) -> Table:
    """Return the table of small bodies.  Expected refusals have small bodies, too: where the sizes are not those of 2xx alone, as many
    are taken off the canary's."""
    if edge is None or not (canary.sizes and stable.sizes):
        return Table()
    others = max(0, canary.sizes[-1][1] - canary.codes.get("2xx", 0))
    meant = min(others, sum(canary.codes.get(CLASSES[place], 0) for place in expected if place in CLASSES))
    small = max(0, _up_to(canary, edge.canary) - meant)
    return Table(canary.sizes[-1][1], small, stable.sizes[-1][1], _up_to(stable, edge.stable))


def _up_to(counts: Counts, edge: float) -> int:
    return max((count for upper, count in counts.sizes if upper <= edge + 1e-9), default=0)
