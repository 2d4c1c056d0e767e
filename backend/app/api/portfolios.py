"""/v1/portfolios: the portfolios of a user."""

from __future__ import annotations

from decimal import Decimal
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import PlainTextResponse, Response

from app.api.decimal_json import DecimalJsonRoute
from app.api.dependencies import CurrentUser, ServicesDep
from app.api.ledger_schemas import BookingOut, NewReconciliation, ReconciliationOut
from app.api.pricing import PackId, pack_headers
from app.api.schemas import LotOut, NewPortfolio, PortfolioOut, ValuationOut
from app.services.portfolios import Holdings

router = APIRouter(prefix="/v1", route_class=DecimalJsonRoute)
Limit = Annotated[int, Query(ge=1, le=500)]


@router.post("/portfolios", status_code=HTTPStatus.CREATED)
async def create(request: Request, body: NewPortfolio, user: CurrentUser, services: ServicesDep) -> PortfolioOut:
    """Open a portfolio and its journal, with an opening balance in its base currency."""
    made = await services.bookings.open(user, body.name, body.base_currency, body.opening_cash)
    request.app.state.telemetry.portfolios.inc()
    cash: dict[str, Decimal] = {body.base_currency: body.opening_cash} if body.opening_cash else {}
    return PortfolioOut.of(Holdings(made, [], cash))


@router.get("/portfolios")
async def listed(user: CurrentUser, services: ServicesDep) -> list[PortfolioOut]:
    """All of your portfolios, without their holdings."""
    return [PortfolioOut.of(Holdings(p, [], {})) for p in await services.portfolios.all_of(user)]


@router.get("/portfolios/{portfolio_id}")
async def read(portfolio_id: UUID, user: CurrentUser, services: ServicesDep) -> PortfolioOut:
    """One portfolio, its open lots and its cash. Another user's portfolio is 404, as an unknown one."""
    return PortfolioOut.of(await services.portfolios.get(user, portfolio_id))


@router.get("/portfolios/{portfolio_id}/lots")
async def lots(portfolio_id: UUID, user: CurrentUser, services: ServicesDep) -> list[LotOut]:
    """The open lots, oldest first: the order in which sales use them up."""
    return [LotOut.of(lot) for lot in (await services.portfolios.get(user, portfolio_id)).lots]


@router.get("/portfolios/{portfolio_id}/transactions")
async def transactions(
    portfolio_id: UUID,
    user: CurrentUser,
    services: ServicesDep,
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    limit: Limit = 100,
) -> list[BookingOut]:
    """Everything booked, newest first; for the next page pass the last `seq` as `before`."""
    return [BookingOut.of(b) for b in await services.portfolios.history(user, portfolio_id, before, limit)]


@router.get("/portfolios/{portfolio_id}/journal", response_class=PlainTextResponse)
async def journal(portfolio_id: UUID, user: CurrentUser, services: ServicesDep) -> Response:
    """The Beancount journal as it is on disk."""
    return PlainTextResponse(await services.portfolios.journal(user, portfolio_id, services.ledger))


@router.get("/portfolios/{portfolio_id}/reconciliations")
async def reconciliations(
    portfolio_id: UUID, user: CurrentUser, services: ServicesDep, limit: Limit = 20
) -> list[ReconciliationOut]:
    """Runs of the reconciliation, newest first."""
    found = await services.portfolios.reconciliations(user, portfolio_id, limit)
    return [ReconciliationOut.of(run) for run in found]


@router.post("/portfolios/{portfolio_id}/reconciliations", status_code=HTTPStatus.CREATED)
async def reconcile(
    portfolio_id: UUID, body: NewReconciliation, user: CurrentUser, services: ServicesDep
) -> ReconciliationOut:
    """Compare journal and database now. A difference is an outcome (FAIL with details), not an error."""
    asof = body.asof_date or services.bookings.today()
    services.bookings.not_in_the_future(asof)
    return ReconciliationOut.of(await services.reconciler.run(user, portfolio_id, asof))


@router.get(
    "/portfolios/{portfolio_id}/valuation",
    responses={
        HTTPStatus.OK: {
            "model": ValuationOut,
            "headers": {
                "X-Cache": {"schema": {"type": "string", "enum": ["hit", "miss"]}},
                "X-Pricing-Pack-Stale": {"schema": {"type": "string", "enum": ["true"]}},
            },
        }
    },
)
async def valuation(
    portfolio_id: UUID, user: CurrentUser, services: ServicesDep, pricing_pack_id: PackId | None = None
) -> Response:
    """The value under one pack: the same bytes for the same pack and holdings, whenever it is asked."""
    result = await services.portfolios.value(user, portfolio_id, pricing_pack_id)
    headers = pack_headers(result.stale) | {"X-Cache": "hit" if result.cached else "miss"}
    return Response(result.body, media_type="application/json", headers=headers)
