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
from tests.support.servers import Stack

if TYPE_CHECKING:
    from app.storage.db import Connection

TABLES = ("portfolios", "transactions", "lots", "portfolio_daily_values", "notifications")
PACK_TABLES = ("pricing_pack", "prices", "fx_rates", "pricing_pack_event")
USERS = 4


@dataclass
class Tenants:
    """Users with one row in every tenant table each."""

    loop: asyncio.AbstractEventLoop
    db: Database
    users: list[UUID]
    portfolio_of: dict[UUID, UUID]


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
            owned[user] = pid
    return owned


@pytest.fixture(scope="module")
def tenants(stack: Stack) -> Iterator[Tenants]:
    """Built once; the properties below never succeed in changing another user's row."""
    loop = asyncio.new_event_loop()
    db = Database(stack.database_url, max_size=3)
    users = [uuid4() for _ in range(USERS)]
    owned = loop.run_until_complete(_populate(db, users))
    yield Tenants(loop, db, users, owned)
    loop.run_until_complete(db.close())
    loop.close()


SETTABLE = {
    "portfolios": "title = title",
    "transactions": "price = 2",
    "lots": "quantity = 0",
    "portfolio_daily_values": "total = 0",
    "notifications": "rule = 'x'",
}


async def _attack(tenants: Tenants, attacker: UUID, victim: UUID, table: str, operation: str) -> None:
    async with tenants.db.as_user(attacker) as c:
        if operation == "select":
            rows = await c.fetch(f"SELECT user_id FROM {table}")
            assert {row["user_id"] for row in rows} == {attacker}
        elif operation == "count by id":
            column = "id" if table == "portfolios" else "portfolio_id"
            found = await c.fetchval(f"SELECT count(*) FROM {table} WHERE {column} = $1", tenants.portfolio_of[victim])
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
            await _plant(c, attacker, tenants, victim)


class UndoError(Exception):
    """Rolls back what the attacker may do to rows of his own."""


async def _plant(c: Connection, attacker: UUID, tenants: Tenants, victim: UUID) -> None:
    """Insert into the victim's portfolio, once as the victim and once under the attacker's own name."""
    if attacker == victim:
        return
    insert = (
        "INSERT INTO notifications (portfolio_id, user_id, asof_date, rule, change) "
        "VALUES ($1, $2, '1991-01-01', 'x', 0)"
    )
    for name, state in ((victim, "42501"), (attacker, "23503")):
        with pytest.raises(asyncpg.PostgresError) as caught:
            async with c.transaction():
                await c.execute(insert, tenants.portfolio_of[victim], name)
        assert caught.value.sqlstate == state


async def _nobody(tenants: Tenants, table: str) -> None:
    async with tenants.db.transaction() as c:
        assert await c.fetchval(f"SELECT count(*) FROM {table}") == 0


people = st.integers(0, USERS - 1)
operations = st.sampled_from(["select", "count by id", "update", "delete", "insert", "nobody"])
attacks = st.lists(st.tuples(people, people, st.sampled_from(TABLES), operations), min_size=1, max_size=6)


@given(attacks)
def test_no_user_reaches_another_users_rows(tenants: Tenants, steps: list[tuple[int, int, str, str]]) -> None:
    async def play() -> None:
        for attacker, victim, table, operation in steps:
            if operation == "nobody":
                await _nobody(tenants, table)
            else:
                await _attack(tenants, tenants.users[attacker], tenants.users[victim], table, operation)

    tenants.loop.run_until_complete(play())


def _statement(table: str, operation: str) -> str:
    column = "id" if table == "pricing_pack" else "pricing_pack_id"
    return {
        "UPDATE": f"UPDATE {table} SET {column} = {column}",
        "DELETE": f"DELETE FROM {table}",
        "TRUNCATE": f"TRUNCATE {table} CASCADE",
    }[operation]


async def _state(connection: Connection, statement: str) -> str | None:
    try:
        async with connection.transaction():
            await connection.execute(statement)
    except asyncpg.PostgresError as error:
        return error.sqlstate
    return None


changes = st.lists(
    st.tuples(st.sampled_from(PACK_TABLES), st.sampled_from(["UPDATE", "DELETE", "TRUNCATE"]), st.booleans()),
    min_size=1,
    max_size=4,
)


@given(changes)
def test_packs_are_append_only_for_everybody(
    tenants: Tenants, owner: asyncpg.Connection[asyncpg.Record], steps: list[tuple[str, str, bool]]
) -> None:
    async def play() -> None:
        for table, operation, as_owner in steps:
            statement = _statement(table, operation)
            # The owner has every privilege and meets the trigger; the service lacks the privilege in the first place.
            if as_owner:
                assert await _state(owner, statement) == "55000", statement
            else:
                async with tenants.db.connection() as c:
                    assert await _state(c, statement) == "42501", statement

    tenants.loop.run_until_complete(play())


@pytest.fixture(scope="module")
def owner(tenants: Tenants, stack: Stack) -> Iterator[asyncpg.Connection[asyncpg.Record]]:
    """The role that owns the tables."""
    connection = tenants.loop.run_until_complete(asyncpg.connect(stack.owner_url))
    yield connection
    tenants.loop.run_until_complete(connection.close())
