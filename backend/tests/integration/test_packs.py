"""Packs and jobs over the real database, run the way the platform runs them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import date, datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.core.errors import MarketDataError
from app.core.pack import PackContent
from app.services.packs import load_market_data
from app.settings import PACKAGED_MARKET_DATA
from app.storage.db import Database
from app.storage.ecb import EcbHistory
from app.storage.jobs import PgJobLog
from app.storage.packs import PgPackStore
from tests.support.servers import Running, Stack, newest_day, run, serving

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
MARKET = load_market_data(PACKAGED_MARKET_DATA)
FX = EcbHistory()


def some_day() -> date:
    """A date no other test uses: packs cannot be deleted afterwards."""
    return date(2024, 1, 1).fromordinal(date(2024, 1, 1).toordinal() + uuid4().int % 600)


def changed(content: PackContent, by: str) -> PackContent:
    first, *rest = content.prices
    return replace(content, prices=(replace(first, close=first.close + Decimal(by)), *rest))


async def test_a_stored_pack_reads_back_with_its_hash(db: Database) -> None:
    store = PgPackStore(db)
    content = MARKET.content(day := some_day(), FX.fixing(day))
    header = await store.append(content, MARKET.universe)
    back = await store.content(header.id)
    assert back is not None
    assert back.digest() == header.hash == content.digest()
    assert back.canonical_bytes() == content.canonical_bytes()


async def test_a_restatement_supersedes_and_the_old_one_stays(db: Database) -> None:
    store, content = (
        PgPackStore(db),
        MARKET.content(day := date(2023, 12, 4), FX.fixing(day)),
    )
    content = changed(content, f"0.{uuid4().int % 10**9:09}")
    first = await store.append(content, MARKET.universe)
    assert await store.append(content, MARKET.universe) == first
    second = await store.append(changed(content, "1"), MARKET.universe)
    assert second.supersedes == first.id
    assert await store.header(first.id) is not None
    assert (await store.content(first.id)) is not None


async def test_builders_at_once_make_one_chain(db: Database, owner: Owner) -> None:
    store, content = PgPackStore(db), MARKET.content(day := some_day(), FX.fixing(day))
    made = await asyncio.gather(
        *(store.append(changed(content, f"{n}.{uuid4().int % 1000}"), ()) for n in (1, 2, 3, 4))
    )
    ids = [pack.id for pack in made]
    rows = await owner.fetch("SELECT supersedes FROM pricing_pack WHERE id = ANY($1)", ids)
    assert len({row["supersedes"] for row in rows}) == 4


async def test_a_builder_whose_clock_is_behind_goes_on_with_the_same_chain(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines never have quite the same time: what comes later must also read as later."""
    store = PgPackStore(db)
    content = MARKET.content(day := date(2023, 12, 6), FX.fixing(day))
    content = changed(content, f"0.{uuid4().int % 10**9:09}")
    first = await store.append(content, MARKET.universe)

    class Behind(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Behind:
            return cls.fromtimestamp(first.created_at.timestamp() - 3600, tz)

    monkeypatch.setattr("app.storage.packs.datetime", Behind)
    second = await store.append(changed(content, "1"), MARKET.universe)
    third = await store.append(changed(content, "2"), MARKET.universe)
    assert (second.supersedes, third.supersedes) == (first.id, second.id)
    for pack in (first, second):
        await store.mark(pack.id, "fresh", "test")
    assert [header.id for header in await store.fresh_heads(day, day)] == [second.id]


async def test_a_pack_with_an_impossible_row_is_not_stored_at_all(db: Database, owner: Owner) -> None:
    day = date(2025, 12, 31)
    content = MARKET.content(day, FX.fixing(day))
    bad = replace(content, prices=(*content.prices, replace(content.prices[0], symbol="NOT-LISTED")))
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await PgPackStore(db).append(bad, MARKET.universe)
    assert await owner.fetchval("SELECT count(*) FROM pricing_pack WHERE asof_date = $1", day) == 0
    assert await owner.fetchval("SELECT count(*) FROM prices WHERE symbol = 'NOT-LISTED'") == 0


def test_the_night_runs_in_order_and_is_verified(stack: Stack) -> None:
    done = run(stack.env(), "jobs.nightly")
    assert done.returncode == 0, done.stderr
    judged = run(stack.env(), "jobs.verify_order")
    assert judged.returncode == 0
    report = json.loads(judged.stdout)
    assert [r["job"] for r in report["recorded"]] == report["expected"]


async def test_a_night_of_an_old_date_changes_nothing_and_says_how_its_pack_is_rebuilt(
    stack: Stack, db: Database
) -> None:
    assert run(stack.env(), "jobs.nightly").returncode == 0
    log, store, old = PgJobLog(db, "sha", "test"), PgPackStore(db), "2023-10-31"
    newest, night, packs = await store.newest(), await log.last_night(), await _packs(stack)
    assert newest is not None
    for job in ("nightly", "compute_metrics", "prewarm_factors", "evaluate_alerts"):
        refused = run(stack.env(), f"jobs.{job}", "--date", old)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert f"error: {old} is before the newest pack, {newest.id}" in refused.stderr
        assert f"python -m jobs.mark_pack_fresh --date {old}" in refused.stderr
    assert (await log.last_night(), await _packs(stack)) == (night, packs)
    for job in ("build_pack", "mark_pack_fresh"):
        done = run(stack.env(), f"jobs.{job}", "--date", old)
        assert (done.returncode, f"{newest.id} is newer" in done.stderr) == (0, True), done.stderr
    rebuilt = await store.head_of(date.fromisoformat(old))
    assert rebuilt is not None
    assert rebuilt.is_fresh
    served = await store.last_good()
    assert served is not None
    assert served.id == newest.id


@pytest.mark.parametrize("broken", ["missing", "not json", "hole"])
def test_a_bad_market_file_fails_the_build_for_real(stack: Stack, tmp_path: Path, broken: str) -> None:
    file = tmp_path / "market.json"
    if broken == "not json":
        file.write_text("{")
    elif broken == "hole":
        raw = json.loads(PACKAGED_MARKET_DATA.read_text())
        del raw["observations"][-1]["closes"]["MSFT"]
        file.write_text(json.dumps(raw))
    deployment = f"bad-{uuid4()}"
    env = stack.env(MARKET_DATA=str(file), DEPLOYMENT_ID=deployment)
    before, day = asyncio.run(_packs(stack)), asyncio.run(newest_day(stack))
    done = run(env, "jobs.build_pack", "--date", day)
    assert done.returncode == 1
    assert "build_pack: FAILED" in done.stderr
    assert asyncio.run(_packs(stack)) == before
    with serving(env) as canary:
        text = httpx.get(f"{canary.url}/metrics").text
        assert "pricing_pack_build_failures_total 1.0" in text
        assert "pricing_pack_build_success_total 0.0" in text
    assert run(stack.env(), "jobs.build_pack", "--date", day).returncode == 0


async def _packs(stack: Stack) -> int:
    connection = await asyncpg.connect(stack.database_url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM pricing_pack"))
    finally:
        await connection.close()


async def test_a_failed_night_is_not_in_order_until_the_next_good_one(stack: Stack) -> None:
    assert run(stack.env(MARKET_DATA="gone"), "jobs.nightly").returncode == 1
    judged = run(stack.env(), "jobs.verify_order")
    assert judged.returncode == 1
    assert "recorded order ['build_pack']" in json.loads(judged.stdout)["problem"]
    assert run(stack.env(), "jobs.nightly").returncode == 0


async def test_a_failure_is_recorded_although_its_transaction_is_gone(db: Database) -> None:
    log = PgJobLog(db, "sha", f"deployment-{uuid4()}")

    async def work() -> None:
        async with log.record("build_pack", None):
            attempt = await log.last_attempt("build_pack")
            assert attempt is not None
            assert attempt.status == "running"
            raise MarketDataError("hole")

    with pytest.raises(MarketDataError):
        await work()
    (recorded,) = await log.of_deployment("build_pack")
    assert (recorded.status, recorded.error) == ("failed", "MarketDataError: hole")


def test_service_metrics_name_the_build_duration(service: Running) -> None:
    assert "pricing_pack_build_duration_seconds_bucket" in httpx.get(f"{service.url}/metrics").text
