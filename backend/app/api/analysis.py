"""Returns and their attribution: of a portfolio under its packs, or of figures that the caller brings."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.api.analysis_schemas import (
    AttributionOut,
    BrinsonOut,
    ContributionOut,
    MetricsOut,
    NewBrinson,
    NewRegression,
    NewReturn,
    PerformanceOut,
    PortfolioReturnOut,
    RegressionOut,
)
from app.api.decimal_json import DecimalJsonRoute
from app.api.dependencies import CurrentUser, ServicesDep
from app.api.schemas import BookingDate
from app.core import brinson
from app.core.errors import AnalysisError
from app.core.performance import DatedPeriod, measure
from app.core.regression import Moments, fit
from app.core.twr import Period

router = APIRouter(prefix="/v1", route_class=DecimalJsonRoute)
Day = Annotated[BookingDate | None, Query()]


@router.get("/portfolios/{portfolio_id}/twr")
async def twr(
    portfolio_id: UUID, user: CurrentUser, services: ServicesDep, start: Day = None, end: Day = None
) -> PortfolioReturnOut:
    """Time-weighted return of the securities over the days with prices.

    A purchase counts from the start of its day, a sale to the end of its day.
    """
    last = end or services.bookings.today()
    found, pack = await services.analysis.performance.twr(user, portfolio_id, start, last)
    return PortfolioReturnOut(
        **PerformanceOut.of(found).model_dump(), pricing_pack_id=pack.id, ledger_commit_hash=pack.ledger_commit_hash
    )


@router.get("/portfolios/{portfolio_id}/attribution")
async def attribution(
    portfolio_id: UUID, user: CurrentUser, services: ServicesDep, start: Day = None, end: Day = None
) -> AttributionOut:
    """How much of the return came from prices and how much from currencies, by holding and by currency."""
    last = end or services.bookings.today()
    found = await services.analysis.performance.attribution(user, portfolio_id, start, last)
    return AttributionOut(
        start=found.span[0],
        end=found.span[1],
        pricing_pack_id=found.pack.id,
        ledger_commit_hash=found.pack.ledger_commit_hash,
        base_currency=found.base_currency,
        whole=ContributionOut.of(found.parts.whole),
        holdings=[ContributionOut.of(c) for c in found.parts.holdings],
        currencies=[ContributionOut.of(c) for c in found.parts.currencies],
    )


@router.get("/portfolios/{portfolio_id}/metrics")
async def metrics(portfolio_id: UUID, user: CurrentUser, services: ServicesDep) -> list[MetricsOut]:
    """What the last thirty nights found for a portfolio, newest first."""
    return [MetricsOut.of(m) for m in await services.analysis.performance.metrics(user, portfolio_id)]


@router.post("/analytics/twr")
async def returns(body: NewReturn, _: CurrentUser) -> PerformanceOut:
    """Return of a series of values with flows. Without the value before a flow no such return exists: give that day."""
    first, *rest = body.values
    opening, periods = first.value, list[DatedPeriod]()
    for day in rest:
        periods.append(DatedPeriod(day.date, Period.of(opening, day.flow, day.value)))
        opening = day.value
    try:
        return PerformanceOut.of(measure(first.date, periods))
    except ValueError as error:
        raise AnalysisError(str(error)) from error


@router.post("/analytics/brinson")
async def compare(body: NewBrinson, _: CurrentUser) -> BrinsonOut:
    """Brinson-Fachler effects of one period, exact, or of several, linked."""
    try:
        periods = [brinson.attribute([s.domain() for s in segments]) for segments in body.periods]
        return BrinsonOut.of(periods[0] if len(periods) == 1 else brinson.link(periods))
    except ValueError as error:
        raise AnalysisError(str(error)) from error


@router.post("/analytics/factor-exposure")
async def regress(body: NewRegression, _: CurrentUser) -> RegressionOut:
    """Exposure of a series of returns to factors, by least squares in exact arithmetic."""
    try:
        return RegressionOut.of(fit(Moments.of(body.returns, body.factors)))
    except ValueError as error:
        raise AnalysisError(str(error)) from error
