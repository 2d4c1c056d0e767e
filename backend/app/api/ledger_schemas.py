"""Shapes of dividends, splits, cash movements, booking history and reconciliations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from app.api.schemas import Amount, BookingDate, Currency, LotOut, Number, Request, Symbol
from app.core.bookings import Booked, CashMovement, Dividend, Split, cash_effect, day_of
from app.core.lots import Lot, Transaction
from app.services.ports import Reconciliation

Day = BookingDate
ShareCount = Annotated[Decimal, Field(gt=0, le=1_000_000, max_digits=16, decimal_places=10)]


class NewDividend(Request):
    """POST /v1/corporate-actions/dividends. Amounts are per share; the currency is the security's unless given."""

    portfolio_id: UUID
    symbol: Symbol
    ex_date: Day
    pay_date: Day
    gross_per_share: Amount
    withheld_per_share: Annotated[Decimal, Field(ge=0, max_digits=28, decimal_places=10)] = Decimal(0)
    currency: Currency | None = None


class NewSplit(Request):
    """POST /v1/corporate-actions/splits. `new_shares` replace `old_shares`."""

    portfolio_id: UUID
    symbol: Symbol
    new_shares: ShareCount
    old_shares: ShareCount = Decimal(1)
    date: Day | None = None


def _moves(amount: Decimal) -> Decimal:
    if amount == 0:
        raise ValueError("nothing would move")
    return amount


class NewCash(Request):
    """POST /v1/cash-movements. A negative amount is a withdrawal."""

    portfolio_id: UUID
    currency: Currency
    amount: Annotated[Decimal, Field(max_digits=28, decimal_places=10), AfterValidator(_moves)]
    date: Day | None = None


class NewReconciliation(Request):
    """POST /v1/portfolios/{id}/reconciliations. The date only labels the run; what is compared is now."""

    asof_date: Day | None = None


class DividendOut(BaseModel):
    """A booked dividend: gross, withheld and net, in its own and in the base currency."""

    transaction_id: UUID
    ledger_tx_id: UUID
    symbol: str
    ex_date: date
    pay_date: date
    shares: Number
    currency: str
    pay_fx_rate: Number
    gross: Number
    withheld: Number
    net: Number
    gross_base: Number
    withheld_base: Number
    net_base: Number

    @classmethod
    def of(cls, d: Dividend) -> DividendOut:
        """From the domain."""
        return cls(
            transaction_id=d.id,
            ledger_tx_id=d.id,
            symbol=d.symbol,
            ex_date=d.ex_date,
            pay_date=d.pay_date,
            shares=d.shares,
            currency=d.currency,
            pay_fx_rate=d.fx_rate,
            gross=d.gross,
            withheld=d.withheld,
            net=d.net,
            gross_base=d.in_base(d.gross),
            withheld_base=d.in_base(d.withheld),
            net_base=d.in_base(d.net),
        )


class SplitOut(BaseModel):
    """A booked split and the lots after it."""

    transaction_id: UUID
    ledger_tx_id: UUID
    symbol: str
    date: date
    new_shares: Number
    old_shares: Number
    open_lots: list[LotOut]

    @classmethod
    def of(cls, split: Split, lots: Sequence[Lot]) -> SplitOut:
        """From the domain."""
        return cls(
            transaction_id=split.id,
            ledger_tx_id=split.id,
            symbol=split.symbol,
            date=split.day,
            new_shares=split.new_shares,
            old_shares=split.old_shares,
            open_lots=[LotOut.of(lot) for lot in lots],
        )


class CashOut(BaseModel):
    """A booked movement and the balance after it."""

    transaction_id: UUID
    ledger_tx_id: UUID
    currency: str
    amount: Number
    fx_rate: Number
    date: date
    balance: Number

    @classmethod
    def of(cls, movement: CashMovement, balance: Decimal) -> CashOut:
        """From the domain."""
        return cls(
            transaction_id=movement.id,
            ledger_tx_id=movement.id,
            currency=movement.currency,
            amount=movement.amount,
            fx_rate=movement.fx_rate,
            date=movement.day,
            balance=balance,
        )


class BookingOut(BaseModel):
    """One line of the history. `cash` is what the booking did to the balance in `currency`."""

    seq: int
    transaction_id: UUID
    type: Literal["buy", "sell", "dividend", "split", "deposit", "withdrawal"]
    date: date
    symbol: str | None
    quantity: Number | None
    price: Number | None
    currency: str | None
    fx_rate: Number | None
    cash: Number | None

    @classmethod
    def of(cls, booked: Booked) -> BookingOut:
        """From the domain."""
        b, effect = booked.booking, cash_effect(booked.booking)
        line = cls(
            seq=booked.seq,
            transaction_id=b.id,
            type="split",
            date=day_of(b),
            symbol=None if isinstance(b, CashMovement) else b.symbol,
            quantity=None,
            price=None,
            currency=effect[0] if effect else None,
            fx_rate=None if isinstance(b, Split) else b.fx_rate,
            cash=effect[1] if effect else None,
        )
        if isinstance(b, Transaction):
            return line.model_copy(update={"type": b.side, "quantity": b.quantity, "price": b.price})
        if isinstance(b, Dividend):
            return line.model_copy(update={"type": "dividend", "quantity": b.shares, "price": b.gross_per_share})
        if isinstance(b, CashMovement):
            return line.model_copy(update={"type": "deposit" if b.amount > 0 else "withdrawal"})
        return line


class ReconciliationOut(BaseModel):
    """One run. Each discrepancy has a `kind` and a `detail`, and the numbers behind it where there are any."""

    asof_date: date
    run_no: int
    status: Literal["OK", "FAIL"]
    ledger_commit_hash: str
    discrepancies: list[Mapping[str, str]]
    created_at: datetime

    @classmethod
    def of(cls, run: Reconciliation) -> ReconciliationOut:
        """From the domain."""
        return cls(
            asof_date=run.asof_date,
            run_no=run.run_no,
            status=run.status,
            ledger_commit_hash=run.ledger_commit_hash,
            discrepancies=list(run.discrepancies),
            created_at=run.created_at,
        )
