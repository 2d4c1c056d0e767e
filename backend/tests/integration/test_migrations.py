"""Migrations on live data (UAT-046, UAT-047) and the runner's promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date
from typing import TypeAlias

import asyncpg
import pytest

from app.core.errors import StoreUnavailableError
from app.storage.db import Database
from app.storage.migrations import Migration, MigrationError, Migrator, folder, load
from app.storage.packs import PgPackStore
from app.storage.tenants import PgTenantStore
from tests.support.servers import Stack, run

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def columns(owner: Owner) -> set[str]:
    rows = await owner.fetch("SELECT column_name FROM information_schema.columns WHERE table_name = 'pricing_pack'")
    return {row["column_name"] for row in rows}


async def test_001_goes_down_and_up_on_live_data_without_loss(
    stack: Stack, owner: Owner, db: Database, night: None
) -> None:
    store = PgPackStore(db)
    counts = (
        "SELECT (SELECT count(*) FROM pricing_pack), (SELECT count(*) FROM prices), (SELECT count(*) FROM fx_rates)"
    )
    before, header = await owner.fetchrow(counts), await store.newest()
    assert header is not None
    # The claim lives in the column that is about to go; everything else must be as it was.
    header = replace(header, ledger_commit_hash=None)
    content = await store.content(header.id)
    assert content is not None
    try:
        assert run(stack.env(), "app.migrate", "down", "--only", "1").stdout == "down 001 ledger_commit\n"
        assert "ledger_commit_hash" not in await columns(owner)
        # The system works without the column: reading, and a whole night.
        assert await store.newest() == header
        assert run(stack.env(), "jobs.nightly", "--date", header.asof_date.isoformat()).returncode == 0
        blind = await store.append(replace(content, asof_date=date(1999, 6, 1)), (), "0" * 40)
        assert blind.ledger_commit_hash is None
    finally:
        assert run(stack.env(), "app.migrate", "up").stdout == "up 001 ledger_commit\n"
    assert "ledger_commit_hash" in await columns(owner)
    after = await owner.fetchrow(counts)
    assert before is not None
    assert after is not None
    assert tuple(after) == (before[0] + 1, before[1] + len(content.prices), before[2] + len(content.rates))
    assert await store.newest() == header
    named = await store.append(replace(content, asof_date=date(1999, 6, 2)), (), "0" * 40)
    assert named.ledger_commit_hash == "0" * 40
    assert await store.header(named.id) == named
    assert run(stack.env(), "app.migrate", "up").stdout == "nothing to do\n"


@pytest.fixture
async def scratch(stack: Stack, owner: Owner) -> str:
    """A schema of its own, so that going all the way down harms nobody."""
    await owner.execute("DROP SCHEMA IF EXISTS scratch CASCADE")
    await owner.execute("CREATE SCHEMA scratch")
    return f"{stack.owner_url}?options=-csearch_path%3Dscratch"


async def test_a_service_that_is_started_before_its_migrations_waits_for_them(stack: Stack, scratch: str) -> None:
    database = Database(f"{stack.database_url}?{scratch.partition('?')[2]}")
    try:
        for action in (database.ping, PgTenantStore(database).users):
            with pytest.raises(StoreUnavailableError, match="no schema yet"):
                await action()
    finally:
        await database.close()


FILES = [
    Migration(0, "one", "CREATE TABLE one (id int)", "DROP TABLE one"),
    Migration(1, "two", "CREATE TABLE two (id int)", "DROP TABLE two"),
]


async def tables(owner: Owner) -> set[str]:
    return {
        row["tablename"] for row in await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'scratch'")
    }


async def test_up_down_status(scratch: str, owner: Owner) -> None:
    migrator = Migrator(scratch, FILES)
    assert await migrator.status() == ["pending 000 one", "pending 001 two"]
    assert await migrator.up() == ["up 000 one", "up 001 two"]
    assert await migrator.down(None) == ["down 001 two"]
    assert await tables(owner) == {"one", "schema_migrations"}
    assert await migrator.down(-1) == ["down 000 one"]
    assert await tables(owner) == {"schema_migrations"}


async def test_two_at_once_apply_each_step_once(scratch: str, owner: Owner) -> None:
    done = await asyncio.gather(*(Migrator(scratch, FILES).up() for _ in range(4)))
    assert sorted(step for steps in done for step in steps) == ["up 000 one", "up 001 two"]


async def test_a_failing_step_leaves_nothing_of_itself(scratch: str, owner: Owner) -> None:
    broken = replace(FILES[1], up="CREATE TABLE two (id int); SELECT 1 / 0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await Migrator(scratch, [FILES[0], broken]).up()
    assert await tables(owner) == {"one", "schema_migrations"}


async def test_a_changed_file_is_refused(scratch: str, owner: Owner) -> None:
    await Migrator(scratch, FILES).up()
    with pytest.raises(MigrationError, match="001 was changed"):
        await Migrator(scratch, [FILES[0], replace(FILES[1], down="SELECT 1")]).up()
    with pytest.raises(MigrationError, match="001, which these files do not"):
        await Migrator(scratch, FILES[:1]).status()


def test_the_shipped_files_begin_with_the_base() -> None:
    assert [(m.number, m.name) for m in load(folder())][:2] == [(0, "base"), (1, "ledger_commit")]


async def test_one_step_alone_goes_down_and_comes_back(scratch: str, owner: Owner) -> None:
    migrator = Migrator(scratch, FILES)
    await migrator.up()
    assert await migrator.down(None, only=0) == ["down 000 one"]
    assert await tables(owner) == {"two", "schema_migrations"}
    with pytest.raises(MigrationError, match="000 is not applied"):
        await migrator.down(None, only=0)
    assert await migrator.up() == ["up 000 one"]


async def test_the_base_goes_all_the_way_down_and_up_again(scratch: str, owner: Owner) -> None:
    """In a schema of its own; the grants name `public`, which is left as it was."""
    files = [replace(m, up=m.up.replace("SCHEMA public", "SCHEMA scratch")) for m in load(folder())]
    migrator = Migrator(scratch, files)
    for _ in range(2):
        assert len(await migrator.up()) == len(files)
        assert "pricing_pack" in await tables(owner)
        assert len(await migrator.down(-1)) == len(files)
        assert await tables(owner) == {"schema_migrations"}
