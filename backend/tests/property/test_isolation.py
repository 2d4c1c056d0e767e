"""Row-level security and immutability as properties, through the service's own pool on a real PostgreSQL.

One event loop and one small pool serve all examples of a test: connections are reused across users hundreds of times,
which is where a leaked setting would show.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.storage.db import Database
from tests.support import evidence
from tests.support.servers import Stack

if TYPE_CHECKING:
    from app.storage.db import Connection

# What an attacker may try to insert into another's portfolio: (portfolio, user) are $1 and $2.
PLANTS = {
    "transactions": "(id, portfolio_id, user_id, symbol, side, quantity, price, currency, fx_rate, trade_date) "
    "VALUES (gen_random_uuid(), $1, $2, 'KO', 'buy', 1, 1, 'USD', 1, '1990-01-01')",
    "portfolio_daily_values": "VALUES ($1, $2, '1991-01-01', 'PP-PROP', 1)",
    "notifications": "(portfolio_id, user_id, asof_date, rule, change) VALUES ($1, $2, '1991-01-01', 'x', 0)",
    "cash_balances": "VALUES ($1, $2, 'JPY', 1)",
    "journal_entries": "(portfolio_id, user_id, entry_no, start_byte, body) VALUES ($1, $2, 99, 0, 'x')",
    "reconciliations": "(portfolio_id, user_id, asof_date, run_no, status, ledger_commit_hash, discrepancies) "
    "VALUES ($1, $2, '1991-01-01', 99, 'OK', repeat('0', 40), '[]')",
    "portfolio_metrics": "(portfolio_id, user_id, asof_date, pricing_pack_id, start_date, periods, twr) "
    "VALUES ($1, $2, '1991-01-01', 'PP-PROP', '1990-01-01', 1, 0)",
    "currency_attribution": "VALUES ($1, $2, '1991-01-01', 'EUR', 'PP-PROP', '1990-01-01', 1, 0, 0, 0)",
    "factor_regressions": "VALUES ($1, $2, '1991-01-01', 'PP-PROP', 60, 0, 1, 0, '{}', '{}')",
    "alerts": "(id, portfolio_id, user_id, op, threshold, span, cooldown_minutes, created_at) "
    "VALUES (gen_random_uuid(), $1, $2, '<', 0, 'daily', 15, now())",
    "factor_exposures": "VALUES ($1, $2, '1991-01-01', 'value', 'PP-PROP', 0, 1)",
}
SETTABLE = {
    "portfolios": "title = title",
    "transactions": "price = 2",
    "lots": "quantity = 0",
    "portfolio_daily_values": "total = 0",
    "notifications": "rule = 'x'",
    "cash_balances": "balance = 0",
    "journals": "written_bytes = 0",
    "journal_entries": "body = 'x'",
    "reconciliations": "status = 'OK'",
    "audit_log": "action = 'x'",
    "portfolio_metrics": "twr = 1",
    "currency_attribution": "weight = 0",
    "factor_exposures": "tilt = 0",
    "factor_regressions": "alpha = 1",
    "alerts": "removed = TRUE",
    "alert_firings": "traceparent = 'x'",
    "outbox": "last_error = 'x'",
}
TABLES = tuple(SETTABLE)
PACK_TABLES = ("pricing_pack", "prices", "fx_rates", "pricing_pack_event")
# How a table says whose portfolio a row belongs to.
OF = dict.fromkeys(TABLES, "portfolio_id = $1") | {
    "portfolios": "id = $1",
    "outbox": "firing_id IN (SELECT id FROM alert_firings WHERE portfolio_id = $1)",
}
USERS = 4


@dataclass
class Tenants:
    """Users with one row in every tenant table each."""

    loop: asyncio.AbstractEventLoop
    db: Database
    users: list[UUID]
    portfolio_of: dict[UUID, UUID]
    attacks: int = 0
    foreign_rows: int = 0


async def _populate(db: Database, users: list[UUID]) -> dict[UUID, UUID]:
    owned = {}
    async with db.transaction() as c:
        await c.execute("INSERT INTO securities VALUES ('KO', 'The Coca-Cola Company', 'USD') ON CONFLICT DO NOTHING")
        await c.execute(
            "INSERT INTO pricing_pack (id, asof_date, policy, hash) "
            "VALUES ('PP-PROP', '1990-01-01', 'P', repeat('0', 64)) ON CONFLICT DO NOTHING"
        )
        await c.execute(
            "INSERT INTO prices VALUES ('PP-PROP', 'KO', 1, 'USD', 'test', '1990-01-01') ON CONFLICT DO NOTHING"
        )
        await c.execute("INSERT INTO fx_rates VALUES ('PP-PROP', 'EUR', 'USD', 1) ON CONFLICT DO NOTHING")
        await c.execute("INSERT INTO pricing_pack_event (pricing_pack_id, state) VALUES ('PP-PROP', 'error')")
        await c.executemany("INSERT INTO users (id) VALUES ($1)", [(user,) for user in users])
    for user in users:
        async with db.as_user(user) as c:
            pid = await c.fetchval(
                "INSERT INTO portfolios (user_id, title, base_currency) VALUES ($1, 'P', 'USD') RETURNING id", user
            )
            trade = uuid4()
            await c.execute(
                "INSERT INTO transactions (id, portfolio_id, user_id, symbol, side, quantity, price, currency, "
                "fx_rate, trade_date) VALUES ($1, $2, $3, 'KO', 'buy', 1, 1, 'USD', 1, '1990-01-01')",
                *(trade, pid, user),
            )
            await c.execute(
                "INSERT INTO lots (id, portfolio_id, user_id, symbol, opened_on, quantity, unit_cost, currency, "
                "fx_rate) VALUES ($1, $2, $3, 'KO', '1990-01-01', 1, 1, 'USD', 1)",
                *(trade, pid, user),
            )
            await c.execute(
                "INSERT INTO portfolio_daily_values VALUES ($1, $2, '1990-01-01', 'PP-PROP', 1)", *(pid, user)
            )
            await c.execute(
                "INSERT INTO notifications (portfolio_id, user_id, asof_date, rule, change) "
                "VALUES ($1, $2, '1990-01-01', 'r', -0.1)",
                *(pid, user),
            )
            await c.execute("INSERT INTO cash_balances VALUES ($1, $2, 'USD', 1)", pid, user)
            for table in ("portfolio_metrics", "currency_attribution", "factor_exposures", "factor_regressions"):
                await c.execute(f"INSERT INTO {table} {PLANTS[table].replace('1991-01-01', '1990-06-01')}", pid, user)
            await c.execute("INSERT INTO journals (portfolio_id, user_id) VALUES ($1, $2)", pid, user)
            await c.execute(
                "INSERT INTO journal_entries (portfolio_id, user_id, entry_no, start_byte, body) "
                "VALUES ($1, $2, 0, 0, 'x')",
                *(pid, user),
            )
            await c.execute(
                "INSERT INTO reconciliations "
                "(portfolio_id, user_id, asof_date, run_no, status, ledger_commit_hash, discrepancies) "
                "VALUES ($1, $2, '1990-01-01', 1, 'OK', repeat('0', 40), '[]')",
                *(pid, user),
            )
            await c.execute("INSERT INTO audit_log (user_id, portfolio_id, action) VALUES ($1, $2, 'x')", user, pid)
            alert, firing = uuid4(), uuid4()
            await c.execute(
                f"INSERT INTO alerts {PLANTS['alerts'].replace('gen_random_uuid()', '$3')}", pid, user, alert
            )
            await c.execute(
                "INSERT INTO alert_firings (id, alert_id, portfolio_id, user_id, asof_date, triggered_at) "
                "VALUES ($1, $2, $3, $4, '1990-01-01', now())",
                *(firing, alert, pid, user),
            )
            await c.execute(
                "INSERT INTO outbox (id, firing_id, user_id, condition_digest, method, recipient, status, due_at) "
                "VALUES (gen_random_uuid(), $1, $2, 'x', 'webhook', 'http://h/', 'dead', now())",
                *(firing, user),
            )
            owned[user] = pid
    return owned


@pytest.fixture(scope="module")
def tenants(stack: Stack) -> Iterator[Tenants]:
    """Built once; the properties below never succeed in changing another user's row."""
    loop = asyncio.new_event_loop()
    db = Database(stack.database_url, max_size=3)
    users = [uuid4() for _ in range(USERS)]
    owned = loop.run_until_complete(_populate(db, users))
    made = Tenants(loop, db, users, owned)
    yield made
    evidence.note("rls_attacks", made.attacks)
    evidence.note("rls_foreign_rows", made.foreign_rows)
    loop.run_until_complete(db.close())
    loop.close()


async def _attack(tenants: Tenants, attacker: UUID, victim: UUID, table: str, operation: str) -> None:
    tenants.attacks += 1
    async with tenants.db.as_user(attacker) as c:
        if operation == "select":
            rows = await c.fetch(f"SELECT user_id FROM {table}")
            tenants.foreign_rows += sum(row["user_id"] != attacker for row in rows)
            assert {row["user_id"] for row in rows} == {attacker}
        elif operation == "count by id":
            found = await c.fetchval(f"SELECT count(*) FROM {table} WHERE {OF[table]}", tenants.portfolio_of[victim])
            assert (found > 0) is (attacker == victim)
        elif operation in {"update", "delete"}:
            statement = f"UPDATE {table} SET {SETTABLE[table]}" if operation == "update" else f"DELETE FROM {table}"
            try:
                async with c.transaction():
                    touched = await c.execute(f"{statement} WHERE user_id = $1", victim)
                    assert attacker == victim or touched.endswith(" 0")
                    raise UndoError
            except (UndoError, asyncpg.InsufficientPrivilegeError):
                pass
        else:
            await _plant(c, attacker, tenants, victim, table if table in PLANTS else "notifications")


class UndoError(Exception):
    """Rolls back what the attacker may do to rows of his own."""


async def _plant(c: Connection, attacker: UUID, tenants: Tenants, victim: UUID, table: str) -> None:
    """Insert into the victim's portfolio, once as the victim and once under the attacker's own name."""
    if attacker == victim:
        return
    for name, state in ((victim, "42501"), (attacker, "23503")):
        with pytest.raises(asyncpg.PostgresError) as caught:
            async with c.transaction():
                await c.execute(f"INSERT INTO {table} {PLANTS[table]}", tenants.portfolio_of[victim], name)
        assert caught.value.sqlstate == state


async def _nobody(tenants: Tenants, table: str) -> None:
    async with tenants.db.transaction() as c:
        assert await c.fetchval(f"SELECT count(*) FROM {table}") == 0


people = st.integers(0, USERS - 1)
operations = st.sampled_from(["select", "count by id", "update", "delete", "insert", "nobody"])
attacks = st.lists(st.tuples(people, people, st.sampled_from(TABLES), operations), min_size=1, max_size=4)


@given(attacks)
def test_no_user_reaches_another_users_rows(tenants: Tenants, steps: list[tuple[int, int, str, str]]) -> None:
    async def play() -> None:
        for attacker, victim, table, operation in steps:
            if operation == "nobody":
                await _nobody(tenants, table)
            else:
                await _attack(tenants, tenants.users[attacker], tenants.users[victim], table, operation)

    tenants.loop.run_until_complete(play())


COLUMNS = {
    "pricing_pack": ("id", "hash", "policy", "supersedes", "asof_date"),
    "prices": ("symbol", "price_close", "origin", "pricing_pack_id"),
    "fx_rates": ("rate", "base", "quote"),
    "pricing_pack_event": ("state", "reason", "pricing_pack_id"),
}
KEYS = {
    "pricing_pack": ("id", "'PP-PROP', '1990-01-01', 'P', repeat('1', 64)", "(id, asof_date, policy, hash)"),
    "prices": ("pricing_pack_id, symbol", "'PP-PROP', 'KO', 2, 'USD', 'x', '1990-01-01'", ""),
    "fx_rates": ("pricing_pack_id, base, quote", "'PP-PROP', 'EUR', 'USD', 2", ""),
}
WHERE = st.sampled_from(["", "WHERE true", "WHERE {column} IS NOT NULL", "WHERE {column} = {column}"])
FORMS = ("update", "update from", "delete", "truncate", "with update", "with delete", "upsert", "merge")


@st.composite
def changes(draw: st.DrawFn) -> str:
    """SQL that would change a pack if it could, in one of many forms."""
    table, form = draw(st.sampled_from(PACK_TABLES)), draw(st.sampled_from(FORMS))
    column = draw(st.sampled_from(COLUMNS[table]))
    # The first column is never null: a change that meets no row would be none.
    where = draw(WHERE).format(column=COLUMNS[table][0])
    to = draw(st.sampled_from([column, "NULL", f"(SELECT max({column}) FROM {table})"]))
    key, values, names = KEYS.get(table, KEYS["prices"])
    upsert_table = table if table in KEYS else "prices"
    upsert_column = column if table in KEYS else "origin"
    return {
        "update": f"UPDATE {table} SET {column} = {to} {where}",
        "update from": f"UPDATE {table} SET {column} = other.{column} FROM {table} AS other",
        "delete": f"DELETE FROM {table} {where}",
        "truncate": f"TRUNCATE {table} {draw(st.sampled_from(['', 'CASCADE', 'RESTART IDENTITY CASCADE']))}",
        "with update": f"WITH x AS (UPDATE {table} SET {column} = {to} {where} RETURNING 1) SELECT count(*) FROM x",
        "with delete": f"WITH x AS (DELETE FROM {table} {where} RETURNING 1) SELECT count(*) FROM x",
        "upsert": f"INSERT INTO {upsert_table} {names} VALUES ({values}) ON CONFLICT ({key}) "
        f"DO UPDATE SET {upsert_column} = excluded.{upsert_column}",
        "merge": f"MERGE INTO {table} AS t USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE",
    }[form]


async def _state(connection: Connection, statement: str) -> str | None:
    try:
        async with connection.transaction():
            await connection.execute(statement)
    except asyncpg.PostgresError as error:
        return error.sqlstate
    return None


# By the trigger; or, for a TRUNCATE without CASCADE, because other tables refer to this one.
REFUSED = ("55000", "0A000")
CONTENT = " UNION ALL ".join(
    f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {t} AS t" for t in PACK_TABLES
)


@given(st.lists(st.tuples(changes(), st.booleans()), min_size=1, max_size=3))
def test_packs_are_append_only_for_everybody(
    tenants: Tenants, owner: asyncpg.Connection[asyncpg.Record], steps: list[tuple[str, bool]]
) -> None:
    async def play() -> None:
        before = await owner.fetch(CONTENT)
        for statement, as_owner in steps:
            # The owner has every privilege and meets the trigger; the service lacks the privilege in the first place.
            if as_owner:
                assert await _state(owner, statement) in REFUSED, statement
            else:
                async with tenants.db.connection() as c:
                    assert await _state(c, statement) == "42501", statement
        assert await owner.fetch(CONTENT) == before

    tenants.loop.run_until_complete(play())


@pytest.fixture(scope="module")
def owner(tenants: Tenants, stack: Stack) -> Iterator[asyncpg.Connection[asyncpg.Record]]:
    """The role that owns the tables."""
    connection = tenants.loop.run_until_complete(asyncpg.connect(stack.owner_url))
    yield connection
    tenants.loop.run_until_complete(connection.close())
