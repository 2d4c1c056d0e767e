"""Portfolios, trades and valuations of one user."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

from app.core import lots as lot_rules
from app.core import valuation
from app.core.errors import MarketDataError, NotFoundError, TradeRefusedError
from app.core.lots import Lot, RealisedPnl, Side, Transaction
from app.core.pack import PackContent, PackHeader
from app.services import packs
from app.services.cache import OptionalCache
from app.services.ports import FxHistory, JobLog, PackStore, Portfolio, TenantStore, TenantTx

VALUATION_TTL = 3600
# One body for "does not exist" and "is not yours".
UNKNOWN_PORTFOLIO = "no such portfolio"


@dataclass(frozen=True, slots=True)
class TradeOrder:
    """What the user asked for."""

    portfolio_id: UUID
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    trade_date: date


@dataclass(frozen=True, slots=True)
class TradeResult:
    """What was booked, what is left open, and what a sale earned."""

    transaction: Transaction
    open_lots: tuple[Lot, ...]
    realised: RealisedPnl | None


@dataclass(frozen=True, slots=True)
class ValuationResult:
    """Canonical bytes, ready to send; the header tells which pack they rest on."""

    body: bytes
    pack: PackHeader
    stale: bool
    cached: bool


class PortfolioService:
    """The use cases behind /v1/portfolios and /v1/trades."""

    def __init__(
        self, tenants: TenantStore, packs_: PackStore, jobs: JobLog, cache: OptionalCache, fx: FxHistory
    ) -> None:
        self._tenants = tenants
        self._packs = packs_
        self._jobs = jobs
        self._cache = cache
        self._fx = fx
        self._contents: dict[str, PackContent] = {}

    async def create(self, user_id: UUID, name: str, base_currency: str) -> Portfolio:
        """Open a portfolio; the user becomes known with the first one."""
        async with self._tenants.begin(user_id) as tx:
            return await tx.create_portfolio(name, base_currency)

    async def get(self, user_id: UUID, portfolio_id: UUID) -> tuple[Portfolio, list[Lot]]:
        """The portfolio and its open lots."""
        async with self._tenants.begin(user_id) as tx:
            portfolio = await _owned(tx, portfolio_id)
            return portfolio, await tx.open_lots(portfolio_id)

    async def trade(self, user_id: UUID, order: TradeOrder) -> TradeResult:
        """Book a trade: transaction and lots change together or not at all."""
        securities = await self._packs.securities()
        if order.symbol not in securities:
            raise TradeRefusedError(f"{order.symbol} is not in the universe")
        currency = securities[order.symbol].currency
        async with self._tenants.begin(user_id) as tx:
            portfolio = await _owned(tx, order.portfolio_id)
        fx_rate = trade_rate(self._fx, currency, portfolio.base_currency, order.trade_date)
        async with self._tenants.begin(user_id) as tx:
            transaction = Transaction(
                uuid4(), order.symbol, order.side, order.quantity, order.price, currency, fx_rate, order.trade_date
            )
            realised = await _book(tx, order.portfolio_id, transaction)
            return TradeResult(transaction, tuple(await tx.lock_lots(order.portfolio_id, order.symbol)), realised)

    async def value(self, user_id: UUID, portfolio_id: UUID, pack_id: str | None = None) -> ValuationResult:
        """Value the open lots under the given pack, or under the one being served."""
        async with self._tenants.begin(user_id) as tx:
            portfolio = await _owned(tx, portfolio_id)
            version = await tx.version(portfolio_id)
        if pack_id is None:
            served = await packs.current(self._packs, self._jobs)
        else:
            served = packs.Served(await packs.exact(self._packs, pack_id), stale=False)
        # The pack's hash is in the key, so that a restored database can never meet another one's cache.
        key = f"valuation:{portfolio_id}:{version}:{served.pack.id}:{served.pack.hash}"
        cached = await self._cache.get(key)
        if cached is not None:
            return ValuationResult(cached, served.pack, served.stale, cached=True)
        content = await self.pack_content(served.pack)
        # A trade may have come in since the first look: one snapshot gives lots and the version they belong to.
        async with self._tenants.begin(user_id, snapshot=True) as tx:
            lots = await tx.open_lots(portfolio_id)
            unchanged = await tx.version(portfolio_id) == version
        result = valuation.value(lots, content, portfolio.base_currency)
        body = result.canonical_bytes(str(portfolio_id), served.pack.id)
        if unchanged:
            await self._cache.set(key, body, VALUATION_TTL)
        return ValuationResult(body, served.pack, served.stale, cached=False)

    async def pack_content(self, header: PackHeader) -> PackContent:
        """The pack's rows, kept in memory: a pack never changes, so the few recent ones need no expiry."""
        if header.hash not in self._contents:
            content = await packs.verified_content(self._packs, header)
            if len(self._contents) >= 8:
                self._contents.pop(next(iter(self._contents)))
            self._contents[header.hash] = content
        return self._contents[header.hash]


def trade_rate(fx: FxHistory, currency: str, base: str, day: date) -> Decimal:
    """The rate locked on what is booked on `day`: the last one published by then, whatever a pack of today says."""
    if currency == base:
        return Decimal(1)
    try:
        return fx.fixing(day).rate(currency, base)
    except MarketDataError as error:
        raise TradeRefusedError(str(error)) from error


async def _owned(tx: TenantTx, portfolio_id: UUID) -> Portfolio:
    portfolio = await tx.portfolio(portfolio_id)
    if portfolio is None:
        raise NotFoundError(UNKNOWN_PORTFOLIO)
    return portfolio


async def _book(tx: TenantTx, portfolio_id: UUID, transaction: Transaction) -> RealisedPnl | None:
    if transaction.side == "buy":
        await tx.add_transaction(portfolio_id, transaction)
        await tx.open_lot(portfolio_id, transaction)
        return None
    disposals = lot_rules.fifo(await tx.lock_lots(portfolio_id, transaction.symbol), transaction.quantity)
    await tx.add_transaction(portfolio_id, transaction)
    for disposal in disposals:
        await tx.set_lot_quantity(disposal.lot.id, disposal.remaining)
    return lot_rules.realised(disposals, transaction.price, transaction.fx_rate)
