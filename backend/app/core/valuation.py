"""The value of a portfolio under one pack: sum of quantity x price x rate, in the portfolio's base currency."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from app.core.errors import UnpricedError
from app.core.lots import Lot, held
from app.core.money import multiply, plain, quantize
from app.core.pack import PackContent


@dataclass(frozen=True, slots=True)
class PositionValue:
    """One line of a valuation."""

    symbol: str
    quantity: Decimal
    price: Decimal
    currency: str
    fx_rate: Decimal
    value: Decimal


@dataclass(frozen=True, slots=True)
class Valuation:
    """All lines and their sum. The sum is taken over exact values and rounded once."""

    base_currency: str
    positions: tuple[PositionValue, ...]
    total: Decimal

    def canonical_bytes(self, portfolio_id: str, pack_id: str) -> bytes:
        """The same pack and holdings give the same bytes, today or in a year."""
        document = {
            "portfolio_id": portfolio_id,
            "pricing_pack_id": pack_id,
            "base_currency": self.base_currency,
            "total": plain(self.total),
            "positions": [
                {
                    "symbol": p.symbol,
                    "quantity": plain(p.quantity),
                    "price": plain(p.price),
                    "currency": p.currency,
                    "fx_rate": plain(p.fx_rate),
                    "value": plain(p.value),
                }
                for p in self.positions
            ],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def value(lots: Iterable[Lot], pack: PackContent, base_currency: str) -> Valuation:
    """Value open lots; a holding the pack does not price is an error, because a sum without it would be wrong."""
    prices, table = pack.price_of(), pack.table()
    lines: list[PositionValue] = []
    total = Decimal(0)
    for symbol, quantity in sorted(held((lot.symbol, lot.quantity) for lot in lots).items()):
        if symbol not in prices:
            raise UnpricedError(f"the pack has no price for {symbol}")
        price = prices[symbol]
        rate = table.rate(price.currency, base_currency)
        exact = multiply(quantity, price.close, rate)
        total += exact
        lines.append(PositionValue(symbol, quantity, price.close, price.currency, rate, quantize(exact)))
    return Valuation(base_currency, tuple(lines), quantize(total))
