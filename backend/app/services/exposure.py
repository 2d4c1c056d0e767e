"""Exposures of a portfolio: style tilts, and asset classes for the scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from app.core.history import values
from app.core.lots import held
from app.core.money import divide, multiply
from app.core.pack import PackContent, PackHeader
from app.core.styles import StyleFigures, Tilt, tilts
from app.services import packs
from app.services.access import owned
from app.services.analysis_ports import AnalysisStore, Fundamental, ReferenceData
from app.services.performance import PackHistory
from app.services.ports import JobLog, PackStore, Portfolio, TenantStore

HALF_YEAR = timedelta(days=182)
# How much older than half a year the earlier price may be.
SLACK = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Exposure:
    """Tilts of a portfolio under a pack, and the holdings' values in base currency by symbol."""

    portfolio: Portfolio
    served: packs.Served
    tilts: Mapping[str, Tilt]
    holdings: Mapping[str, Decimal]

    @property
    def total(self) -> Decimal:
        """Value of the holdings, in base currency."""
        return sum(self.holdings.values(), Decimal(0))


class ExposureService:
    """The use case behind /v1/macro/factor-exposure."""

    def __init__(
        self,
        tenants: TenantStore,
        pack_store: PackStore,
        jobs: JobLog,
        history: PackHistory,
        store: AnalysisStore,
        reference: ReferenceData,
    ) -> None:
        self._tenants = tenants
        self._packs = pack_store
        self._jobs = jobs
        self._history = history
        self._store = store
        self._reference = reference

    async def of(self, user_id: UUID, portfolio_id: UUID) -> Exposure:
        """The exposure under the pack being served."""
        return await self._under(user_id, portfolio_id, await packs.current(self._packs, self._jobs))

    async def store_night(self, user_id: UUID, portfolio_id: UUID, tonight: PackHeader) -> None:
        """Compute the tilts under this night's pack and keep them."""
        found = await self._under(user_id, portfolio_id, packs.Served(tonight, stale=False))
        await self._store.save_tilts(user_id, portfolio_id, tonight, found.tilts)

    async def _under(self, user_id: UUID, portfolio_id: UUID, served: packs.Served) -> Exposure:
        async with owned(self._tenants, user_id, portfolio_id, snapshot=True) as (tx, portfolio):
            lots = await tx.open_lots(portfolio_id)
        content = await self._history.content(served.pack)
        quantities = held((lot.symbol, lot.quantity) for lot in lots)
        worth = values(quantities, content, portfolio.base_currency)
        earlier = await self._half_a_year_before(content)
        found = tilts([(value, self._figures(symbol, content, earlier)) for symbol, value in worth])
        return Exposure(portfolio, served, found, dict(worth))

    async def _half_a_year_before(self, content: PackContent) -> PackContent | None:
        """The pack to compare prices with. Half a year before the day of the prices, not of the pack."""
        target = max(p.observed_on for p in content.prices) - HALF_YEAR
        headers = await self._packs.fresh_heads(target - SLACK, target)
        return await self._history.content(headers[-1]) if headers else None

    def _figures(self, symbol: str, content: PackContent, earlier: PackContent | None) -> StyleFigures:
        price = content.price_of()[symbol]
        before = earlier.price_of().get(symbol) if earlier is not None else None
        momentum = divide(price.close, before.close) - 1 if before is not None else None
        known = self._reference.fundamentals.get(symbol)
        if known is None:
            return StyleFigures(six_month_return=momentum)
        return StyleFigures(*_multiples(known, price.close), momentum, _return_on_equity(known))


def _multiples(known: Fundamental, price: Decimal) -> tuple[Decimal | None, Decimal | None]:
    """Price/earnings and price/book; None without a count of shares, with a loss, or with negative equity."""
    if known.shares is None:
        return None, None
    market = multiply(price, known.shares)
    earnings = divide(market, known.net_income) if known.net_income > 0 else None
    return earnings, divide(market, known.equity) if known.equity > 0 else None


def _return_on_equity(known: Fundamental) -> Decimal | None:
    return divide(known.net_income, known.equity) if known.equity > 0 else None
