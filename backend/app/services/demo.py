"""A demo user with a portfolio in three currencies, for smoke tests and load."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import NAMESPACE_URL, UUID, uuid5

from app.core.fx import Fixing
from app.core.lots import Transaction
from app.core.market import MarketData
from app.services.ports import FxHistory, PackStore, TenantStore

DEMO_USER = uuid5(NAMESPACE_URL, "dawsos:demo-user")
DEMO_NAME = "Demo"
BASE = "USD"
# Symbol, quantity, price in the security's own currency.
TRADES = (("AAPL", "100", "150"), ("BMW.DE", "50", "90"), ("HSBC.L", "200", "6"))


async def seed(
    tenants: TenantStore, packs: PackStore, fx: FxHistory, market: MarketData, asof: date
) -> tuple[UUID, UUID]:
    """(user, portfolio); a second call finds what the first one made.

    The days on which the market was observed get their packs too: without a past there is no return to show.
    """
    await packs.add_securities(market.universe)
    for observation in market.observations:
        made = await packs.append(market.content(observation.day, fx.fixing(observation.day)), market.universe)
        if not made.is_fresh:
            await packs.mark(made.id, "fresh", "seed")
    async with tenants.begin(DEMO_USER) as tx:
        for portfolio in await tx.portfolios():
            if portfolio.name == DEMO_NAME:
                return DEMO_USER, portfolio.id
        created = await tx.create_portfolio(DEMO_NAME, BASE)
        for transaction in _trades(market, fx.fixing(asof), asof):
            await tx.add_booking(created.id, transaction)
            await tx.open_lot(created.id, transaction)
        return DEMO_USER, created.id


def _trades(market: MarketData, rates: Fixing, asof: date) -> list[Transaction]:
    currencies = {s.symbol: s.currency for s in market.universe}
    return [
        Transaction(
            uuid5(DEMO_USER, symbol),
            symbol,
            "buy",
            Decimal(quantity),
            Decimal(price),
            currencies[symbol],
            rates.rate(currencies[symbol], BASE),
            asof,
        )
        for symbol, quantity, price in TRADES
    ]
