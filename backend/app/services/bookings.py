"""All bookings: trades, dividends, splits, cash. Each is one database transaction, followed by the journal file."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from app.core import bookings as rules
from app.core import lots as lot_rules
from app.core.bookings import CashMovement, Dividend, Split
from app.core.errors import (
    JournalError,
    LedgerUnavailableError,
    MarketDataError,
    StoreUnavailableError,
    TradeRefusedError,
)
from app.core.lots import Lot, RealisedPnl, Side, Transaction
from app.core.money import multiply, plain, quantize
from app.core.pack import Security
from app.services.access import owned
from app.services.journals import Journals
from app.services.ports import Clock, FxHistory, PackStore, Portfolio, TenantStore, TenantTx

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TradeOrder:
    """The trade that a user requests."""

    portfolio_id: UUID
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    trade_date: date


@dataclass(frozen=True, slots=True)
class TradeResult:
    """The transaction, the open lots after it, and the profit of a sale."""

    transaction: Transaction
    open_lots: tuple[Lot, ...]
    realised: RealisedPnl | None


@dataclass(frozen=True, slots=True)
class DividendOrder:
    """A dividend as announced, per share. Without a currency it is paid in the security's own."""

    portfolio_id: UUID
    symbol: str
    ex_date: date
    pay_date: date
    gross_per_share: Decimal
    withheld_per_share: Decimal
    currency: str | None


class BookingService:
    """The use cases behind /v1/trades, /v1/corporate-actions and /v1/cash-movements."""

    def __init__(self, tenants: TenantStore, packs: PackStore, fx: FxHistory, journals: Journals, clock: Clock) -> None:
        self._tenants = tenants
        self._packs = packs
        self._fx = fx
        self._journals = journals
        self._clock = clock

    def today(self) -> date:
        """The default date of a booking: today in UTC."""
        return self._clock().date()

    async def open(self, user_id: UUID, name: str, base_currency: str, cash: Decimal = Decimal(0)) -> Portfolio:
        """Open a portfolio with its journal and an opening balance; the first one also creates the user."""
        async with self._tenants.begin(user_id) as tx:
            portfolio = await tx.create_portfolio(name, base_currency)
            await self._journals.open(tx, portfolio, cash)
            await tx.audit("portfolio_opened", portfolio.id, {"base_currency": base_currency, "cash": plain(cash)})
        await self._write(user_id, portfolio.id)
        return portfolio

    async def trade(self, user_id: UUID, order: TradeOrder) -> TradeResult:
        """Book a trade: transaction, lots, cash and journal entry change together or not at all."""
        security = await self._security(order.symbol)
        self.not_in_the_future(order.trade_date)
        async with owned(self._tenants, user_id, order.portfolio_id) as (tx, portfolio):
            await self._in_order(tx, portfolio.id, order.symbol, order.trade_date)
            rate = self._rate(security.currency, portfolio.base_currency, order.trade_date)
            amounts = (order.quantity, order.price, security.currency, rate)
            transaction = Transaction(uuid4(), order.symbol, order.side, *amounts, order.trade_date)
            realised = await _book(tx, portfolio.id, transaction)
            await self._journals.settle(tx, portfolio)
            detail = {"transaction_id": str(transaction.id), "symbol": order.symbol, "quantity": plain(order.quantity)}
            await tx.audit(order.side, portfolio.id, detail)
            result = TradeResult(transaction, tuple(await tx.lock_lots(portfolio.id, order.symbol)), realised)
        await self._write(user_id, portfolio.id)
        return result

    async def dividend(self, user_id: UUID, order: DividendOrder) -> Dividend:
        """Book a dividend on the shares held before its ex-date, at the rate of its pay date."""
        security = await self._security(order.symbol)
        self.not_in_the_future(order.pay_date)
        if order.pay_date < order.ex_date:
            raise TradeRefusedError("a dividend is paid on or after its ex-date")
        if order.withheld_per_share > order.gross_per_share:
            raise TradeRefusedError("more is withheld than is paid")
        async with owned(self._tenants, user_id, order.portfolio_id) as (tx, portfolio):
            await tx.lock_portfolio(portfolio.id)
            history = [b.booking for b in await tx.bookings(portfolio.id, symbol=order.symbol)]
            shares = rules.held_before(history, order.symbol, order.ex_date)
            if shares <= 0:
                raise TradeRefusedError(f"no {order.symbol} held before the ex-date {order.ex_date.isoformat()}")
            if shares >= rules.QUANTITY_LIMIT:
                raise TradeRefusedError(f"{plain(shares)} shares are too many to keep in one booking")
            currency = order.currency or security.currency
            rate = self._rate(currency, portfolio.base_currency, order.pay_date)
            amounts = (shares, order.gross_per_share, multiply(shares, order.withheld_per_share))
            dividend = Dividend(
                uuid4(), order.symbol, order.ex_date, order.pay_date, *amounts, currency=currency, fx_rate=rate
            )
            await tx.add_booking(portfolio.id, dividend)
            await self._journals.settle(tx, portfolio)
            detail = {"transaction_id": str(dividend.id), "symbol": order.symbol, "gross": plain(dividend.gross)}
            await tx.audit("dividend", portfolio.id, detail)
        await self._write(user_id, portfolio.id)
        return dividend

    async def split(self, user_id: UUID, portfolio_id: UUID, split: Split) -> tuple[Lot, ...]:
        """Apply a split to every open lot of its symbol; the lots afterwards."""
        await self._security(split.symbol)
        self.not_in_the_future(split.day)
        async with owned(self._tenants, user_id, portfolio_id) as (tx, portfolio):
            await self._in_order(tx, portfolio_id, split.symbol, split.day)
            before = await tx.lock_lots(portfolio_id, split.symbol)
            if not before:
                raise TradeRefusedError(f"no {split.symbol} held")
            after = [rules.split_lot(lot, split) for lot in before]
            for lot in after:
                await tx.replace_lot(lot)
            await tx.add_booking(portfolio_id, split)
            await self._journals.settle(tx, portfolio, list(zip(before, after, strict=True)))
            ratio = f"{plain(split.new_shares)}:{plain(split.old_shares)}"
            detail = {"transaction_id": str(split.id), "symbol": split.symbol, "ratio": ratio}
            await tx.audit("split", portfolio_id, detail)
        await self._write(user_id, portfolio_id)
        return tuple(after)

    async def move_cash(
        self, user_id: UUID, portfolio_id: UUID, currency: str, amount: Decimal, day: date
    ) -> tuple[CashMovement, Decimal]:
        """Book a deposit or a withdrawal; the movement and the balance afterwards."""
        self.not_in_the_future(day)
        async with owned(self._tenants, user_id, portfolio_id) as (tx, portfolio):
            await tx.lock_portfolio(portfolio_id)
            movement = CashMovement(uuid4(), day, currency, amount, self._rate(currency, portfolio.base_currency, day))
            await tx.add_booking(portfolio_id, movement)
            await self._journals.settle(tx, portfolio)
            detail = {"transaction_id": str(movement.id), "currency": currency, "amount": plain(amount)}
            await tx.audit("cash_movement", portfolio_id, detail)
            balance = (await tx.cash(portfolio_id))[currency]
        await self._write(user_id, portfolio_id)
        return movement, balance

    async def _write(self, user_id: UUID, portfolio_id: UUID) -> None:
        """Write the journal file. The entry is in the log already: after a failure the nightly jobs write it."""
        try:
            await self._journals.flush(user_id, portfolio_id)
        except (JournalError, LedgerUnavailableError, StoreUnavailableError) as error:
            log.warning("journal of %s not written: %s", portfolio_id, error)

    async def _security(self, symbol: str) -> Security:
        security = (await self._packs.securities()).get(symbol)
        if security is None:
            raise TradeRefusedError(f"{symbol} is not in the universe")
        return security

    def not_in_the_future(self, day: date) -> None:
        """Raises TradeRefusedError for a day later than tomorrow."""
        # East of Greenwich tomorrow may have begun.
        if day > self._clock().date() + timedelta(days=1):
            raise TradeRefusedError(f"{day.isoformat()} is in the future")

    @staticmethod
    async def _in_order(tx: TenantTx, portfolio_id: UUID, symbol: str, day: date) -> None:
        """Sales use lots by date: a trade dated before a booked one would change which lots that one has used."""
        await tx.lock_portfolio(portfolio_id)
        last = await tx.last_day(portfolio_id, symbol)
        if last is not None and day < last:
            raise TradeRefusedError(f"{symbol} has bookings up to {last.isoformat()}; {day.isoformat()} is before them")

    def _rate(self, currency: str, base: str, day: date) -> Decimal:
        """The last rate published by the day of the booking, independent of any pack."""
        if currency == base:
            return Decimal(1)
        try:
            return self._fx.fixing(day).rate(currency, base)
        except MarketDataError as error:
            raise TradeRefusedError(str(error)) from error


async def _book(tx: TenantTx, portfolio_id: UUID, transaction: Transaction) -> RealisedPnl | None:
    if transaction.side == "buy":
        await tx.add_booking(portfolio_id, transaction)
        await tx.open_lot(portfolio_id, transaction)
        return None
    disposals = lot_rules.fifo(await tx.lock_lots(portfolio_id, transaction.symbol), transaction.quantity)
    profit = sum((multiply(d.quantity, transaction.price - d.lot.unit_cost) for d in disposals), Decimal(0))
    await tx.add_booking(portfolio_id, transaction, quantize(profit))
    for disposal in disposals:
        await tx.set_lot_quantity(disposal.lot.id, disposal.remaining)
    return lot_rules.realised(disposals, transaction.price, transaction.fx_rate)
