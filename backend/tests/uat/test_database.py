"""Cases whose point is the database or a job of the environment under test: 007, 008, 040, 041, 044, 046, 047."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.services.packs import BUILD_JOB
from app.settings import PACKAGED_MARKET_DATA
from app.storage.migrations import Migrator, folder, load
from tests.support.external import wait_for
from tests.support.servers import refused
from tests.uat.world import job, job_env, opened, order, required, seen

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
uat = pytest.mark.uat
DATE = "2024-10-20"


@pytest.fixture
async def owner() -> AsyncIterator[Connection]:
    """The most that anybody may do in this database."""
    connection = await asyncpg.connect(required("DATABASE_OWNER_URL"))
    yield connection
    await connection.close()


@pytest.fixture
async def service() -> AsyncIterator[Connection]:
    """The role of the service."""
    connection = await asyncpg.connect(required("DATABASE_URL"))
    yield connection
    await connection.close()


@pytest.mark.p0
@uat("007")
@uat("041")
@pytest.mark.parametrize(
    "change", ["UPDATE pricing_pack SET hash = repeat('0', 64)", "UPDATE prices SET price_close = 1"]
)
async def test_the_database_refuses_to_change_a_pack(owner: Connection, service: Connection, change: str) -> None:
    """The service lacks the right, and the owner, who has it, meets the trigger."""
    assert await refused(service, change) == "42501"
    assert await refused(owner, change) == "55000"


@pytest.mark.p0
@uat("041")
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_no_request_changes_a_pack(anna: httpx.Client, method: str) -> None:
    pack = seen(anna, "pricing/latest")
    answer = anna.request(method, f"/v1/pricing/packs/{pack['pricing_pack_id']}", json={"hash": "0"})
    assert answer.status_code == 405
    assert seen(anna, "pricing/latest")["hash"] == pack["hash"]


@pytest.mark.p0
@uat("008")
def test_a_restated_pack_supersedes_and_the_old_one_stays(anna: httpx.Client, tmp_path: Path) -> None:
    market = json.loads(PACKAGED_MARKET_DATA.read_text())
    made = []
    for _ in range(2):
        # Packs cannot be deleted: every run restates the date once more, at a price of its own.
        for observation in market["observations"]:
            observation["closes"]["KO"] = f"56.{uuid4().int % 10**6:06}"
        file = tmp_path / "market.json"
        file.write_text(json.dumps(market))
        built = job("build_pack", "--date", DATE, MARKET_DATA=str(file))
        assert built.returncode == 0, built.stderr
        made.append(seen(anna, f"pricing/latest?date={DATE}"))
    first, second = made
    assert second["supersedes"] == first["pricing_pack_id"]
    assert seen(anna, f"pricing/packs/{first['pricing_pack_id']}")["hash"] == first["hash"] != second["hash"]


@pytest.mark.p0
@uat("040")
async def test_the_foreign_key_refuses_a_transaction_of_an_unknown_portfolio(service: Connection) -> None:
    user = uuid4()
    await service.execute("SELECT set_config('app.user_id', $1, false)", str(user))
    state = await refused(
        service,
        "INSERT INTO transactions (id, portfolio_id, user_id, symbol, side, quantity, price, currency, fx_rate, "
        "trade_date) VALUES ($1, $2, $3, 'AAPL', 'buy', 1, 1, 'USD', 1, current_date)",
        *(uuid4(), uuid4(), user),
    )
    assert state == "23503"


async def _running(service: Connection, deployment: str) -> bool:
    query = "SELECT count(*) FROM job_run_state WHERE job = $1 AND deployment_id = $2 AND status = 'running'"
    return bool(await service.fetchval(query, BUILD_JOB, deployment))


@pytest.mark.p1
@uat("044")
async def test_after_a_killed_build_the_last_good_pack_is_served_as_stale(
    anna: httpx.Client, anonymous: httpx.Client, service: Connection
) -> None:
    good = seen(anna, "pricing/latest")
    deployment = f"killed-{uuid4()}"
    packs = "SELECT count(*) FROM pricing_pack"
    before = await service.fetchval(packs)
    # The build waits for this lock before it writes anything, which is where it is killed.
    await service.execute("SELECT pg_advisory_lock(hashtext('pricing_pack'))")
    command = [sys.executable, "-m", "jobs.build_pack", "--date", "2024-11-20"]
    with subprocess.Popen(command, env={**job_env(), "DEPLOYMENT_ID": deployment}) as build:
        deadline = time.monotonic() + 30
        while not await _running(service, deployment):
            assert time.monotonic() < deadline, "the build did not begin"
        build.send_signal(signal.SIGKILL)
    await service.execute("SELECT pg_advisory_unlock(hashtext('pricing_pack'))")
    try:
        # The database may be on another machine, and hear later that the build's connection is gone.
        wait_for(lambda: "x-pricing-pack-stale" in anna.get("/v1/pricing/latest").headers, "the pack is not stale", 15)
        stale = anna.get("/v1/pricing/latest")
        assert (stale.status_code, stale.headers["x-pricing-pack-stale"]) == (200, "true")
        assert stale.json()["pricing_pack_id"] == good["pricing_pack_id"]
        assert anonymous.get("/health/pack").json()["status"] == "error"
        assert await service.fetchval(packs) == before
    finally:
        mended = job("build_pack")
    assert mended.returncode == 0, mended.stderr
    answer = anna.get("/v1/pricing/latest")
    assert ("x-pricing-pack-stale" in answer.headers) is (anonymous.get("/health/pack").json()["status"] != "fresh")


COUNTS = "SELECT (SELECT count(*) FROM pricing_pack), (SELECT count(*) FROM prices), (SELECT count(*) FROM fx_rates)"
COLUMN = (
    "SELECT count(*) FROM information_schema.columns "
    "WHERE table_name = 'pricing_pack' AND column_name = 'ledger_commit_hash'"
)


@pytest.mark.p2
@uat("046")
@uat("047")
async def test_migration_001_goes_down_and_up_on_live_data(anna: httpx.Client, owner: Connection) -> None:
    """While the service answers: nobody is told, nothing is lost but the column's own content."""
    migrator = Migrator(required("DATABASE_OWNER_URL"), load(folder()))
    portfolio = opened(anna)
    assert order(anna, portfolio, "buy", "3", "AAPL").status_code == 201
    value = seen(anna, f"portfolios/{portfolio}/valuation")
    before = await owner.fetchrow(COUNTS)
    assert await migrator.down(None, only=1) == ["down 001 ledger_commit"]
    try:
        assert await owner.fetchval(COLUMN) == 0
        assert seen(anna, "pricing/latest")["ledger_commit_hash"] is None
        assert seen(anna, f"portfolios/{portfolio}/valuation") == value
        assert order(anna, portfolio, "buy", "1", "AAPL").status_code == 201
    finally:
        assert await migrator.up() == ["up 001 ledger_commit"]
    assert await owner.fetchval(COLUMN) == 1
    assert await owner.fetchrow(COUNTS) == before
    assert seen(anna, f"portfolios/{portfolio}/valuation")["pricing_pack_id"] == value["pricing_pack_id"]
