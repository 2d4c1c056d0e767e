"""Drawdown at risk: what past episodes of one kind would have done to today's weights, and how sure that is.

An episode is a span of history with the price change of each asset class from its first to its last day. The answer
is the mean loss over the episodes; there are few of them, so the interval comes from the bootstrap (Efron 1979):
draw as many episodes as there are, with replacement, many times, and take the 5th and 95th percentile of the means.
The draws come from SHA-256 of the seed, not from a library's generator, so the same seed gives the same interval on
every machine and in every year.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from app.core.money import multiply, quantize
from app.core.series import mean

RESAMPLES = 2000
BYTES_PER_DRAW = 4


@dataclass(frozen=True, slots=True)
class Episode:
    """Changes by asset class, as fractions; a class the episode does not name did not move."""

    name: str
    start: date
    end: date
    changes: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class DrawdownAtRisk:
    """Changes of the portfolio as fractions, negative for losses: mean, interval of the mean, and the worst episode."""

    expected: Decimal
    low: Decimal
    high: Decimal
    worst: Decimal
    by_episode: tuple[tuple[str, Decimal], ...]


def portfolio_change(weights: Mapping[str, Decimal], episode: Episode) -> Decimal:
    """Sum of weight times change; weights are fractions of the portfolio's value."""
    return sum((multiply(w, episode.changes.get(kind, Decimal(0))) for kind, w in weights.items()), Decimal(0))


def draws(seed: str, bound: int) -> Iterator[int]:
    """Endless numbers in [0, bound), evenly spread to within bound / 2**32."""
    counter = 0
    while True:
        block = hashlib.sha256(f"{seed}:{counter}".encode()).digest()
        for at in range(0, len(block), BYTES_PER_DRAW):
            yield int.from_bytes(block[at : at + BYTES_PER_DRAW], "big") * bound >> 8 * BYTES_PER_DRAW
        counter += 1


def percentile(ordered: Sequence[Decimal], percent: int) -> Decimal:
    """Nearest rank of an ascending sequence."""
    rank = max(1, -(-percent * len(ordered) // 100))
    return ordered[rank - 1]


def drawdown_at_risk(weights: Mapping[str, Decimal], episodes: Sequence[Episode], seed: str) -> DrawdownAtRisk:
    """The loss to expect, with its 90 % interval; raises ValueError without at least two episodes."""
    if len(episodes) < 2:
        raise ValueError("an interval needs at least two episodes")
    changes = [portfolio_change(weights, episode) for episode in episodes]
    source = draws(seed, len(changes))
    means = sorted(mean([changes[next(source)] for _ in changes]) for _ in range(RESAMPLES))
    return DrawdownAtRisk(
        quantize(mean(changes)),
        quantize(percentile(means, 5)),
        quantize(percentile(means, 95)),
        quantize(min(changes)),
        tuple((e.name, quantize(c)) for e, c in zip(episodes, changes, strict=True)),
    )
