"""/v1/trades, /v1/cash-movements, /v1/corporate-actions: what changes a portfolio."""

from __future__ import annotations

from http import HTTPStatus
from uuid import uuid4

from fastapi import APIRouter, Request

from app.api.decimal_json import DecimalJsonRoute
from app.api.dependencies import CurrentUser, ServicesDep
from app.api.ledger_schemas import CashOut, DividendOut, NewCash, NewDividend, NewSplit, SplitOut
from app.api.schemas import NewTrade, TradeOut
from app.core.bookings import Split
from app.services.bookings import DividendOrder, TradeOrder

router = APIRouter(prefix="/v1", route_class=DecimalJsonRoute)


@router.post("/trades", status_code=HTTPStatus.CREATED)
async def trade(request: Request, body: NewTrade, user: CurrentUser, services: ServicesDep) -> TradeOut:
    """Book a trade at the exchange rate of its date. A sale uses up the oldest lots and must be covered."""
    day = body.trade_date or services.bookings.today()
    order = TradeOrder(body.portfolio_id, body.symbol, body.action, body.quantity, body.price, day)
    booked = await services.bookings.trade(user, order)
    request.app.state.telemetry.trades.labels(body.action).inc()
    return TradeOut.of(booked)


@router.post("/cash-movements", status_code=HTTPStatus.CREATED)
async def move_cash(body: NewCash, user: CurrentUser, services: ServicesDep) -> CashOut:
    """Book a deposit (positive) or a withdrawal (negative)."""
    day = body.date or services.bookings.today()
    return CashOut.of(*await services.bookings.move_cash(user, body.portfolio_id, body.currency, body.amount, day))


@router.post("/corporate-actions/dividends", status_code=HTTPStatus.CREATED)
async def dividend(body: NewDividend, user: CurrentUser, services: ServicesDep) -> DividendOut:
    """Book a dividend on the shares held before the ex-date, converted at the rate of the pay date."""
    order = DividendOrder(
        body.portfolio_id,
        body.symbol,
        body.ex_date,
        body.pay_date,
        body.gross_per_share,
        body.withheld_per_share,
        body.currency,
    )
    return DividendOut.of(await services.bookings.dividend(user, order))


@router.post("/corporate-actions/splits", status_code=HTTPStatus.CREATED)
async def split(body: NewSplit, user: CurrentUser, services: ServicesDep) -> SplitOut:
    """Apply a split to every open lot; the total cost of each stays what it was."""
    day = body.date or services.bookings.today()
    wanted = Split(uuid4(), body.symbol, day, body.new_shares, body.old_shares)
    return SplitOut.of(wanted, await services.bookings.split(user, body.portfolio_id, wanted))
