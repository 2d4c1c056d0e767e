"""Time-weighted return. A flow is counted at the start of the day it arrives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from app.core.money import CONTEXT, divide, multiply


@dataclass(frozen=True, slots=True)
class Period:
    """From the close before to this close, with the cash that came in between."""

    opening: Decimal
    flow: Decimal
    closing: Decimal


def growth(period: Period) -> Decimal:
    """1 + r of one period. Nothing invested means no return exists, which is an error and not a silent zero."""
    invested = period.opening + period.flow
    if invested <= 0:
        raise ValueError(f"nothing invested at the start of the period ({invested})")
    return divide(period.closing, invested)


def time_weighted_return(periods: Iterable[Period]) -> Decimal:
    """The chained return over all periods, as a fraction."""
    product = Decimal(1)
    for period in periods:
        product = multiply(product, growth(period))
    return CONTEXT.subtract(product, Decimal(1))
