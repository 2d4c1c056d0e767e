"""What happens to callers while a server is gone, and how soon after its return all is well."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import redis

from app.core.errors import StoreUnavailableError
from app.storage.db import Database
from app.storage.tenants import PgTenantStore
from tests.chaos.conftest import Site
from tests.support.external import stand_ins
from tests.support.proxy import Mode, proxied
from tests.support.servers import Stack, address, at, run, serving

RECOVERY_SECONDS = 5.0
# The longest a caller may wait for "not now": two statements' timeouts and some slack for a busy machine.
PATIENCE_SECONDS = 9.0


def recovery_seconds(site: Site) -> float:
    """Seconds until three valuations in a row succeed."""
    started = time.monotonic()
    good = 0
    while good < 3:
        good = good + 1 if site.http.get(site.valuation).status_code == 200 else 0
        assert time.monotonic() - started < 30, "no recovery in 30 s"
        time.sleep(0.02)
    return time.monotonic() - started


def fastest(http: httpx.Client, page: str) -> float:
    """The least seconds of three answers: who waits for something waits each time, a busy machine does not."""
    return min(http.get(page).elapsed.total_seconds() for _ in range(3))


async def terminate_backends(stack: Stack) -> int:
    """End all connections of the service's role but our own; a role may do that to itself."""
    connection = await asyncpg.connect(stack.database_url)
    try:
        ended = await connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE usename = current_user AND pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()
    return int(ended)


def test_terminated_connections_recover_without_corruption(site: Site) -> None:
    before = site.http.get(site.valuation).content
    assert asyncio.run(terminate_backends(site.stack)) > 0
    statuses = {site.http.get(site.valuation).status_code for _ in range(5)}
    assert statuses <= {200, 503}
    assert recovery_seconds(site) < RECOVERY_SECONDS
    assert site.http.get(site.valuation).content == before


def test_trades_under_terminated_connections_are_booked_whole_or_not_at_all(site: Site) -> None:
    order = {"portfolio_id": site.portfolio, "symbol": "KO", "action": "buy", "quantity": "1", "price": "50"}
    booked = 0
    for attempt in range(60):
        if attempt % 6 == 3:
            asyncio.run(terminate_backends(site.stack))
        booked += site.http.post("/v1/trades", json=order).status_code == 201
    assert recovery_seconds(site) < RECOVERY_SECONDS
    lots = [lot for lot in site.http.get(f"/v1/portfolios/{site.portfolio}").json()["lots"] if lot["symbol"] == "KO"]
    # A commit whose confirmation was lost counts for the database only; no confirmed trade may be missing.
    assert booked <= len(lots) <= 60
    assert booked >= 30
    # Lots and transactions still tell one story.
    assert run(site.stack.env(), "jobs.reconcile_ledger").returncode == 0


@pytest.mark.parametrize("mode", ["refuse", "blackhole"])
def test_without_redis_every_answer_is_right_and_readiness_says_degraded(site: Site, mode: Mode) -> None:
    before = site.http.get(site.valuation).content
    site.redis.set(mode)
    started = time.monotonic()
    answers = [site.http.get(site.valuation) for _ in range(20)]
    assert time.monotonic() - started < PATIENCE_SECONDS
    assert [answer.status_code for answer in answers] == [200] * 20
    assert {answer.content for answer in answers} == {before}
    assert {answer.headers["x-cache"] for answer in answers} == {"miss"}
    ready = site.http.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    site.redis.set("pass")
    deadline = time.monotonic() + RECOVERY_SECONDS
    while site.http.get("/health/ready").json()["status"] != "ready":
        assert time.monotonic() < deadline, "redis is back but not used"
    site.http.get(site.valuation)
    assert site.http.get(site.valuation).headers["x-cache"] == "hit"


@pytest.mark.parametrize("mode", ["refuse", "blackhole"])
def test_without_the_database_503_and_soon_after_its_return_all_is_well(site: Site, mode: Mode) -> None:
    before = site.http.get(site.valuation).content
    site.database.set(mode)
    for _ in range(2):
        started = time.monotonic()
        answer = site.http.get(site.valuation)
        assert time.monotonic() - started < PATIENCE_SECONDS
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert site.http.get("/health").status_code == 200
    assert site.http.get("/health/ready").status_code == 503
    assert site.http.get("/metrics").status_code == 200
    site.database.set("pass")
    assert recovery_seconds(site) < RECOVERY_SECONDS
    assert site.http.get(site.valuation).content == before


async def _wait_for_lock(owner: asyncpg.Connection[asyncpg.Record], table: str) -> None:
    """Until somebody waits for `table`: the build is then past its prices and before its rates."""
    # A busy machine takes seconds to start the build.
    for _ in range(2000):
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = $1::text::regclass AND NOT granted"
        if await owner.fetchval(waiting, table):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"nobody waits for {table}")


async def _kill_midway(stack: Stack, env: dict[str, str], day: str) -> None:
    owner = await asyncpg.connect(stack.owner_url)
    try:
        async with owner.transaction():
            await owner.execute("LOCK TABLE fx_rates IN SHARE ROW EXCLUSIVE MODE")
            with subprocess.Popen([sys.executable, "-m", "jobs.build_pack", "--date", day], env=env) as build:
                await _wait_for_lock(owner, "fx_rates")
                build.send_signal(signal.SIGKILL)
                assert build.wait(5) == -signal.SIGKILL
    finally:
        await owner.close()


async def _rows_of(stack: Stack, day: str) -> int:
    connection = await asyncpg.connect(stack.database_url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM pricing_pack WHERE asof_date = $1::text::date", day))
    finally:
        await connection.close()


def rebuild(site: Site) -> None:
    """A good build of the day that is served: the pack of a day that has just begun would never become fresh."""
    day = site.http.get("/v1/pricing/latest").json()["asof_date"]
    assert run(site.stack.env(), "jobs.build_pack", "--date", day).returncode == 0


def test_a_killed_build_leaves_no_partial_pack_and_the_last_good_one_is_served_as_stale(site: Site) -> None:
    # Packs cannot be deleted, so each run needs a date of its own.
    day = f"2024-0{uuid4().int % 9 + 1}-{uuid4().int % 18 + 10}"
    deployment = f"killed-{uuid4()}"
    good = site.http.get("/v1/pricing/latest")
    assert "x-pricing-pack-stale" not in good.headers
    before = asyncio.run(_rows_of(site.stack, day))
    asyncio.run(_kill_midway(site.stack, site.stack.env(DEPLOYMENT_ID=deployment), day))
    try:
        assert asyncio.run(_rows_of(site.stack, day)) == before
        # Nobody wrote "failed": the lost lock of the dead worker says it, once the server has noticed the death.
        deadline = time.monotonic() + RECOVERY_SECONDS
        while "x-pricing-pack-stale" not in (served := site.http.get("/v1/pricing/latest")).headers:
            assert time.monotonic() < deadline, "a killed build is not noticed"
        assert (served.status_code, served.json()["pricing_pack_id"]) == (200, good.json()["pricing_pack_id"])
        assert site.http.get("/health/pack").json()["status"] == "error"
    finally:
        rebuild(site)
    assert "x-pricing-pack-stale" not in site.http.get("/v1/pricing/latest").headers


def test_a_build_can_be_repeated_after_it_was_killed(site: Site) -> None:
    day = f"2025-0{uuid4().int % 9 + 1}-{uuid4().int % 18 + 10}"
    asyncio.run(_kill_midway(site.stack, site.stack.env(), day))
    assert run(site.stack.env(), "jobs.build_pack", "--date", day).returncode == 0
    assert asyncio.run(_rows_of(site.stack, day)) >= 1
    rebuild(site)


async def test_a_transaction_cut_in_the_middle_changes_nothing(site: Site) -> None:
    """The proxy goes between two statements of one transaction, straight through the service's own store."""
    database = Database(site.stack.database_url, max_size=1)
    through = Database(at(site.stack.database_url, site.database.port), max_size=1)
    user = uuid4()
    tenants, cut = PgTenantStore(database), PgTenantStore(through)
    async with tenants.begin(user) as tx:
        portfolio = (await tx.create_portfolio("Cut", "USD")).id
    with pytest.raises(StoreUnavailableError):
        await _write_then_cut(cut, site, user, portfolio)
    async with tenants.begin(user) as tx:
        assert await tx.last_two_values(portfolio) == []
    await through.close()
    await database.close()


async def _write_then_cut(store: PgTenantStore, site: Site, user: UUID, portfolio: UUID) -> None:
    async with store.begin(user) as tx:
        pack = site.http.get("/v1/pricing/latest").json()
        await tx.save_daily_value(portfolio, date(2026, 1, 1), pack["pricing_pack_id"], Decimal(1))
        site.database.set("refuse")
        await tx.version(portfolio)


def test_a_slow_database_makes_slow_answers_and_no_wrong_ones(site: Site) -> None:
    before = site.http.get(site.valuation).content
    site.database.add("latency", latency=500)
    started = time.monotonic()
    answer = site.http.get(site.valuation)
    assert time.monotonic() - started >= 0.5, "the latency was not on the wire"
    assert (answer.status_code, answer.content) == (200, before)
    assert fastest(site.http, "/health") < 0.5, "liveness does not ask the database"
    site.database.set("pass")
    assert recovery_seconds(site) < RECOVERY_SECONDS


def test_trades_whose_connection_is_reset_midway_are_booked_whole_or_not_at_all(site: Site) -> None:
    """The reset comes at another moment of the transaction each time."""
    order = {"portfolio_id": site.portfolio, "symbol": "KO", "action": "buy", "quantity": "1", "price": "50"}
    booked = 0
    for milliseconds in range(0, 24, 2):
        site.database.add("reset_peer", ("upstream",), timeout=milliseconds)
        booked += site.http.post("/v1/trades", json=order).status_code == 201
        site.database.set("pass")
        booked += site.http.post("/v1/trades", json=order).status_code == 201
    assert recovery_seconds(site) < RECOVERY_SECONDS
    lots = [lot for lot in site.http.get(f"/v1/portfolios/{site.portfolio}").json()["lots"] if lot["symbol"] == "KO"]
    assert max(booked, 1) <= len(lots) <= 24


def test_an_evicted_cache_costs_time_and_nothing_else(site: Site) -> None:
    before = site.http.get(site.valuation).content
    with redis.Redis.from_url(site.stack.redis_url) as server:
        for _ in range(5):
            server.flushall()
            missed, hit = site.http.get(site.valuation), site.http.get(site.valuation)
            assert (missed.headers["x-cache"], hit.headers["x-cache"]) == ("miss", "hit")
            assert missed.content == hit.content == before


def test_a_provider_that_is_cut_off_costs_a_quote_and_nothing_else(
    stack: Stack, faults: httpx.Client, site: Site
) -> None:
    with (
        stand_ins(stack.env()) as standin,
        proxied(faults, address(standin.url)) as wire,
        serving(stack.env(PROVIDERS_URL=f"http://127.0.0.1:{wire.port}", PROVIDER_TIMEOUT="0.3")) as service,
        httpx.Client(base_url=service.url, headers=site.http.headers, timeout=15) as http,
    ):
        quote = "/v1/market/quote?symbol=AAPL"
        assert http.get(quote).status_code == 200
        wire.set("blackhole")
        refused = [http.get("/v1/market/quote?symbol=KO") for _ in range(4)]
        assert {answer.status_code for answer in refused} == {503}
        assert fastest(http, "/v1/market/quote?symbol=KO") < 0.3, "an open breaker makes nobody wait"
        assert http.get("/health/ready").json()["providers"]["polygon"] == "open"
        assert http.get(quote).status_code == 200
        assert http.get(site.valuation).status_code == 200
