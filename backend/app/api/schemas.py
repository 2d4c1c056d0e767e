"""Shapes of requests and responses. Numbers of money travel as strings: a JSON float would round them."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from app.core.lots import Lot
from app.core.money import plain
from app.core.pack import PackHeader
from app.services.bookings import TradeResult
from app.services.portfolios import Holdings
from app.services.ports import JobRun

Number = Annotated[Decimal, PlainSerializer(plain, return_type=str)]
# NUMERIC(28,10) in the database: what does not fit is refused here rather than rounded there.
Amount = Annotated[Decimal, Field(gt=0, max_digits=28, decimal_places=10)]
Currency = Literal["AUD", "CAD", "CHF", "EUR", "GBP", "JPY", "USD"]


# What PostgreSQL and a journal can hold: no control characters, least of all NUL.
Symbol = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9.\-]{0,31}$")]


def _written(day: object) -> object:
    # The library also reads numbers, as seconds since 1970: a mistake of the caller's would become a day long ago.
    if isinstance(day, date) or (isinstance(day, str) and ISO_DATE.fullmatch(day)):
        return day
    raise ValueError("write a date as YYYY-MM-DD")


ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
IsoDate = Annotated[date, BeforeValidator(_written)]
# Before that no account of a journal is open.
BookingDate = Annotated[IsoDate, Field(ge=date(1970, 1, 1))]


class Request(BaseModel):
    """Unknown fields are mistakes, not extensions."""

    model_config = ConfigDict(extra="forbid")


class NewPortfolio(Request):
    """POST /v1/portfolios."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    base_currency: Currency
    opening_cash: Annotated[Decimal, Field(ge=0, max_digits=28, decimal_places=10)] = Decimal(0)


class NewTrade(Request):
    """POST /v1/trades."""

    portfolio_id: UUID
    symbol: Symbol
    action: Literal["buy", "sell"]
    quantity: Amount
    price: Amount
    trade_date: BookingDate | None = None


class LotOut(BaseModel):
    """An open lot."""

    lot_id: UUID
    symbol: str
    opened_on: date
    quantity: Number
    unit_cost: Number
    currency: str
    fx_rate: Number
    cost_base: Number

    @classmethod
    def of(cls, lot: Lot) -> LotOut:
        """Cost in base currency at the rate locked when the lot was opened."""
        return cls(
            lot_id=lot.id,
            symbol=lot.symbol,
            opened_on=lot.opened_on,
            quantity=lot.quantity,
            unit_cost=lot.unit_cost,
            currency=lot.currency,
            fx_rate=lot.fx_rate,
            cost_base=lot.quantity * lot.unit_cost * lot.fx_rate,
        )


class PortfolioOut(BaseModel):
    """A portfolio with its open lots."""

    portfolio_id: UUID
    name: str
    base_currency: str
    created_at: datetime
    lots: list[LotOut]
    cash: dict[str, Number]

    @classmethod
    def of(cls, held: Holdings) -> PortfolioOut:
        """From the domain."""
        portfolio = held.portfolio
        return cls(
            portfolio_id=portfolio.id,
            name=portfolio.name,
            base_currency=portfolio.base_currency,
            created_at=portfolio.created_at,
            lots=[LotOut.of(lot) for lot in held.lots],
            cash=held.cash,
        )


class PositionOut(BaseModel):
    """One line of a valuation."""

    symbol: str
    quantity: Number
    price: Number
    currency: str
    fx_rate: Number
    value: Number


class ValuationOut(BaseModel):
    """The shape of a valuation; its bytes are made by `app.core.valuation`."""

    portfolio_id: UUID
    pricing_pack_id: str
    base_currency: str
    total: Number
    positions: list[PositionOut]


class RealisedOut(BaseModel):
    """Profit of a sale in base currency; the two parts sum to the total."""

    price: Number
    fx: Number
    total: Number


class TradeOut(BaseModel):
    """A booked trade."""

    transaction_id: UUID
    ledger_tx_id: UUID
    action: str
    symbol: str
    quantity: Number
    price: Number
    currency: str
    fx_rate: Number
    trade_date: date
    open_lots: list[LotOut]
    realised: RealisedOut | None

    @classmethod
    def of(cls, result: TradeResult) -> TradeOut:
        """From the domain."""
        booked, gain = result.transaction, result.realised
        return cls(
            transaction_id=booked.id,
            ledger_tx_id=booked.id,
            action=booked.side,
            symbol=booked.symbol,
            quantity=booked.quantity,
            price=booked.price,
            currency=booked.currency,
            fx_rate=booked.fx_rate,
            trade_date=booked.trade_date,
            open_lots=[LotOut.of(lot) for lot in result.open_lots],
            realised=RealisedOut(price=gain.price, fx=gain.fx, total=gain.total) if gain else None,
        )


class PackOut(BaseModel):
    """A pricing pack's header."""

    pricing_pack_id: str
    asof_date: date
    policy: str
    is_fresh: bool
    supersedes: str | None
    hash: str
    ledger_commit_hash: str | None
    created_at: datetime

    @classmethod
    def of(cls, header: PackHeader) -> PackOut:
        """From the domain."""
        return cls(
            pricing_pack_id=header.id,
            asof_date=header.asof_date,
            policy=header.policy,
            is_fresh=header.is_fresh,
            supersedes=header.supersedes,
            hash=header.hash,
            ledger_commit_hash=header.ledger_commit_hash,
            created_at=header.created_at,
        )


class PriceOut(BaseModel):
    """One price of a pack."""

    symbol: str
    close: Number
    currency: str
    source: str
    observed_on: date


class RateOut(BaseModel):
    """One rate of a pack."""

    base: str
    quote: str
    rate: Number
    observed_on: date | None


class PackDetailOut(PackOut):
    """A pack with all its rows."""

    prices: list[PriceOut]
    rates: list[RateOut]


class JobOut(BaseModel):
    """One recorded job run."""

    seq: int
    job: str
    status: str
    started: datetime
    finished: datetime | None

    @classmethod
    def of(cls, run: JobRun) -> JobOut:
        """Without the error text, which may name internals."""
        return cls(seq=run.seq, job=run.job, status=run.status, started=run.started, finished=run.finished)


class NightOut(BaseModel):
    """The newest night, and whether it kept the order."""

    order_ok: bool
    problem: str | None
    runs: list[JobOut]
