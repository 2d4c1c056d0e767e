"""Returns of a portfolio over the packs it can be valued with: time-weighted, and split by currency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from app.core.attribution import PortfolioAttribution, attribute_portfolio
from app.core.bookings import Booking, Dividend, Split
from app.core.errors import AnalysisError, UnpricedError
from app.core.factors import explain
from app.core.history import Event, Mark, periods, unchanged
from app.core.lots import Transaction
from app.core.money import divide, multiply
from app.core.pack import PackContent, PackHeader
from app.core.performance import Performance, measure
from app.core.regression import Fit
from app.services import packs
from app.services.access import owned
from app.services.analysis_ports import AnalysisStore, StoredMetrics
from app.services.ports import PackStore, Portfolio, TenantStore

DEFAULT_DAYS = 366
MAX_MARKS = 800
METRICS_LIMIT = 30


@dataclass(frozen=True, slots=True)
class PortfolioHistory:
    """The events of a portfolio and the days with prices, ascending."""

    portfolio: Portfolio
    events: Sequence[Event]
    marks: Sequence[Mark]
    pack: PackHeader


@dataclass(frozen=True, slots=True)
class AttributionResult:
    """Contributions between two days, and the pack of the second."""

    parts: PortfolioAttribution
    span: tuple[date, date]
    pack: PackHeader
    base_currency: str


class PackHistory:
    """Verified packs by day. Packs never change, so those read stay in memory."""

    def __init__(self, store: PackStore) -> None:
        self._store = store
        self._contents: dict[str, PackContent] = {}

    async def headers(self, start: date, end: date) -> list[PackHeader]:
        """Fresh packs of a span, one per day, ascending."""
        found = await self._store.fresh_heads(start, end)
        if len(found) > MAX_MARKS:
            raise AnalysisError(f"{len(found)} days have prices in this span; ask for at most {MAX_MARKS}")
        return found

    async def content(self, header: PackHeader) -> PackContent:
        """The rows of a pack, checked against its hash."""
        if header.hash not in self._contents:
            loaded = await packs.verified_content(self._store, header)
            while len(self._contents) >= MAX_MARKS:
                self._contents.pop(next(iter(self._contents)))
            self._contents[header.hash] = loaded
        return self._contents[header.hash]

    async def marks(self, headers: Sequence[PackHeader]) -> list[Mark]:
        """The headers with their rows."""
        return [Mark(header.asof_date, await self.content(header)) for header in headers]


class PerformanceService:
    """The use cases behind /v1/portfolios/{id}/twr, /attribution and /metrics."""

    def __init__(self, tenants: TenantStore, history: PackHistory, store: AnalysisStore) -> None:
        self._tenants = tenants
        self._history = history
        self._store = store

    async def past(
        self, user_id: UUID, portfolio_id: UUID, span: tuple[date, date], tonight: PackHeader | None
    ) -> PortfolioHistory:
        """Bookings and packs of a span. `tonight` is a pack that is not fresh yet but counts for its day."""
        async with owned(self._tenants, user_id, portfolio_id, snapshot=True) as (tx, portfolio):
            booked = [b.booking for b in await tx.bookings(portfolio_id)]
        headers = await self._history.headers(*span)
        if tonight is not None:
            headers = [h for h in headers if h.asof_date < tonight.asof_date] + [tonight]
        if len(headers) < 2:
            raise AnalysisError(f"only {len(headers)} day of this span has prices; two are needed")
        return PortfolioHistory(portfolio, events_of(booked), await self._history.marks(headers), headers[-1])

    async def twr(
        self, user_id: UUID, portfolio_id: UUID, start: date | None, end: date
    ) -> tuple[Performance, PackHeader]:
        """Return over the days with prices in the span (a year, if no start is given), and the last day's pack."""
        past = await self.past(user_id, portfolio_id, _span(start, end), None)
        return performance_of(past), past.pack

    async def attribution(self, user_id: UUID, portfolio_id: UUID, start: date | None, end: date) -> AttributionResult:
        """Currency attribution from the first to the last day with prices in the span, of what was held at both."""
        past = await self.past(user_id, portfolio_id, _span(start, end), None)
        first, last = past.marks[0], past.marks[-1]
        return AttributionResult(
            attribution_of(past, first), (first.day, last.day), past.pack, past.portfolio.base_currency
        )

    async def regression(self, user_id: UUID, portfolio_id: UUID, end: date) -> Fit:
        """Regression of the year's daily returns on the factors; raises AnalysisError with the reason."""
        return regression_of(await self.past(user_id, portfolio_id, _span(None, end), None))

    async def metrics(self, user_id: UUID, portfolio_id: UUID) -> list[StoredMetrics]:
        """The metrics of the last nights, newest first."""
        async with owned(self._tenants, user_id, portfolio_id, snapshot=True):
            pass
        return await self._store.metrics(user_id, portfolio_id, METRICS_LIMIT)

    async def store_night(self, user_id: UUID, portfolio_id: UUID, tonight: PackHeader) -> bool:
        """Store the year's return and the attribution since the pack before; False where history is too short."""
        span = _span(None, tonight.asof_date)
        try:
            past = await self.past(user_id, portfolio_id, span, tonight)
            performance = performance_of(past)
        except AnalysisError:
            return False
        await self._store.save_performance(user_id, portfolio_id, tonight, performance)
        before = past.marks[-2]
        # When everything was sold or bought since, there is a return but no holding at both ends.
        with suppress(AnalysisError):
            await self._store.save_attribution(user_id, portfolio_id, tonight, before.day, attribution_of(past, before))
        # The regression needs about a quarter of daily returns.
        with suppress(AnalysisError):
            await self._store.save_regression(user_id, portfolio_id, tonight, regression_of(past))
        return True


def performance_of(past: PortfolioHistory) -> Performance:
    """Performance figures; raises AnalysisError when there is no return."""
    try:
        start, found = periods(past.events, past.marks, past.portfolio.base_currency)
        return measure(start, found)
    except (ValueError, UnpricedError) as error:
        raise AnalysisError(str(error)) from error


def regression_of(past: PortfolioHistory) -> Fit:
    """Regression on the factors; raises AnalysisError when it has no solution."""
    try:
        return explain(periods(past.events, past.marks, past.portfolio.base_currency)[1], past.marks)
    except (ValueError, UnpricedError) as error:
        raise AnalysisError(str(error)) from error


def attribution_of(past: PortfolioHistory, first: Mark) -> PortfolioAttribution:
    """Attribution from `first` to the last day; raises AnalysisError when nothing was held at both."""
    held = unchanged(past.events, first, past.marks[-1], past.portfolio.base_currency)
    try:
        return attribute_portfolio(held)
    except ValueError as error:
        raise AnalysisError(str(error)) from error


def events_of(bookings: Iterable[Booking]) -> list[Event]:
    """The bookings of securities as events, in base currency at their own rates; cash movements are left out."""
    found = []
    for booking in bookings:
        if isinstance(booking, Transaction):
            sign = 1 if booking.side == "buy" else -1
            cost = multiply(booking.quantity, booking.price, booking.fx_rate)
            found.append(Event(booking.trade_date, booking.symbol, sign * booking.quantity, flow=sign * cost))
        elif isinstance(booking, Dividend):
            found.append(Event(booking.pay_date, booking.symbol, income=booking.in_base(booking.net)))
        elif isinstance(booking, Split):
            found.append(Event(booking.day, booking.symbol, ratio=divide(booking.new_shares, booking.old_shares)))
    return found


def _span(start: date | None, end: date) -> tuple[date, date]:
    first = start or end - timedelta(days=DEFAULT_DAYS)
    if first >= end:
        raise AnalysisError("the start must be before the end")
    return first, end
