"""Tenant rows in PostgreSQL. Row-level security isolates the users, not the WHERE of the statements."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from typing import cast
from uuid import UUID

import asyncpg

from app.core.lots import Lot, Transaction
from app.services.ports import Portfolio
from app.storage.db import Database
from app.storage.ledger_rows import PgLedgerRows

LOTS = """
SELECT id, symbol, opened_on, seq, quantity, unit_cost, currency, fx_rate FROM lots
WHERE portfolio_id = $1 AND quantity > 0
"""


def _portfolio(row: asyncpg.Record) -> Portfolio:
    return Portfolio(row["id"], row["title"], row["base_currency"], row["created_at"])


class PgTenantTx(PgLedgerRows):
    """Implements services.ports.TenantTx on a connection whose user is already set."""

    async def create_portfolio(self, name: str, base_currency: str) -> Portfolio:
        """Insert the portfolio, and the user on first sight."""
        await self._connection.execute("INSERT INTO users (id) VALUES ($1) ON CONFLICT DO NOTHING", self._user_id)
        row = await self._connection.fetchrow(
            "INSERT INTO portfolios (user_id, title, base_currency) VALUES ($1, $2, $3) "
            "RETURNING id, title, base_currency, created_at",
            self._user_id,
            name,
            base_currency,
        )
        return _portfolio(cast("asyncpg.Record", row))

    async def portfolio(self, portfolio_id: UUID) -> Portfolio | None:
        """One portfolio of this user."""
        row = await self._connection.fetchrow(
            "SELECT id, title, base_currency, created_at FROM portfolios WHERE id = $1", portfolio_id
        )
        return _portfolio(row) if row else None

    async def portfolios(self) -> list[Portfolio]:
        """All portfolios of this user."""
        rows = await self._connection.fetch("SELECT id, title, base_currency, created_at FROM portfolios ORDER BY id")
        return [_portfolio(row) for row in rows]

    async def open_lots(self, portfolio_id: UUID) -> list[Lot]:
        """Lots with something left."""
        return [Lot(*row) for row in await self._connection.fetch(LOTS + "ORDER BY opened_on, seq", portfolio_id)]

    async def lock_lots(self, portfolio_id: UUID, symbol: str) -> list[Lot]:
        """Lots of one symbol, held until the transaction ends."""
        query = LOTS + "AND symbol = $2 ORDER BY opened_on, seq FOR UPDATE"
        return [Lot(*row) for row in await self._connection.fetch(query, portfolio_id, symbol)]

    async def open_lot(self, portfolio_id: UUID, opened_by: Transaction) -> None:
        """The lot of a purchase has the purchase's id."""
        t = opened_by
        await self._connection.execute(
            "INSERT INTO lots (id, portfolio_id, user_id, symbol, opened_on, quantity, unit_cost, currency, fx_rate) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            *(t.id, portfolio_id, self._user_id, t.symbol, t.trade_date, t.quantity, t.price, t.currency, t.fx_rate),
        )

    async def set_lot_quantity(self, lot_id: UUID, quantity: Decimal) -> None:
        """What is left after a sale."""
        await self._connection.execute("UPDATE lots SET quantity = $2 WHERE id = $1", lot_id, quantity)

    async def version(self, portfolio_id: UUID) -> int:
        """The number of the last transaction, 0 before the first."""
        query = "SELECT coalesce(max(seq), 0) FROM transactions WHERE portfolio_id = $1"
        return cast("int", await self._connection.fetchval(query, portfolio_id))

    async def save_daily_value(self, portfolio_id: UUID, asof: date, pack_id: str, total: Decimal) -> None:
        """One value per date; a rerun of the night replaces it."""
        await self._connection.execute(
            "INSERT INTO portfolio_daily_values (portfolio_id, user_id, asof_date, pricing_pack_id, total) "
            "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (portfolio_id, asof_date) "
            "DO UPDATE SET pricing_pack_id = excluded.pricing_pack_id, total = excluded.total",
            *(portfolio_id, self._user_id, asof, pack_id, total),
        )

    async def last_two_values(self, portfolio_id: UUID) -> list[tuple[date, Decimal]]:
        """Newest first."""
        rows = await self._connection.fetch(
            "SELECT asof_date, total FROM portfolio_daily_values WHERE portfolio_id = $1 "
            "ORDER BY asof_date DESC LIMIT 2",
            portfolio_id,
        )
        return [(row["asof_date"], row["total"]) for row in rows]

    async def add_notification(self, portfolio_id: UUID, asof: date, rule: str, change: Decimal) -> bool:
        """True if it is new; the same rule fires once per portfolio and date."""
        added = await self._connection.fetchval(
            "INSERT INTO notifications (portfolio_id, user_id, asof_date, rule, change) VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT DO NOTHING RETURNING 1",
            *(portfolio_id, self._user_id, asof, rule, change),
        )
        return added is not None


class PgTenantStore:
    """Implements services.ports.TenantStore."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @asynccontextmanager
    async def begin(self, user_id: UUID, snapshot: bool = False) -> AsyncIterator[PgTenantTx]:
        """A transaction of one user."""
        async with self._db.as_user(user_id, snapshot) as connection:
            yield PgTenantTx(connection, user_id)

    async def users(self) -> list[UUID]:
        """Ids only: the users table holds nothing else."""
        async with self._db.connection() as connection:
            return [row["id"] for row in await connection.fetch("SELECT id FROM users ORDER BY id")]
