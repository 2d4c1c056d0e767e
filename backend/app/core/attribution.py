"""Currency attribution: how much of a return in base currency came from the asset and how much from the currency.

r_base = (1 + r_local)(1 + r_fx) - 1 = r_local + r_fx + r_local * r_fx, so the three parts sum to the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True)
class Holding:
    """A position held unchanged over a span: `price` and `fx` (into base currency) are (start, end)."""

    symbol: str
    currency: str
    quantity: Decimal
    price: tuple[Decimal, Decimal]
    fx: tuple[Decimal, Decimal]

    @property
    def opening(self) -> Decimal:
        """Value at the start, in base currency."""
        return multiply(self.quantity, self.price[0], self.fx[0])


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one holding, currency or the whole added to the return; `total` is the sum of the three, exactly."""

    name: str
    weight: Decimal
    local: Decimal
    fx: Decimal
    interaction: Decimal

    @property
    def total(self) -> Decimal:
        """All three."""
        return self.local + self.fx + self.interaction


@dataclass(frozen=True, slots=True)
class PortfolioAttribution:
    """Contributions by holding and by currency. Both add to `whole` exactly, because only holdings are rounded."""

    whole: Contribution
    holdings: tuple[Contribution, ...]
    currencies: tuple[Contribution, ...]


def attribute_portfolio(holdings: Sequence[Holding]) -> PortfolioAttribution:
    """Weighted by value at the start. Raises ValueError when nothing was held."""
    total = sum((h.opening for h in holdings), Decimal(0))
    if total <= 0:
        raise ValueError("nothing was held over the whole span")
    lines, by_currency = [], dict[str, list[Contribution]]()
    for holding in sorted(holdings, key=lambda h: h.symbol):
        weight = divide(holding.opening, total)
        local, currency = simple_return(*holding.price), simple_return(*holding.fx)
        line = Contribution(
            holding.symbol,
            quantize(weight),
            quantize(multiply(weight, local)),
            quantize(multiply(weight, currency)),
            quantize(multiply(weight, local, currency)),
        )
        lines.append(line)
        by_currency.setdefault(holding.currency, []).append(line)
    currencies = tuple(_sum(name, by_currency[name]) for name in sorted(by_currency))
    return PortfolioAttribution(_sum("portfolio", lines), tuple(lines), currencies)


def _sum(name: str, lines: Sequence[Contribution]) -> Contribution:
    return Contribution(
        name,
        sum((line.weight for line in lines), Decimal(0)),
        sum((line.local for line in lines), Decimal(0)),
        sum((line.fx for line in lines), Decimal(0)),
        sum((line.interaction for line in lines), Decimal(0)),
    )
