"""What can be booked on a portfolio besides a trade: dividends, splits and cash.

Three rates are kept apart on purpose: a trade carries the rate of its trade date, a pack the rates of its own date,
and a dividend the rate of its pay date. The income of a dividend exists from the day it is paid, so the rate of the
ex-date would report an amount that nobody ever received.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from uuid import UUID

from app.core.errors import TradeRefusedError
from app.core.lots import Lot, Transaction
from app.core.money import CONTEXT, divide, multiply, plain, quantize

QUANTITY_PLACES = Decimal("1e-10")
# NUMERIC(28, 10) in the database.
QUANTITY_LIMIT = Decimal("1e18")


@dataclass(frozen=True, slots=True)
class Dividend:
    """A cash dividend on the shares held before the ex-date. `withheld` is all tax kept back at the source (ADRs)."""

    id: UUID
    symbol: str
    ex_date: date
    pay_date: date
    shares: Decimal
    gross_per_share: Decimal
    withheld: Decimal
    currency: str
    fx_rate: Decimal

    @property
    def gross(self) -> Decimal:
        """Before tax, in the dividend's currency."""
        return multiply(self.shares, self.gross_per_share)

    @property
    def net(self) -> Decimal:
        """What reaches the account, in the dividend's currency."""
        return CONTEXT.subtract(self.gross, self.withheld)

    def in_base(self, amount: Decimal) -> Decimal:
        """An amount of this dividend in the portfolio's base currency, at the pay date's rate, 8 decimals."""
        return quantize(multiply(amount, self.fx_rate))


@dataclass(frozen=True, slots=True)
class Split:
    """`new_shares` replace `old_shares`: 2 for 1 doubles a holding, 1 for 10 is a reverse split."""

    id: UUID
    symbol: str
    day: date
    new_shares: Decimal
    old_shares: Decimal

    def applied(self, quantity: Decimal) -> Decimal:
        """The quantity afterwards, to 10 decimals."""
        return quantize(divide(multiply(quantity, self.new_shares), self.old_shares), QUANTITY_PLACES)


@dataclass(frozen=True, slots=True)
class CashMovement:
    """A deposit (positive) or a withdrawal (negative); `fx_rate` is that day's, into the base currency."""

    id: UUID
    day: date
    currency: str
    amount: Decimal
    fx_rate: Decimal


Booking = Transaction | Dividend | Split | CashMovement


@dataclass(frozen=True, slots=True)
class Booked:
    """A booking with its number; `realised` is a sale's profit in the trade's currency, None where it was not kept."""

    seq: int
    booking: Booking
    realised: Decimal | None = None


def day_of(booking: Booking) -> date:
    """The day the booking counts for."""
    if isinstance(booking, Transaction):
        return booking.trade_date
    return booking.pay_date if isinstance(booking, Dividend) else booking.day


def split_lot(lot: Lot, split: Split) -> Lot:
    """The lot after a split. Its total cost does not change: the unit cost is what is left to divide, to 28 digits."""
    quantity = split.applied(lot.quantity)
    if quantity <= 0:
        raise TradeRefusedError(f"after {plain(split.new_shares)} for {plain(split.old_shares)} a lot would be empty")
    if quantity >= QUANTITY_LIMIT:
        raise TradeRefusedError(f"a lot of {plain(quantity)} shares is too large to keep")
    return replace(lot, quantity=quantity, unit_cost=divide(multiply(lot.quantity, lot.unit_cost), quantity))


def held_before(bookings: Iterable[Booking], symbol: str, day: date) -> Decimal:
    """Shares of `symbol` held at the end of the day before `day`: who buys on the ex-date buys without the dividend."""
    quantity = Decimal(0)
    for booking in bookings:
        if isinstance(booking, Dividend | CashMovement) or booking.symbol != symbol or day_of(booking) >= day:
            continue
        if isinstance(booking, Split):
            quantity = booking.applied(quantity)
        else:
            quantity += booking.quantity if booking.side == "buy" else -booking.quantity
    return quantity


def holdings(bookings: Iterable[Booking]) -> dict[str, Decimal]:
    """Quantity by symbol as the bookings alone tell it, in their order; nothing for what nets to zero.

    Purchase by purchase, because a split is rounded for each: a further split would magnify what rounding the whole
    leaves over to a difference, and a difference stops the night for everybody.
    """
    held: dict[str, list[Decimal]] = {}
    for booking in bookings:
        if isinstance(booking, Dividend | CashMovement):
            continue
        parcels = held.setdefault(booking.symbol, [])
        if isinstance(booking, Split):
            held[booking.symbol] = [booking.applied(quantity) for quantity in parcels]
        elif booking.side == "buy":
            parcels.append(booking.quantity)
        else:
            held[booking.symbol] = _without(parcels, booking.quantity)
    totals = {symbol: sum(parcels, Decimal(0)) for symbol, parcels in held.items()}
    return {symbol: total for symbol, total in totals.items() if total != 0}


def _without(parcels: Sequence[Decimal], quantity: Decimal) -> list[Decimal]:
    """The oldest first; what was not there to be sold stays as a negative rest."""
    left, kept = quantity, []
    for parcel in parcels:
        taken = min(parcel, left)
        left -= taken
        if parcel != taken:
            kept.append(parcel - taken)
    return [*kept, -left] if left else kept


def cash_effect(booking: Booking) -> tuple[str, Decimal] | None:
    """(currency, signed amount) of a booking, or None when no cash moves. Exact: 10 + 10 decimals are kept."""
    if isinstance(booking, Split):
        return None
    if isinstance(booking, CashMovement):
        return booking.currency, booking.amount
    if isinstance(booking, Dividend):
        return booking.currency, booking.net
    amount = multiply(booking.quantity, booking.price)
    return booking.currency, amount if booking.side == "sell" else -amount
