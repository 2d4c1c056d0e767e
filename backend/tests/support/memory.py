"""The ports of app.services in memory: small, but with the real rules (isolation, rollback, append-only)."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry

from app.core.bookings import Booked, Booking, Dividend, day_of
from app.core.errors import CacheUnavailableError, LedgerUnavailableError, StoreUnavailableError
from app.core.inventory import WHOLE
from app.core.lots import Lot, Transaction
from app.core.pack import PackContent, PackHeader, Security, pack_id
from app.metrics import DeliveryMetrics, ProviderMetrics
from app.services.alerting import AlertService
from app.services.analysis import Analysis
from app.services.bookings import BookingService
from app.services.cache import OptionalCache
from app.services.context import Services
from app.services.delivery import DeliveryService
from app.services.exports import ExportService
from app.services.journals import Journals
from app.services.market import MarketService
from app.services.portfolios import PortfolioService
from app.services.ports import JobRun, JournalState, Portfolio, Reconciliation
from app.services.rate_limit import RateLimiter
from app.services.reconciliation import Reconciler
from app.services.reference import load_reference
from app.services.resilience import CallPolicy, ResilientProvider
from app.settings import PACKAGED_MARKET_DATA, Settings
from app.storage.beancount import read_journal
from app.storage.ecb import EcbHistory
from tests.support.memory_analysis import MemoryAnalysis
from tests.support.memory_clients import MemoryAlerts, MemoryMutex, MemoryProvider, MemoryRights, MemorySender

EPOCH = datetime(2026, 11, 24, tzinfo=UTC)
# Read once for all tests; it never changes.
FX = EcbHistory()
REFERENCE = load_reference()
SECRET = "unit-test-secret-that-is-long-enough"


class Ticker:
    """A clock that moves one second per look."""

    def __init__(self) -> None:
        self._seconds = 0

    def __call__(self) -> datetime:
        self._seconds += 1
        return EPOCH + timedelta(seconds=self._seconds)


@dataclass
class Books:
    """The rows of one user."""

    portfolios: dict[UUID, Portfolio] = field(default_factory=dict)
    lots: dict[UUID, list[Lot]] = field(default_factory=dict)
    bookings: dict[UUID, list[Booked]] = field(default_factory=dict)

    @property
    def transactions(self) -> dict[UUID, list[Transaction]]:
        """The trades alone."""
        return {
            pid: [b.booking for b in booked if isinstance(b.booking, Transaction)]
            for pid, booked in self.bookings.items()
        }

    values: dict[UUID, dict[date, Decimal]] = field(default_factory=dict)
    notifications: dict[tuple[UUID, str, date], Decimal] = field(default_factory=dict)
    cash: dict[UUID, dict[str, Decimal]] = field(default_factory=dict)
    journals: dict[UUID, JournalState] = field(default_factory=dict)
    entries: dict[UUID, list[tuple[int, str]]] = field(default_factory=dict)
    reconciliations: dict[UUID, list[Reconciliation]] = field(default_factory=dict)
    audit: list[tuple[str, UUID | None, dict[str, str]]] = field(default_factory=list)


class MemoryTenantTx:
    """services.ports.TenantTx over one user's books."""

    def __init__(self, books: Books, clock: Ticker) -> None:
        self._books = books
        self._clock = clock

    async def create_portfolio(self, name: str, base_currency: str) -> Portfolio:
        made = Portfolio(uuid4(), name, base_currency, self._clock())
        self._books.portfolios[made.id] = made
        return made

    async def portfolio(self, portfolio_id: UUID) -> Portfolio | None:
        return self._books.portfolios.get(portfolio_id)

    async def portfolios(self) -> list[Portfolio]:
        return list(self._books.portfolios.values())

    async def open_lots(self, portfolio_id: UUID) -> list[Lot]:
        return [lot for lot in self._books.lots.get(portfolio_id, []) if lot.quantity > 0]

    async def lock_lots(self, portfolio_id: UUID, symbol: str) -> list[Lot]:
        return [lot for lot in await self.open_lots(portfolio_id) if lot.symbol == symbol]

    async def open_lot(self, portfolio_id: UUID, opened_by: Transaction) -> None:
        lots = self._books.lots.setdefault(portfolio_id, [])
        t = opened_by
        lots.append(Lot(t.id, t.symbol, t.trade_date, len(lots), t.quantity, t.price, t.currency, t.fx_rate))

    async def set_lot_quantity(self, lot_id: UUID, quantity: Decimal) -> None:
        for lots in self._books.lots.values():
            lots[:] = [replace(lot, quantity=quantity) if lot.id == lot_id else lot for lot in lots]

    async def version(self, portfolio_id: UUID) -> int:
        return len(self._books.bookings.get(portfolio_id, []))

    async def save_daily_value(self, portfolio_id: UUID, asof: date, pack_id: str, total: Decimal) -> None:
        self._books.values.setdefault(portfolio_id, {})[asof] = total

    async def last_two_values(self, portfolio_id: UUID) -> list[tuple[date, Decimal]]:
        return sorted(self._books.values.get(portfolio_id, {}).items(), reverse=True)[:2]

    async def add_notification(self, portfolio_id: UUID, asof: date, rule: str, change: Decimal) -> bool:
        key = (portfolio_id, rule, asof)
        new = key not in self._books.notifications
        self._books.notifications.setdefault(key, change)
        return new

    async def lock_portfolio(self, portfolio_id: UUID) -> None:
        """One transaction at a time is all there is in memory."""

    async def add_booking(self, portfolio_id: UUID, booking: Booking, realised: Decimal | None = None) -> None:
        booked = self._books.bookings.setdefault(portfolio_id, [])
        booked.append(Booked(len(booked) + 1, booking, realised))

    async def bookings(self, portfolio_id: UUID, after: int = 0, symbol: str | None = None) -> list[Booked]:
        booked = self._books.bookings.get(portfolio_id, [])
        return [b for b in booked if b.seq > after and symbol in (None, getattr(b.booking, "symbol", ""))]

    async def last_bookings(self, portfolio_id: UUID, before: int | None, limit: int) -> list[Booked]:
        booked = [b for b in self._books.bookings.get(portfolio_id, []) if before is None or b.seq < before]
        return booked[::-1][:limit]

    async def last_day(self, portfolio_id: UUID, symbol: str) -> date | None:
        booked = await self.bookings(portfolio_id, symbol=symbol)
        return max((day_of(b.booking) for b in booked if not isinstance(b.booking, Dividend)), default=None)

    async def replace_lot(self, lot: Lot) -> None:
        for lots in self._books.lots.values():
            lots[:] = [lot if lot.id == kept.id else kept for kept in lots]

    async def cash(self, portfolio_id: UUID) -> dict[str, Decimal]:
        return dict(self._books.cash.get(portfolio_id, {}))

    async def add_cash(self, portfolio_id: UUID, currency: str, amount: Decimal) -> None:
        balances = self._books.cash.setdefault(portfolio_id, {})
        balances[currency] = WHOLE.add(balances.get(currency, Decimal(0)), amount)

    async def journal(self, portfolio_id: UUID) -> JournalState | None:
        return self._books.journals.get(portfolio_id)

    async def save_journal(self, portfolio_id: UUID, state: JournalState) -> None:
        self._books.journals[portfolio_id] = state

    async def add_entry(self, portfolio_id: UUID, state: JournalState, body: str, booking_id: UUID | None) -> None:
        self._books.entries.setdefault(portfolio_id, []).append((state.bytes, body))

    async def entries_from(self, portfolio_id: UUID, start: int) -> list[str]:
        return [body for begin, body in self._books.entries.get(portfolio_id, []) if begin >= start]

    async def add_reconciliation(
        self, portfolio_id: UUID, asof: date, commit: str, discrepancies: Sequence[Mapping[str, str]]
    ) -> Reconciliation:
        runs = self._books.reconciliations.setdefault(portfolio_id, [])
        number = 1 + sum(run.asof_date == asof for run in runs)
        status: Literal["OK", "FAIL"] = "FAIL" if discrepancies else "OK"
        runs.append(Reconciliation(asof, number, status, commit, tuple(discrepancies), self._clock()))
        return runs[-1]

    async def reconciliations(self, portfolio_id: UUID, limit: int) -> list[Reconciliation]:
        runs = self._books.reconciliations.get(portfolio_id, [])
        return sorted(runs, key=lambda run: (run.asof_date, run.run_no), reverse=True)[:limit]

    async def audit(self, action: str, portfolio_id: UUID | None, detail: Mapping[str, str]) -> None:
        self._books.audit.append((action, portfolio_id, dict(detail)))


class MemoryLedger:
    """services.ports.JournalStore, which can be taken away, and whose next write can be torn."""

    def __init__(self) -> None:
        self.files: dict[UUID, bytes] = {}
        self.commits: list[str] = []
        self.down = False
        self.tear_after: int | None = None

    def _ask(self) -> None:
        if self.down:
            raise LedgerUnavailableError("the ledger cannot be used: OSError")

    async def read(self, portfolio_id: UUID) -> bytes | None:
        return await self.read_from(portfolio_id, 0)

    async def read_from(self, portfolio_id: UUID, start: int) -> bytes | None:
        self._ask()
        content = self.files.get(portfolio_id)
        return None if content is None or len(content) < start else content[start:]

    async def append(self, portfolio_id: UUID, at: int, data: bytes) -> None:
        self._ask()
        content = self.files.get(portfolio_id, b"")
        assert len(content) == at, "only the end can be written"
        if self.tear_after is not None:
            self.files[portfolio_id] = content + data[: self.tear_after]
            self.tear_after = None
            raise LedgerUnavailableError("the ledger cannot be used: killed")
        self.files[portfolio_id] = content + data

    async def commit(self, message: str, portfolio_ids: Sequence[UUID] | None = None) -> str:
        self._ask()
        self.commits.append(hashlib.sha1(repr(sorted(self.files.items())).encode()).hexdigest())  # noqa: S324 - as git
        return self.commits[-1]

    async def head(self) -> str | None:
        self._ask()
        return self.commits[-1] if self.commits else None


class MemoryTenants:
    """services.ports.TenantStore; a failed transaction leaves nothing behind."""

    def __init__(self, clock: Ticker) -> None:
        self.books: dict[UUID, Books] = {}
        self.down = False
        self._clock = clock

    @asynccontextmanager
    async def begin(self, user_id: UUID, snapshot: bool = False) -> AsyncIterator[MemoryTenantTx]:
        if self.down:
            raise StoreUnavailableError("the database does not answer")
        working = deepcopy(self.books.get(user_id, Books()))
        yield MemoryTenantTx(working, self._clock)
        if not snapshot:
            self.books[user_id] = working

    async def users(self) -> list[UUID]:
        return sorted(user for user, books in self.books.items() if books.portfolios)


class MemoryPacks:
    """services.ports.PackStore."""

    def __init__(self, clock: Ticker) -> None:
        self.headers: dict[str, PackHeader] = {}
        self.contents: dict[str, PackContent] = {}
        self.universe: dict[str, Security] = {}
        self.down = False
        self._clock = clock

    async def append(
        self, content: PackContent, universe: tuple[Security, ...], ledger_commit: str | None = None
    ) -> PackHeader:
        chain = [h for h in self.headers.values() if h.asof_date == content.asof_date]
        if chain and chain[-1].hash == content.digest():
            return chain[-1]
        name = pack_id(content.asof_date, len(chain) + 1)
        before = chain[-1].id if chain else None
        made = PackHeader(
            name, content.asof_date, content.policy, content.digest(), before, False, self._clock(), ledger_commit
        )
        self.headers[name], self.contents[name] = made, content
        await self.add_securities(universe)
        return made

    async def mark(self, pack_id: str, state: Literal["fresh", "error"], reason: str) -> None:
        self.headers[pack_id] = replace(self.headers[pack_id], is_fresh=state == "fresh")

    async def newest(self) -> PackHeader | None:
        if self.down:
            raise StoreUnavailableError("the database does not answer")
        gone = {h.supersedes for h in self.headers.values()}
        return self._last([h for h in self.headers.values() if h.id not in gone])

    async def last_good(self) -> PackHeader | None:
        if self.down:
            raise StoreUnavailableError("the database does not answer")
        return self._last([h for h in self.headers.values() if h.is_fresh])

    async def head_of(self, asof: date) -> PackHeader | None:
        gone = {h.supersedes for h in self.headers.values()}
        return self._last([h for h in self.headers.values() if h.asof_date == asof and h.id not in gone])

    async def fresh_heads(self, start: date, end: date) -> list[PackHeader]:
        fresh = [h for h in self.headers.values() if h.is_fresh and start <= h.asof_date <= end]
        return [h for _, h in sorted({h.asof_date: h for h in sorted(fresh, key=lambda h: h.created_at)}.items())]

    async def header(self, pack_id: str) -> PackHeader | None:
        return self.headers.get(pack_id)

    async def content(self, pack_id: str) -> PackContent | None:
        return self.contents.get(pack_id)

    async def securities(self) -> dict[str, Security]:
        return dict(self.universe)

    async def add_securities(self, universe: tuple[Security, ...]) -> None:
        self.universe.update({s.symbol: s for s in universe})

    @staticmethod
    def _last(headers: list[PackHeader]) -> PackHeader | None:
        return max(headers, key=lambda h: (h.asof_date, h.created_at), default=None)


class MemoryJobs:
    """services.ports.JobLog."""

    def __init__(self, clock: Ticker) -> None:
        self.runs: list[JobRun] = []
        self._clock = clock

    @asynccontextmanager
    async def record(self, job: str, night: UUID | None) -> AsyncIterator[None]:
        at = len(self.runs)
        self.runs.append(JobRun(at + 1, night, job, "running", self._clock(), None, ""))
        try:
            yield
        except Exception as error:
            self.runs[at] = replace(self.runs[at], status="failed", finished=self._clock(), error=str(error))
            raise
        self.runs[at] = replace(self.runs[at], status="succeeded", finished=self._clock())

    async def last_attempt(self, job: str) -> JobRun | None:
        return next((run for run in reversed(self.runs) if run.job == job), None)

    async def last_night(self) -> list[JobRun]:
        nights = [run.night for run in self.runs if run.night]
        return [run for run in self.runs if nights and run.night == nights[-1]]

    async def nights_since(self, time: datetime) -> int:
        return len({run.night for run in self.runs if run.night and run.started >= time})

    async def of_deployment(self, job: str) -> list[JobRun]:
        return [run for run in self.runs if run.job == job]


class MemoryCache:
    """services.ports.Cache, which can be taken away."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.down = False
        self.calls = 0

    def _ask(self) -> None:
        self.calls += 1
        if self.down:
            raise CacheUnavailableError("redis does not answer")

    async def get(self, key: str) -> bytes | None:
        self._ask()
        return self.values.get(key)

    async def set(self, key: str, value: bytes, ttl_seconds: int) -> None:
        self._ask()
        self.values[key] = value

    async def increment(self, key: str, ttl_seconds: int) -> int:
        self._ask()
        counted = int(self.values.get(key, b"0")) + 1
        self.values[key] = str(counted).encode()
        return counted

    async def ping(self) -> None:
        self._ask()


class MemoryProbe:
    """services.ports.Probe."""

    def __init__(self) -> None:
        self.down = False

    async def ping(self) -> None:
        if self.down:
            raise StoreUnavailableError("the database does not answer")


class World:
    """A whole service in memory; the tests reach for its parts to break them."""

    def __init__(self, market_data: Path = PACKAGED_MARKET_DATA) -> None:
        clock = Ticker()
        self.now = 0.0
        self.settings = Settings("postgres://unused", "redis://unused", SECRET, "sha-1", "unit", market_data)
        self.tenants, self.packs, self.jobs = MemoryTenants(clock), MemoryPacks(clock), MemoryJobs(clock)
        self.raw_cache, self.probe = MemoryCache(), MemoryProbe()
        self.cache = OptionalCache(self.raw_cache, lambda: self.now)
        self.ledger = MemoryLedger()
        self.journals = Journals(self.tenants, self.ledger)
        self.bookings = BookingService(self.tenants, self.packs, FX, self.journals, clock)
        self.reconciler = Reconciler(self.tenants, self.journals, read_journal)
        self.portfolios = PortfolioService(self.tenants, self.packs, self.jobs, self.cache)
        self.stores = MemoryAnalysis()
        self.analysis = Analysis.over(self.tenants, self.packs, self.jobs, self.stores.all(), REFERENCE)
        self.limiter = RateLimiter(self.cache, clock, self.settings.rate_limit_per_minute)
        self.alert_store, self.senders = MemoryAlerts(), [MemorySender("webhook"), MemorySender("email")]
        self.mutex, self.registry, self.rights = MemoryMutex(), CollectorRegistry(), MemoryRights()
        self.alerts = AlertService(self.alert_store, self.tenants, self.portfolios, clock, mail=True)
        self.meter = DeliveryMetrics(self.registry)
        self.deliveries = DeliveryService(self.alert_store, self.tenants, self.senders, clock, self.meter)
        self.provider = MemoryProvider()
        policy = CallPolicy(lambda: self.now, sleep=self.sleep, jitter=lambda: 0.0)
        self.market = MarketService(
            [ResilientProvider(self.provider, policy, ProviderMetrics(self.registry))], self.cache, lambda: self.wall()
        )
        self.exports = ExportService(self.portfolios, self.packs, self.rights)
        self.services = Services(
            self.settings,
            self.tenants,
            self.packs,
            self.jobs,
            self.cache,
            self.probe,
            self.portfolios,
            FX,
            self.bookings,
            self.reconciler,
            self.ledger,
            self.limiter,
            self.analysis,
            self.alerts,
            self.deliveries,
            self.market,
            self.exports,
            self.mutex,
            self.registry,
        )

    def wall(self) -> datetime:
        """The clock of market data: moved by `now` alone."""
        return EPOCH + timedelta(seconds=self.now)

    async def sleep(self, seconds: float) -> None:
        """Time passes only here."""
        self.now += seconds

    @asynccontextmanager
    async def connect(self, settings: Settings) -> AsyncIterator[Services]:
        """Stands where app.container.connect stands."""
        yield self.services
