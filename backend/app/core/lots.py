"""Tax lots, first in first out. Pure: takes the open lots, returns what must be written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from app.core.errors import TradeRefusedError
from app.core.money import multiply, plain

Side = Literal["buy", "sell"]


@dataclass(frozen=True, slots=True)
class Lot:
    """What is left of one purchase. `seq` is the order of arrival, which decides ties on one day."""

    id: UUID
    symbol: str
    opened_on: date
    seq: int
    quantity: Decimal
    unit_cost: Decimal
    currency: str
    fx_rate: Decimal


@dataclass(frozen=True, slots=True)
class Transaction:
    """A booked trade; `fx_rate` converts the trade's currency to the portfolio's base and is locked at trade time."""

    id: UUID
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    currency: str
    fx_rate: Decimal
    trade_date: date


@dataclass(frozen=True, slots=True)
class Disposal:
    """The part of one lot that a sale used up."""

    lot: Lot
    quantity: Decimal

    @property
    def remaining(self) -> Decimal:
        """What stays in the lot."""
        return self.lot.quantity - self.quantity


@dataclass(frozen=True, slots=True)
class RealisedPnl:
    """Profit in base currency, split so that the two parts sum to the total exactly."""

    price: Decimal
    fx: Decimal

    @property
    def total(self) -> Decimal:
        """Price part plus currency part."""
        return self.price + self.fx


def fifo(open_lots: Iterable[Lot], quantity: Decimal) -> tuple[Disposal, ...]:
    """Use up the oldest lots first; refuses a sale of more than is held (no short positions)."""
    left = quantity
    disposals: list[Disposal] = []
    for lot in sorted(open_lots, key=lambda lot: (lot.opened_on, lot.seq)):
        if left <= 0:
            break
        taken = min(lot.quantity, left)
        if taken > 0:
            disposals.append(Disposal(lot, taken))
            left -= taken
    if left > 0:
        raise TradeRefusedError(f"cannot sell {plain(quantity)}: only {plain(quantity - left)} held")
    return tuple(disposals)


def realised(disposals: Sequence[Disposal], price: Decimal, fx_rate: Decimal) -> RealisedPnl:
    """price = (P1 - P0) * fx1, fx = P0 * (fx1 - fx0): together P1*fx1 - P0*fx0, with nothing counted twice."""
    price_part = sum((multiply(d.quantity, price - d.lot.unit_cost, fx_rate) for d in disposals), Decimal(0))
    fx_part = sum((multiply(d.quantity, d.lot.unit_cost, fx_rate - d.lot.fx_rate) for d in disposals), Decimal(0))
    return RealisedPnl(price_part, fx_part)


def held(quantities: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """Sum of signed quantities by symbol, leaving out what nets to nothing."""
    totals: dict[str, Decimal] = {}
    for symbol, quantity in quantities:
        totals[symbol] = totals.get(symbol, Decimal(0)) + quantity
    return {symbol: total for symbol, total in totals.items() if total != 0}
