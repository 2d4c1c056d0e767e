"""/v1/portfolios and /v1/trades."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from app.api.dependencies import Svc, User
from app.api.pricing import pack_headers
from app.api.schemas import NewPortfolio, NewTrade, PortfolioOut, TradeOut
from app.services.portfolios import TradeOrder

router = APIRouter(prefix="/v1")


@router.post("/portfolios", status_code=HTTPStatus.CREATED)
async def create(body: NewPortfolio, user: User, services: Svc) -> PortfolioOut:
    """Open a portfolio."""
    return PortfolioOut.of(await services.portfolios.create(user, body.name, body.base_currency), [])


@router.get("/portfolios/{portfolio_id}")
async def read(portfolio_id: UUID, user: User, services: Svc) -> PortfolioOut:
    """One portfolio and its open lots. Somebody else's is 404 with the body of an unknown one: no enumeration."""
    return PortfolioOut.of(*await services.portfolios.get(user, portfolio_id))


@router.get("/portfolios/{portfolio_id}/valuation")
async def valuation(portfolio_id: UUID, user: User, services: Svc, pricing_pack_id: str | None = None) -> Response:
    """The value under one pack: the same bytes for the same pack and holdings, whenever it is asked."""
    result = await services.portfolios.value(user, portfolio_id, pricing_pack_id)
    headers = pack_headers(result.stale) | {"X-Cache": "hit" if result.cached else "miss"}
    return Response(result.body, media_type="application/json", headers=headers)


@router.post("/trades", status_code=HTTPStatus.CREATED)
async def trade(body: NewTrade, user: User, services: Svc) -> TradeOut:
    """Book a trade."""
    day = body.trade_date or datetime.now(UTC).date()
    order = TradeOrder(body.portfolio_id, body.symbol, body.action, body.quantity, body.price, day)
    return TradeOut.of(await services.portfolios.trade(user, order))
