"""Portfolios and valuations of one user."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from app.core import valuation
from app.core.bookings import Booked
from app.core.errors import NotFoundError
from app.core.lots import Lot
from app.core.pack import PackContent, PackHeader
from app.services import packs
from app.services.access import owned
from app.services.bookings import TradeOrder as TradeOrder
from app.services.bookings import TradeResult as TradeResult
from app.services.cache import OptionalCache
from app.services.ports import JobLog, JournalStore, PackStore, Portfolio, Reconciliation, TenantStore
from app.services.tracing import span

VALUATION_TTL = 3600


@dataclass(frozen=True, slots=True)
class Holdings:
    """A portfolio with what is in it: open lots, and cash by currency (below zero is owed)."""

    portfolio: Portfolio
    lots: list[Lot]
    cash: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class ValuationResult:
    """Canonical bytes, ready to send; the header tells which pack they rest on."""

    body: bytes
    pack: PackHeader
    stale: bool
    cached: bool


class PortfolioService:
    """The use cases behind /v1/portfolios."""

    def __init__(self, tenants: TenantStore, packs_: PackStore, jobs: JobLog, cache: OptionalCache) -> None:
        self._tenants = tenants
        self._packs = packs_
        self._jobs = jobs
        self._cache = cache
        self._contents: dict[str, PackContent] = {}

    async def all_of(self, user_id: UUID) -> list[Portfolio]:
        """All of the user's portfolios."""
        async with self._tenants.begin(user_id) as tx:
            return await tx.portfolios()

    async def get(self, user_id: UUID, portfolio_id: UUID) -> Holdings:
        """The portfolio, its open lots and its cash."""
        async with owned(self._tenants, user_id, portfolio_id, snapshot=True) as (tx, portfolio):
            return Holdings(portfolio, await tx.open_lots(portfolio_id), await tx.cash(portfolio_id))

    async def history(self, user_id: UUID, portfolio_id: UUID, before: int | None, limit: int) -> list[Booked]:
        """A page of bookings, newest first, below the number `before`."""
        async with owned(self._tenants, user_id, portfolio_id) as (tx, _):
            return await tx.last_bookings(portfolio_id, before, limit)

    async def reconciliations(self, user_id: UUID, portfolio_id: UUID, limit: int) -> list[Reconciliation]:
        """The newest reconciliations."""
        async with owned(self._tenants, user_id, portfolio_id) as (tx, _):
            return await tx.reconciliations(portfolio_id, limit)

    async def journal(self, user_id: UUID, portfolio_id: UUID, store: JournalStore) -> bytes:
        """The Beancount file as it is on disk."""
        async with owned(self._tenants, user_id, portfolio_id):
            content = await store.read(portfolio_id)
        if content is None:
            raise NotFoundError("the journal is not written yet")
        return content

    async def value(self, user_id: UUID, portfolio_id: UUID, pack_id: str | None = None) -> ValuationResult:
        """Value the open lots under the given pack, or under the one being served."""
        async with owned(self._tenants, user_id, portfolio_id) as (tx, portfolio):
            version = await tx.version(portfolio_id)
        if pack_id is None:
            served = await packs.current(self._packs, self._jobs)
        else:
            served = packs.Served(await packs.by_id(self._packs, pack_id), stale=False)
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
        with span("calculation", pricing_pack_id=served.pack.id):
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
