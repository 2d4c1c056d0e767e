"""What a chain of periods says besides its return: annualised return, volatility, Sharpe ratio, money-weighted return.

The time-weighted return judges the manager (flows do not count), the money-weighted one the owner's experience (they
do). All ratios are fractions, not percent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise

from app.core.money import CONTEXT, divide, multiply, quantize
from app.core.twr import Period, growth, time_weighted_return

DAYS_PER_YEAR = Decimal(365)
TRADING_DAYS = Decimal(252)
RISK_FREE = Decimal("0.04")
# A return over a few days says nothing about a year: below this the annual figures are left out.
MIN_ANNUALISED_DAYS = 30
# sqrt(252) is for daily returns; with weekends and holidays a day of trading is one and a half of the calendar.
MAX_STEP = 3
FEWEST_RETURNS = 2
BISECTIONS = 100


@dataclass(frozen=True, slots=True)
class DatedPeriod:
    """A period and the day it closes on."""

    day: date
    period: Period


@dataclass(frozen=True, slots=True)
class Performance:
    """Figures of one span; what cannot be told from so few days is None."""

    start: date
    end: date
    periods: int
    twr: Decimal
    annualised: Decimal | None
    volatility: Decimal | None
    sharpe: Decimal | None
    mwr: Decimal | None


def annualise(total: Decimal, days: int) -> Decimal:
    """(1 + total)^(365/days) - 1. Raises ValueError for no days or a loss of more than everything."""
    if days <= 0 or total < -1:
        raise ValueError(f"cannot annualise {total} over {days} days")
    if total == -1:
        return Decimal(-1)
    exponent = divide(DAYS_PER_YEAR, Decimal(days))
    return CONTEXT.subtract(CONTEXT.power(CONTEXT.add(Decimal(1), total), exponent), Decimal(1))


def volatility(returns: Sequence[Decimal]) -> Decimal | None:
    """Sample standard deviation of daily returns times sqrt(252); None for fewer than two."""
    if len(returns) < FEWEST_RETURNS:
        return None
    count = Decimal(len(returns))
    mean = divide(sum(returns, Decimal(0)), count)
    squares = sum((multiply(r - mean, r - mean) for r in returns), Decimal(0))
    return CONTEXT.sqrt(multiply(divide(squares, count - 1), TRADING_DAYS))


def sharpe(annualised: Decimal, deviation: Decimal) -> Decimal | None:
    """Excess over the fixed risk-free 4 % per unit of volatility; None where nothing moved."""
    return divide(annualised - RISK_FREE, deviation) if deviation > 0 else None


def money_weighted_return(start: date, periods: Sequence[DatedPeriod]) -> Decimal | None:
    """The yearly rate at which all flows grow into the last value; None if none between -99.99 % and 1,000,000 % does.

    Solves opening*(1+r)^T + sum(flow_i*(1+r)^(T-t_i)) = closing by bisection; what went out is a negative flow.
    """
    if not periods:
        return None
    days_of = pairwise([start, *(p.day for p in periods)])
    steps = [
        ((day - before).days, p.period.flow - p.period.paid) for (before, day), p in zip(days_of, periods, strict=True)
    ]
    lengths = {days for days, _ in steps}
    closing = periods[-1].period.closing
    moved = any(flow != 0 for _, flow in steps) or periods[0].period.opening != 0

    def surplus(rate: Decimal) -> Decimal:
        """Horner's scheme over the days: one root, then whole powers only."""
        daily = CONTEXT.power(CONTEXT.add(Decimal(1), rate), divide(Decimal(1), DAYS_PER_YEAR))
        # Nearly all steps are of one day or of three, and a power is what costs.
        over = {days: CONTEXT.power(daily, days) for days in lengths}
        grown = periods[0].period.opening
        for days, flow in steps:
            grown = CONTEXT.add(CONTEXT.multiply(grown, over[days]), flow)
        return grown - closing

    low, high = Decimal("-0.9999"), Decimal(10_000)
    if not moved or (surplus(low) < 0) == (surplus(high) < 0):
        return None
    rising = surplus(low) < 0
    for _ in range(BISECTIONS):
        middle = divide(low + high, Decimal(2))
        if (surplus(middle) < 0) == rising:
            low = middle
        else:
            high = middle
        if high - low < Decimal("1e-11"):
            break
    return low


def measure(start: date, periods: Sequence[DatedPeriod]) -> Performance:
    """All figures of the periods after `start`; raises ValueError for none, or where the chain breaks."""
    if not periods:
        raise ValueError("a return needs at least two values")
    plain = [p.period for p in periods]
    total = time_weighted_return(plain)
    days = (periods[-1].day - start).days
    yearly = annualise(total, days) if days >= MIN_ANNUALISED_DAYS else None
    deviation = volatility([growth(p) - 1 for p in plain]) if days <= MAX_STEP * len(plain) else None
    ratio = sharpe(yearly, deviation) if yearly is not None and deviation is not None else None
    mwr = money_weighted_return(start, periods) if days >= MIN_ANNUALISED_DAYS else None
    return Performance(
        start,
        periods[-1].day,
        len(periods),
        quantize(total),
        _round(yearly),
        _round(deviation),
        _round(ratio),
        _round(mwr),
    )


def _round(value: Decimal | None) -> Decimal | None:
    return None if value is None else quantize(value)
