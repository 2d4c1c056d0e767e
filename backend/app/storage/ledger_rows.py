"""The rows behind bookings, balances, journals, reconciliations and the audit log, on one user's transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import asyncpg

from app.core.bookings import Booked, Booking, CashMovement, Dividend, Split
from app.core.lots import Lot, Transaction
from app.services.ports import JournalState, Reconciliation

if TYPE_CHECKING:
    from app.storage.db import Connection

# Advisory locks have two numbers: what kind of thing is locked, and which one.
PORTFOLIO_LOCK = 3494
BOOKING = """
SELECT seq, id, side, symbol, quantity, price, currency, fx_rate, trade_date, realised, ex_date, withheld, old_shares
FROM transactions WHERE portfolio_id = $1
"""
ADD_BOOKING = """
INSERT INTO transactions (id, portfolio_id, user_id, side, symbol, quantity, price, currency, fx_rate, trade_date,
    realised, ex_date, withheld, old_shares)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""


class PgLedgerRows:
    """Part of services.ports.TenantTx; the user of the transaction is already set."""

    def __init__(self, connection: Connection, user_id: UUID) -> None:
        self._connection = connection
        self._user_id = user_id

    async def lock_portfolio(self, portfolio_id: UUID) -> None:
        """Lock the bookings and the journal of a portfolio until the transaction ends."""
        await self._connection.execute(
            "SELECT pg_advisory_xact_lock($1::int, hashtext($2))", PORTFOLIO_LOCK, str(portfolio_id)
        )

    async def add_booking(self, portfolio_id: UUID, booking: Booking, realised: Decimal | None = None) -> None:
        """Insert a booking; bookings are never changed."""
        await self._connection.execute(ADD_BOOKING, booking.id, portfolio_id, self._user_id, *_row(booking, realised))

    async def bookings(self, portfolio_id: UUID, after: int = 0, symbol: str | None = None) -> list[Booked]:
        """Bookings above a number, in order; of one symbol if given."""
        if symbol is None:
            rows = await self._connection.fetch(BOOKING + "AND seq > $2 ORDER BY seq", portfolio_id, after)
        else:
            query = BOOKING + "AND seq > $2 AND symbol = $3 ORDER BY seq"
            rows = await self._connection.fetch(query, portfolio_id, after, symbol)
        return [_booked(row) for row in rows]

    async def last_bookings(self, portfolio_id: UUID, before: int | None, limit: int) -> list[Booked]:
        """A page of bookings, newest first."""
        query = BOOKING + "AND ($2::bigint IS NULL OR seq < $2) ORDER BY seq DESC LIMIT $3"
        return [_booked(row) for row in await self._connection.fetch(query, portfolio_id, before, limit)]

    async def last_day(self, portfolio_id: UUID, symbol: str) -> date | None:
        """The newest date among the trades and splits of a symbol."""
        query = (
            "SELECT max(trade_date) FROM transactions "
            "WHERE portfolio_id = $1 AND symbol = $2 AND side IN ('buy', 'sell', 'split')"
        )
        return cast("date | None", await self._connection.fetchval(query, portfolio_id, symbol))

    async def replace_lot(self, lot: Lot) -> None:
        """New quantity and unit cost after a split."""
        await self._connection.execute(
            "UPDATE lots SET quantity = $2, unit_cost = $3 WHERE id = $1", lot.id, lot.quantity, lot.unit_cost
        )

    async def cash(self, portfolio_id: UUID) -> dict[str, Decimal]:
        """Balance by currency; below zero is owed."""
        query = "SELECT currency, balance FROM cash_balances WHERE portfolio_id = $1 ORDER BY currency"
        return {row["currency"]: row["balance"] for row in await self._connection.fetch(query, portfolio_id)}

    async def add_cash(self, portfolio_id: UUID, currency: str, amount: Decimal) -> None:
        """Change one balance."""
        await self._connection.execute(
            "INSERT INTO cash_balances (portfolio_id, user_id, currency, balance) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (portfolio_id, currency) DO UPDATE SET balance = cash_balances.balance + excluded.balance",
            *(portfolio_id, self._user_id, currency, amount),
        )

    async def journal(self, portfolio_id: UUID) -> JournalState | None:
        """How far the journal is; None before its first entry."""
        row = await self._connection.fetchrow(
            "SELECT entries, bytes, last_seq, written_bytes FROM journals WHERE portfolio_id = $1", portfolio_id
        )
        return JournalState(**dict(row)) if row else None

    async def save_journal(self, portfolio_id: UUID, state: JournalState) -> None:
        """Set how far the journal is."""
        await self._connection.execute(
            "INSERT INTO journals (portfolio_id, user_id, entries, bytes, last_seq, written_bytes) "
            "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (portfolio_id) DO UPDATE SET entries = excluded.entries, "
            "bytes = excluded.bytes, last_seq = excluded.last_seq, written_bytes = excluded.written_bytes",
            *(portfolio_id, self._user_id, state.entries, state.bytes, state.last_seq, state.written_bytes),
        )

    async def add_entry(self, portfolio_id: UUID, state: JournalState, body: str, booking_id: UUID | None) -> None:
        """The next entry, before it is in any file; `state` is the one without it."""
        await self._connection.execute(
            "INSERT INTO journal_entries (portfolio_id, user_id, entry_no, transaction_id, start_byte, body) "
            "VALUES ($1, $2, $3, $4, $5, $6)",
            *(portfolio_id, self._user_id, state.entries, booking_id, state.bytes, body),
        )

    async def entries_from(self, portfolio_id: UUID, start: int) -> list[str]:
        """The texts that begin at a byte or after it, in order."""
        rows = await self._connection.fetch(
            "SELECT body FROM journal_entries WHERE portfolio_id = $1 AND start_byte >= $2 ORDER BY start_byte",
            *(portfolio_id, start),
        )
        return [row["body"] for row in rows]

    async def add_reconciliation(
        self, portfolio_id: UUID, asof: date, commit: str, discrepancies: Sequence[Mapping[str, str]]
    ) -> Reconciliation:
        """The next run of a date."""
        row = await self._connection.fetchrow(
            "INSERT INTO reconciliations "
            "(portfolio_id, user_id, asof_date, run_no, status, ledger_commit_hash, discrepancies) "
            "SELECT $1, $2, $3, coalesce(max(run_no), 0) + 1, $4, $5, $6 FROM reconciliations "
            "WHERE portfolio_id = $1 AND asof_date = $3 "
            "RETURNING asof_date, run_no, status, ledger_commit_hash, discrepancies, created_at",
            *(portfolio_id, self._user_id, asof, "FAIL" if discrepancies else "OK", commit),
            json.dumps([dict(d) for d in discrepancies]),
        )
        return _reconciliation(cast("asyncpg.Record", row))

    async def reconciliations(self, portfolio_id: UUID, limit: int) -> list[Reconciliation]:
        """The newest runs first."""
        rows = await self._connection.fetch(
            "SELECT asof_date, run_no, status, ledger_commit_hash, discrepancies, created_at FROM reconciliations "
            "WHERE portfolio_id = $1 ORDER BY asof_date DESC, run_no DESC LIMIT $2",
            *(portfolio_id, limit),
        )
        return [_reconciliation(row) for row in rows]

    async def audit(self, action: str, portfolio_id: UUID | None, detail: Mapping[str, str]) -> None:
        """Add an audit entry in the transaction of the action."""
        await self._connection.execute(
            "INSERT INTO audit_log (user_id, portfolio_id, action, detail) VALUES ($1, $2, $3, $4)",
            *(self._user_id, portfolio_id, action, json.dumps(dict(detail))),
        )


def _row(b: Booking, realised: Decimal | None) -> tuple[Any, ...]:
    """The columns from `side` to `old_shares`."""
    if isinstance(b, Transaction):
        trade = (b.side, b.symbol, b.quantity, b.price, b.currency, b.fx_rate, b.trade_date, realised)
        return (*trade, None, None, None)
    if isinstance(b, Dividend):
        paid = (b.symbol, b.shares, b.gross_per_share, b.currency, b.fx_rate, b.pay_date)
        return ("dividend", *paid, None, b.ex_date, b.withheld, None)
    if isinstance(b, Split):
        # XXX is ISO 4217's code for no currency.
        return ("split", b.symbol, b.new_shares, None, "XXX", None, b.day, None, None, None, b.old_shares)
    side = "deposit" if b.amount > 0 else "withdrawal"
    return (side, None, abs(b.amount), None, b.currency, b.fx_rate, b.day, None, None, None, None)


def _booked(row: asyncpg.Record) -> Booked:
    r, side = row, row["side"]
    booking: Booking
    if side == "dividend":
        paid = (r["ex_date"], r["trade_date"], r["quantity"], r["price"], r["withheld"])
        booking = Dividend(r["id"], r["symbol"], *paid, r["currency"], r["fx_rate"])
    elif side == "split":
        booking = Split(r["id"], r["symbol"], r["trade_date"], r["quantity"], r["old_shares"])
    elif side in ("deposit", "withdrawal"):
        signed = r["quantity"] if side == "deposit" else -r["quantity"]
        booking = CashMovement(r["id"], r["trade_date"], r["currency"], signed, r["fx_rate"])
    else:
        traded = (r["quantity"], r["price"], r["currency"], r["fx_rate"], r["trade_date"])
        booking = Transaction(r["id"], r["symbol"], side, *traded)
    return Booked(r["seq"], booking, r["realised"])


def _reconciliation(row: asyncpg.Record) -> Reconciliation:
    return Reconciliation(**{**dict(row), "discrepancies": tuple(json.loads(row["discrepancies"]))})
