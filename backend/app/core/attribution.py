"""Currency attribution: how much of a return in base currency came from the asset and how much from the currency.

r_base = (1 + r_local)(1 + r_fx) - 1 = r_local + r_fx + r_local * r_fx, so the three parts sum to the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from app.core.money import CONTEXT, divide, multiply, quantize


@dataclass(frozen=True, slots=True)
class CurrencyAttribution:
    """Returns as fractions, 8 decimals."""

    local: Decimal
    fx: Decimal
    interaction: Decimal
    base: Decimal


def simple_return(start: Decimal, end: Decimal) -> Decimal:
    """end / start - 1; a start that is not positive has no return."""
    if start <= 0:
        raise ValueError(f"a return needs a positive start, got {start}")
    return CONTEXT.subtract(divide(end, start), Decimal(1))


def attribute(price: tuple[Decimal, Decimal], fx: tuple[Decimal, Decimal]) -> CurrencyAttribution:
    """Split the return of one holding between two dates; `price` and `fx` are (start, end)."""
    local, currency = simple_return(*price), simple_return(*fx)
    interaction = multiply(local, currency)
    return CurrencyAttribution(
        quantize(local), quantize(currency), quantize(interaction), quantize(local + currency + interaction)
    )
