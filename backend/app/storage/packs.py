"""Packs in PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal, cast

import asyncpg

from app.core.fx import FxRate
from app.core.pack import PackContent, PackHeader, Price, Security, pack_id
from app.storage.db import Database

if TYPE_CHECKING:
    from app.storage.db import Connection

# to_jsonb instead of the column's name: migration 001 adds the column, and the service works on either side of it.
HEADER = """
SELECT p.id, p.asof_date, p.policy, p.hash, p.supersedes, s.is_fresh, p.created_at,
       to_jsonb(p) ->> 'ledger_commit_hash' AS ledger_commit_hash
FROM pricing_pack AS p JOIN pricing_pack_state AS s ON s.id = p.id
"""
IS_HEAD = "WHERE NOT EXISTS (SELECT 1 FROM pricing_pack AS n WHERE n.supersedes = p.id)"
ORDERED = "ORDER BY p.asof_date DESC, p.created_at DESC LIMIT 1"
NEWEST = f"{HEADER} {IS_HEAD} {ORDERED}"
# Chains are per date, so among the fresh packs of the newest date the last one written is the head.
LAST_GOOD = f"{HEADER} WHERE s.is_fresh {ORDERED}"
HEAD_OF = f"{HEADER} {IS_HEAD} AND p.asof_date = $1 {ORDERED}"
FRESH_HEADS = HEADER.replace("SELECT", "SELECT DISTINCT ON (p.asof_date)", 1) + (
    "WHERE s.is_fresh AND p.asof_date BETWEEN $1 AND $2 ORDER BY p.asof_date ASC, p.created_at DESC"
)
BY_ID = HEADER + "WHERE p.id = $1"


def _header(row: asyncpg.Record) -> PackHeader:
    return PackHeader(**dict(row))


class PgPackStore:
    """Implements services.ports.PackStore."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def append(
        self, content: PackContent, universe: tuple[Security, ...], ledger_commit: str | None = None
    ) -> PackHeader:
        """One transaction: universe, header, prices, rates and the first event, or nothing."""
        digest = content.digest()
        async with self._db.transaction() as connection:
            # Two builders of one date would otherwise both try to become the successor.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('pricing_pack'))")
            chain = await connection.fetch(
                "SELECT id, hash, created_at FROM pricing_pack WHERE asof_date = $1 AND policy = $2 "
                "ORDER BY created_at",
                content.asof_date,
                content.policy,
            )
            head = chain[-1] if chain else None
            if head is not None and head["hash"] == digest:
                return _header(cast("asyncpg.Record", await connection.fetchrow(BY_ID, head["id"])))
            # The chain is read in the order of its times, and the clock of this machine may be behind the last one's.
            earliest = head["created_at"] + timedelta(microseconds=1) if head else datetime.min.replace(tzinfo=UTC)
            created = PackHeader(
                pack_id(content.asof_date, len(chain) + 1),
                content.asof_date,
                content.policy,
                digest,
                head["id"] if head else None,
                False,
                max(datetime.now(UTC), earliest),
                ledger_commit if await _keeps_commits(connection) else None,
            )
            await _upsert_securities(connection, universe)
            await _insert(connection, created, content)
            return created

    async def mark(self, pack_id: str, state: Literal["fresh", "error"], reason: str) -> None:
        """Append a freshness event."""
        async with self._db.transaction() as connection:
            await connection.execute(
                "INSERT INTO pricing_pack_event (pricing_pack_id, state, reason) VALUES ($1, $2, $3)",
                pack_id,
                state,
                reason,
            )

    async def newest(self) -> PackHeader | None:
        """The newest head."""
        return await self._one(NEWEST)

    async def last_good(self) -> PackHeader | None:
        """The newest fresh pack."""
        return await self._one(LAST_GOOD)

    async def head_of(self, asof: date) -> PackHeader | None:
        """The newest head of one date."""
        return await self._one(HEAD_OF, asof)

    async def fresh_heads(self, start: date, end: date) -> list[PackHeader]:
        """One per date, ascending."""
        async with self._db.connection() as connection:
            return [_header(row) for row in await connection.fetch(FRESH_HEADS, start, end)]

    async def header(self, pack_id: str) -> PackHeader | None:
        """Any pack by id."""
        return await self._one(BY_ID, pack_id)

    async def _one(self, query: str, *arguments: str | date) -> PackHeader | None:
        async with self._db.connection() as connection:
            row = await connection.fetchrow(query, *arguments)
        return _header(row) if row else None

    async def content(self, pack_id: str) -> PackContent | None:
        """All rows of a pack. They never change, so three statements need no common snapshot."""
        async with self._db.connection() as connection:
            head = await connection.fetchrow("SELECT asof_date, policy FROM pricing_pack WHERE id = $1", pack_id)
            prices = await connection.fetch(
                "SELECT symbol, price_close, currency, origin, observed_on FROM prices WHERE pricing_pack_id = $1",
                pack_id,
            )
            rates = await connection.fetch(
                "SELECT base, quote, rate, observed_on FROM fx_rates WHERE pricing_pack_id = $1", pack_id
            )
        if head is None:
            return None
        asof: date = head["asof_date"]
        return PackContent(asof, head["policy"], tuple(Price(*p) for p in prices), tuple(FxRate(*r) for r in rates))

    async def securities(self) -> dict[str, Security]:
        """The universe by symbol."""
        async with self._db.connection() as connection:
            rows = await connection.fetch("SELECT symbol, title, currency FROM securities")
        return {row["symbol"]: Security(*row) for row in rows}

    async def add_securities(self, universe: tuple[Security, ...]) -> None:
        """Make the universe known before the first pack."""
        async with self._db.transaction() as connection:
            await _upsert_securities(connection, universe)


async def _upsert_securities(connection: Connection, universe: tuple[Security, ...]) -> None:
    await connection.executemany(
        "INSERT INTO securities (symbol, title, currency) VALUES ($1, $2, $3) "
        "ON CONFLICT (symbol) DO UPDATE SET title = excluded.title",
        [(s.symbol, s.name, s.currency) for s in sorted(universe, key=lambda s: s.symbol)],
    )


async def _keeps_commits(connection: Connection) -> bool:
    """Whether migration 001 is applied: the service works on either side of it."""
    column = (
        "SELECT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = 'pricing_pack'::regclass "
        "AND attname = 'ledger_commit_hash' AND NOT attisdropped)"
    )
    return cast("bool", await connection.fetchval(column))


async def _insert(connection: Connection, header: PackHeader, content: PackContent) -> None:
    values = [header.id, header.asof_date, header.policy, header.hash, header.supersedes, header.created_at]
    if header.ledger_commit_hash is None:
        await connection.execute(
            "INSERT INTO pricing_pack (id, asof_date, policy, hash, supersedes, created_at) "
            "VALUES ($1, $2, $3, $4, $5, $6)",
            *values,
        )
    else:
        await connection.execute(
            "INSERT INTO pricing_pack (id, asof_date, policy, hash, supersedes, created_at, ledger_commit_hash) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            *values,
            header.ledger_commit_hash,
        )
    await connection.executemany(
        "INSERT INTO prices (pricing_pack_id, symbol, price_close, currency, origin, observed_on) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        [(header.id, p.symbol, p.close, p.currency, p.source, p.observed_on) for p in content.prices],
    )
    await connection.executemany(
        "INSERT INTO fx_rates (pricing_pack_id, base, quote, rate, observed_on) VALUES ($1, $2, $3, $4, $5)",
        [(header.id, r.base, r.quote, r.rate, r.observed_on) for r in content.rates],
    )
    await connection.execute(
        "INSERT INTO pricing_pack_event (pricing_pack_id, state, reason) VALUES ($1, 'warming', 'built')", header.id
    )
