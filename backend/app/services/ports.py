"""The ports of the services. `app.storage` implements them over PostgreSQL, Redis and files; tests in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Protocol
from uuid import UUID

from app.core.bookings import Booked, Booking
from app.core.fx import Fixing
from app.core.inventory import Directive
from app.core.lots import Lot, Transaction
from app.core.pack import PackContent, PackHeader, Security
from app.core.rights import Right

Clock = Callable[[], datetime]
JobStatus = Literal["running", "succeeded", "failed"]


@dataclass(frozen=True, slots=True)
class Portfolio:
    """A portfolio as its owner sees it."""

    id: UUID
    name: str
    base_currency: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class JobRun:
    """One row of the job record; a run whose process died has the status failed."""

    seq: int
    night: UUID | None
    job: str
    status: JobStatus
    started: datetime
    finished: datetime | None
    error: str

    @property
    def seconds(self) -> float | None:
        """Its duration in seconds; None while it runs."""
        return (self.finished - self.started).total_seconds() if self.finished else None


@dataclass(frozen=True, slots=True)
class JournalState:
    """The state of a journal: its entries and bytes, the last transaction in it, and the bytes known to be on disk."""

    entries: int = 0
    bytes: int = 0
    last_seq: int = 0
    written_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One run for one portfolio; OK exactly when there is no discrepancy."""

    asof_date: date
    run_no: int
    status: Literal["OK", "FAIL"]
    ledger_commit_hash: str
    discrepancies: tuple[Mapping[str, str], ...]
    created_at: datetime


class LedgerTx(Protocol):
    """The part of a user's transaction that keeps bookings, balances, journals and reconciliations."""

    # Held to the end of the transaction: one booking or one write of the journal at a time per portfolio.
    async def lock_portfolio(self, portfolio_id: UUID) -> None: ...

    async def add_booking(self, portfolio_id: UUID, booking: Booking, realised: Decimal | None = None) -> None: ...
    async def bookings(self, portfolio_id: UUID, after: int = 0, symbol: str | None = None) -> list[Booked]: ...
    async def last_bookings(self, portfolio_id: UUID, before: int | None, limit: int) -> list[Booked]: ...
    async def last_day(self, portfolio_id: UUID, symbol: str) -> date | None: ...
    async def replace_lot(self, lot: Lot) -> None: ...
    async def cash(self, portfolio_id: UUID) -> dict[str, Decimal]: ...
    async def add_cash(self, portfolio_id: UUID, currency: str, amount: Decimal) -> None: ...
    async def journal(self, portfolio_id: UUID) -> JournalState | None: ...
    async def save_journal(self, portfolio_id: UUID, state: JournalState) -> None: ...
    async def add_entry(self, portfolio_id: UUID, state: JournalState, body: str, booking_id: UUID | None) -> None: ...
    async def entries_from(self, portfolio_id: UUID, start: int) -> list[str]: ...
    async def add_reconciliation(
        self, portfolio_id: UUID, asof: date, commit: str, discrepancies: Sequence[Mapping[str, str]]
    ) -> Reconciliation: ...
    async def reconciliations(self, portfolio_id: UUID, limit: int) -> list[Reconciliation]: ...
    async def audit(self, action: str, portfolio_id: UUID | None, detail: Mapping[str, str]) -> None: ...


class JournalStore(Protocol):
    """The journals' files and their history. Raises LedgerUnavailableError, and nothing else, when it cannot."""

    async def read(self, portfolio_id: UUID) -> bytes | None: ...

    # None when there is no file or it is shorter than `start`.
    async def read_from(self, portfolio_id: UUID, start: int) -> bytes | None: ...

    # On disk when it returns; refuses when the file does not end at byte `at`.
    async def append(self, portfolio_id: UUID, at: int, data: bytes) -> None: ...

    # Commits these journals (all, if None) and gives the newest commit's hash, changed or not.
    async def commit(self, message: str, portfolio_ids: Sequence[UUID] | None = None) -> str: ...
    async def head(self) -> str | None: ...


# The text of a journal to its transactions; raises JournalError.
JournalReader = Callable[[str], Sequence[Directive]]


class TenantTx(LedgerTx, Protocol):
    """One transaction on behalf of one user. Rows of other users do not exist in it."""

    async def create_portfolio(self, name: str, base_currency: str) -> Portfolio: ...
    async def portfolio(self, portfolio_id: UUID) -> Portfolio | None: ...
    async def portfolios(self) -> list[Portfolio]: ...

    async def open_lots(self, portfolio_id: UUID) -> list[Lot]: ...

    # Holds the lots of one symbol until the transaction ends, so that two sales cannot use up the same lot.
    async def lock_lots(self, portfolio_id: UUID, symbol: str) -> list[Lot]: ...
    async def open_lot(self, portfolio_id: UUID, opened_by: Transaction) -> None: ...
    async def set_lot_quantity(self, lot_id: UUID, quantity: Decimal) -> None: ...

    # Grows with every transaction: a cached valuation is keyed by it and needs no invalidation.
    async def version(self, portfolio_id: UUID) -> int: ...
    async def save_daily_value(self, portfolio_id: UUID, asof: date, pack_id: str, total: Decimal) -> None: ...
    async def last_two_values(self, portfolio_id: UUID) -> list[tuple[date, Decimal]]: ...
    async def add_notification(self, portfolio_id: UUID, asof: date, rule: str, change: Decimal) -> bool: ...


class TenantStore(Protocol):
    """Opens transactions for users, and knows which users there are."""

    # `snapshot` gives a read-only transaction in which all statements see one state.
    def begin(self, user_id: UUID, snapshot: bool = False) -> AbstractAsyncContextManager[TenantTx]: ...
    async def users(self) -> list[UUID]: ...


class PackStore(Protocol):
    """Packs: append and read, nothing else."""

    # Stores the whole pack in one transaction. An unchanged market gives back the pack that is already the head of its
    # date; a changed one gives a new pack that supersedes it.
    async def append(
        self, content: PackContent, universe: tuple[Security, ...], ledger_commit: str | None = None
    ) -> PackHeader: ...
    async def mark(self, pack_id: str, state: Literal["fresh", "error"], reason: str) -> None: ...

    # The newest pack that nothing supersedes, fresh or not.
    async def newest(self) -> PackHeader | None: ...

    # The newest fresh pack that no other fresh pack supersedes: still there while its successor warms up.
    async def last_good(self) -> PackHeader | None: ...
    # The pack of one date that nothing supersedes.
    async def head_of(self, asof: date) -> PackHeader | None: ...

    # Of every date in the span that has fresh packs the last one, in the order of the dates.
    async def fresh_heads(self, start: date, end: date) -> list[PackHeader]: ...
    async def header(self, pack_id: str) -> PackHeader | None: ...
    async def content(self, pack_id: str) -> PackContent | None: ...
    async def securities(self) -> dict[str, Security]: ...
    async def add_securities(self, universe: tuple[Security, ...]) -> None: ...


class FxHistory(Protocol):
    """Reference rates by day. The rate of a trade, of a pack and of a pay date are three look-ups on three dates."""

    # The last fixing on or before the day; raises MarketDataError when there is none.
    def fixing(self, day: date) -> Fixing: ...


class JobLog(Protocol):
    """The record of job runs, kept outside the job's own transaction so that a failure survives its rollback."""

    # Yields while the job runs; records success on leaving, failure (and re-raises) on an exception.
    def record(self, job: str, night: UUID | None) -> AbstractAsyncContextManager[None]: ...
    async def last_attempt(self, job: str) -> JobRun | None: ...
    async def last_night(self) -> list[JobRun]: ...

    # The number of nights that have started since a time, of any outcome.
    async def nights_since(self, time: datetime) -> int: ...
    async def of_deployment(self, job: str) -> list[JobRun]: ...


class Cache(Protocol):
    """Bytes by key. Raises CacheUnavailableError, and nothing else, when it cannot answer."""

    async def get(self, key: str) -> bytes | None: ...
    async def set(self, key: str, value: bytes, ttl_seconds: int) -> None: ...
    # Adds one and gives the sum; the first addition sets the time to live.
    async def increment(self, key: str, ttl_seconds: int) -> int: ...
    async def ping(self) -> None: ...


class RightsStore(Protocol):
    """The export rights that the contracts with data providers give."""

    async def rights(self) -> dict[str, Right]: ...


class Probe(Protocol):
    """Raises StoreUnavailableError when the database does not answer."""

    async def ping(self) -> None: ...
