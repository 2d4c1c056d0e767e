"""Brinson-Fachler: how much of an active return came from the weights and how much from what was picked.

For each segment s with weights w and returns R of portfolio (p) and benchmark (b):

    allocation  = (wp - wb)(Rb_s - Rb)
    selection   = wb (Rp_s - Rb_s)
    interaction = (wp - wb)(Rp_s - Rb_s)

Their sum over all segments is Rp - Rb, exactly: there is no division, so every effect is a finite decimal and is kept
whole. Brinson and Fachler, Journal of Portfolio Management 1985; linking over periods: Carino, Journal of Performance
Measurement 1999.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact

from app.core.money import CONTEXT, divide, multiply

# Inputs of up to 28 digits make effects of up to some 90; with room to spare nothing is ever rounded, and the trap
# turns "exactly" from a hope into a fact.
EXACT = Context(prec=400, rounding=ROUND_HALF_EVEN, traps=[Inexact])
LINKED_PLACES = Decimal("1e-12")
# Twelve decimals and this many digits before them leave room in 28 for the sum of all effects.
LINKED_DIGITS = 13
PARTS = ("allocation", "selection", "interaction")


@dataclass(frozen=True, slots=True)
class Segment:
    """One line of the comparison; all four are fractions."""

    name: str
    portfolio_weight: Decimal
    benchmark_weight: Decimal
    portfolio_return: Decimal
    benchmark_return: Decimal


@dataclass(frozen=True, slots=True)
class Effects:
    """What a segment added to the active return."""

    name: str
    allocation: Decimal
    selection: Decimal
    interaction: Decimal

    @property
    def total(self) -> Decimal:
        """All three."""
        return EXACT.add(EXACT.add(self.allocation, self.selection), self.interaction)


@dataclass(frozen=True, slots=True)
class Attribution:
    """A whole comparison: `active` is both the difference of the returns and the sum of the effects."""

    portfolio: Decimal
    benchmark: Decimal
    active: Decimal
    effects: tuple[Effects, ...]


def _sum(values: Sequence[Decimal]) -> Decimal:
    total = Decimal(0)
    for value in values:
        total = EXACT.add(total, value)
    return total


def attribute(segments: Sequence[Segment]) -> Attribution:
    """Effects of one period. Raises ValueError for weights that do not add to exactly one, or a name used twice."""
    names = [s.name for s in segments]
    if len(set(names)) != len(names):
        raise ValueError("a segment is named twice")
    for side, weights in (
        ("portfolio", [s.portfolio_weight for s in segments]),
        ("benchmark", [s.benchmark_weight for s in segments]),
    ):
        total = _sum(weights)
        if total != 1:
            raise ValueError(f"the {side}'s weights add to {total}, not to 1")
    portfolio = _sum([EXACT.multiply(s.portfolio_weight, s.portfolio_return) for s in segments])
    benchmark = _sum([EXACT.multiply(s.benchmark_weight, s.benchmark_return) for s in segments])
    effects = []
    for s in segments:
        tilt = EXACT.subtract(s.portfolio_weight, s.benchmark_weight)
        excess = EXACT.subtract(s.portfolio_return, s.benchmark_return)
        effects.append(
            Effects(
                s.name,
                EXACT.multiply(tilt, EXACT.subtract(s.benchmark_return, benchmark)),
                EXACT.multiply(s.benchmark_weight, excess),
                EXACT.multiply(tilt, excess),
            )
        )
    return Attribution(portfolio, benchmark, EXACT.subtract(portfolio, benchmark), tuple(effects))


def link(periods: Sequence[Attribution]) -> Attribution:
    """Effects over several periods by Carino's factors, 12 decimals; they add to the compounded active return.

    k_t = (ln(1+Rp) - ln(1+Rb)) / (Rp - Rb), or 1/(1+R) where both are equal; an effect of period t counts k_t/k.
    The last digits that rounding leaves over go to the largest effect, so that the sum holds to the last digit.
    Raises ValueError for no periods, differing segments, a return of -100 % or less, or one too large to be told to
    the last of 12 decimals.
    """
    if not periods:
        raise ValueError("there is no period to link")
    names = tuple(e.name for e in periods[0].effects)
    if any(tuple(e.name for e in p.effects) != names for p in periods):
        raise ValueError("all periods need the same segments in the same order")
    portfolio = _compound([p.portfolio for p in periods])
    benchmark = _compound([p.benchmark for p in periods])
    whole = _carino(portfolio, benchmark)
    scales = [divide(_carino(p.portfolio, p.benchmark), whole) for p in periods]
    rows = [
        (name, [_rounded(scales, [getattr(p.effects[at], part) for p in periods]) for part in PARTS])
        for at, name in enumerate(names)
    ]
    ends = [_told(r) for r in (portfolio, benchmark)]
    active = ends[0] - ends[1]
    return Attribution(ends[0], ends[1], active, _settle(rows, active))


def _rounded(scales: Sequence[Decimal], effects: Sequence[Decimal]) -> Decimal:
    return _told(sum((multiply(scale, effect) for scale, effect in zip(scales, effects, strict=True)), Decimal(0)))


def _told(value: Decimal) -> Decimal:
    if value.adjusted() >= LINKED_DIGITS:
        raise ValueError("the returns compound to something too large to link: are they fractions, 0.1 for 10 %?")
    return value.quantize(LINKED_PLACES, context=CONTEXT)


def _settle(rows: Sequence[tuple[str, list[Decimal]]], active: Decimal) -> tuple[Effects, ...]:
    left = active - sum((v for _, values in rows for v in values), Decimal(0))
    _, row, column = max((abs(v), -i, -j) for i, (_, values) in enumerate(rows) for j, v in enumerate(values))
    rows[-row][1][-column] += left
    return tuple(Effects(name, *values) for name, values in rows)


def _compound(returns: Sequence[Decimal]) -> Decimal:
    product = Decimal(1)
    for value in returns:
        if value <= -1:
            raise ValueError(f"a return of {value} cannot be linked")
        product = multiply(product, 1 + value)
    total = product - 1
    # In 28 digits a remainder can come to nothing although no single return did.
    if total <= -1:
        raise ValueError("the returns compound to a loss of everything, which cannot be linked")
    return total


def _carino(portfolio: Decimal, benchmark: Decimal) -> Decimal:
    gap = CONTEXT.subtract(portfolio, benchmark)
    # Below this the logarithms agree in so many digits that their difference is noise; the limit is exact enough.
    if abs(gap) < Decimal("1e-12"):
        return divide(Decimal(1), 1 + portfolio)
    return divide(CONTEXT.subtract(CONTEXT.ln(1 + portfolio), CONTEXT.ln(1 + benchmark)), gap)
