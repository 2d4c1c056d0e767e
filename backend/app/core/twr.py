"""Time-weighted return. What comes in counts from the start of its day, what goes out to the end of its day.

Without a value at the moment of each flow somebody has to say when within the day it counts. With all flows at the
start, a withdrawal leaves the day's whole gain to what is left: selling 90 of 100 shares on a day on which they rise by
10 % would be a return of 1000 %, and selling 91 none at all. In at the start and out at the end (what performance
measurement calls the mixed or differentiated treatment) never divides by less than there was to begin with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from app.core.money import CONTEXT, divide, multiply


@dataclass(frozen=True, slots=True)
class Period:
    """From the close before to this close: `flow` came in at the start, `paid` went out at the end."""

    opening: Decimal
    flow: Decimal
    closing: Decimal
    paid: Decimal = Decimal(0)

    @classmethod
    def of(cls, opening: Decimal, flow: Decimal, closing: Decimal) -> Period:
        """With one flow that came in or, negative, went out."""
        return cls(opening, max(flow, Decimal(0)), closing, max(-flow, Decimal(0)))


def growth(period: Period) -> Decimal:
    """1 + r of one period. Nothing invested means no return exists, which is an error and not a silent zero."""
    invested = period.opening + period.flow
    if invested <= 0:
        raise ValueError(f"nothing invested at the start of the period ({invested})")
    return divide(CONTEXT.add(period.closing, period.paid), invested)


def time_weighted_return(periods: Iterable[Period]) -> Decimal:
    """The chained return over all periods, as a fraction."""
    product = Decimal(1)
    for period in periods:
        product = multiply(product, growth(period))
    return CONTEXT.subtract(product, Decimal(1))
