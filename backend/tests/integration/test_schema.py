"""What the database itself promises."""

from __future__ import annotations

from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from app.storage.db import Database
from tests.support.servers import refused

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def open_tables(owner: Owner, operation: str) -> list[str]:
    """Tenant tables, found in the catalogue by their columns, that do not force a policy for an operation."""
    rows = await owner.fetch(
        """
        SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,
               count(p.*) FILTER (WHERE p.cmd IN ('ALL', $1)) AS policies
        FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname IN ('user_id', 'portfolio_id') AND NOT a.attisdropped
        LEFT JOIN pg_policies AS p ON p.tablename = c.relname AND p.schemaname = 'public'
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
        GROUP BY c.relname, c.relrowsecurity, c.relforcerowsecurity
        """,
        operation,
    )
    assert {row["relname"] for row in rows} >= {"portfolios", "transactions", "lots", "journal_entries", "audit_log"}
    return [
        row["relname"]
        for row in rows
        if not (row["relrowsecurity"] and row["relforcerowsecurity"] and row["policies"] > 0)
    ]


@pytest.mark.parametrize("operation", ["SELECT", "INSERT", "UPDATE", "DELETE"])
async def test_every_tenant_table_has_forced_row_security_and_policies(owner: Owner, operation: str) -> None:
    """Found in the catalogue, not in a list: a new table with user_id or portfolio_id is checked from its first day.

    The users table holds only the ids tokens carry; it has neither column and is the one tenant-free list.
    """
    assert await open_tables(owner, operation) == []


async def test_every_view_runs_with_the_rights_of_its_caller(owner: Owner) -> None:
    leaky = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace "
        "AND NOT coalesce(reloptions, '{}') && ARRAY['security_invoker=true', 'security_invoker=on']"
    )
    assert [row["relname"] for row in leaky] == []


async def test_no_role_of_the_service_bypasses_policies(owner: Owner) -> None:
    rows = await owner.fetch("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname LIKE 'dawsos_%'")
    assert {row["rolname"]: (row["rolsuper"], row["rolbypassrls"]) for row in rows} == {
        "dawsos_owner": (False, False),
        "dawsos_app": (False, False),
    }


TABLES = ("pricing_pack", "prices", "fx_rates", "pricing_pack_event")


@pytest.mark.parametrize("table", TABLES)
async def test_a_pack_refuses_change_even_by_its_owner(owner: Owner, night: None, table: str) -> None:
    column = "id" if table == "pricing_pack" else "pricing_pack_id"
    for statement in (f"UPDATE {table} SET {column} = 'x'", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        assert await refused(owner, statement) == "55000"


@pytest.mark.parametrize("table", TABLES)
async def test_the_service_has_no_right_to_change_a_pack(db: Database, night: None, table: str) -> None:
    async with db.connection() as c:
        for statement in (f"UPDATE {table} SET {table} = NULL", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedColumnError)):
                await c.execute(statement)
        rights = await c.fetchrow(
            "SELECT has_table_privilege($1, 'UPDATE') OR has_any_column_privilege($1, 'UPDATE') AS change, "
            "has_table_privilege($1, 'DELETE') AS remove, has_table_privilege($1, 'TRUNCATE') AS wipe",
            table,
        )
    assert rights is not None
    assert tuple(rights) == (False, False, False)


async def test_a_transaction_on_an_unknown_portfolio_breaks_the_foreign_key(db: Database, night: None) -> None:
    """UAT-040 at the database: the policy lets the user write under his own name, the key finds no portfolio."""
    user = uuid4()
    async with db.as_user(user) as c:
        state = await refused(
            c,  # type: ignore[arg-type]  # a pooled connection has the same methods
            "INSERT INTO transactions (id, portfolio_id, user_id, symbol, side, quantity, price, currency, fx_rate, "
            "trade_date) VALUES ($1, $2, $3, 'AAPL', 'buy', 1, 1, 'USD', 1, current_date)",
            *(uuid4(), uuid4(), user),
        )
    assert state == "23503"


async def test_a_value_in_the_user_setting_is_never_sql(db: Database) -> None:
    async with db.connection() as c, c.transaction():
        await c.execute("SELECT set_config('app.user_id', $1, true)", "' OR true --")
        with pytest.raises(asyncpg.DataError):
            await c.fetch("SELECT * FROM portfolios")


async def test_chains_cannot_fork_or_leave_their_date(owner: Owner, night: None) -> None:
    head = await owner.fetchrow(
        "SELECT id, asof_date, policy FROM pricing_pack AS p "
        "WHERE NOT EXISTS (SELECT 1 FROM pricing_pack AS n WHERE n.supersedes = p.id) ORDER BY asof_date DESC LIMIT 1"
    )
    assert head is not None
    insert = (
        "INSERT INTO pricing_pack (id, asof_date, policy, hash, supersedes) VALUES ($1, $2, $3, repeat('0', 64), $4)"
    )
    day, policy = head["asof_date"], head["policy"]
    assert await refused(owner, insert, "second-root", day, policy, None) == "23505"
    assert await refused(owner, insert, "other-day", day.replace(year=1980), policy, head["id"]) == "23503"
    assert await refused(owner, insert, "self", day, policy, "self") in {"23514", "23503"}


MUTANTS = ("USING (true)", "USING (user_id IS NOT NULL)", "USING (user_id::text <> '')")


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_a_policy_that_lets_everybody_in_is_noticed(owner: Owner, db: Database, night: None, mutant: str) -> None:
    """The question the isolation property asks, put to each table with its own policy and with a weaker one.

    The catalogue cannot tell a good condition from a bad one; this shows that reading rows does. The owner, whom FORCE
    binds as well, changes the policy and asks within one transaction, so nobody else ever meets the weak one.
    """
    anna, ben = uuid4(), uuid4()
    async with db.as_user(anna) as c:
        await c.execute("INSERT INTO users (id) VALUES ($1)", anna)
        hers = await c.fetchval(
            "INSERT INTO portfolios (user_id, title, base_currency) VALUES ($1, 'P', 'USD') RETURNING id", anna
        )
        await c.execute("INSERT INTO cash_balances VALUES ($1, $2, 'USD', 1)", hers, anna)
        await c.execute("INSERT INTO journals (portfolio_id, user_id) VALUES ($1, $2)", hers, anna)
        await c.execute("INSERT INTO audit_log (user_id, action) VALUES ($1, 'x')", anna)
    for table in ("portfolios", "cash_balances", "journals", "audit_log"):
        foreign = f"SELECT count(*) FROM {table} WHERE user_id <> $1"
        change = owner.transaction()
        await change.start()
        await owner.execute("SELECT set_config('app.user_id', $1, true)", str(ben))
        kept = await owner.fetchval(foreign, ben)
        await owner.execute(f"ALTER POLICY own_rows ON {table} {mutant}")
        weakened = await owner.fetchval(foreign, ben)
        await change.rollback()
        assert kept == 0, table
        assert weakened > 0, table
