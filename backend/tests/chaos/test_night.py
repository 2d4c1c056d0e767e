"""A database that fails over in the middle of the night."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.container import connect
from app.container_clients import utc_now
from app.services.nightly import order_problem
from app.services.ports import JobRun
from app.services.schedule import begin_of_night
from app.services.worker_loops import nights_forever
from app.settings import Settings
from app.storage.db import Database
from app.storage.jobs import PgJobLog
from app.worker import worker_context
from tests.support.proxy import proxied
from tests.support.servers import Stack, address, at

YESTERDAY = """
INSERT INTO job_runs (night, job, status, started, finished, git_sha, deployment_id)
VALUES ($1, 'build_pack', 'succeeded', $2, $2, 'test', 'test')
"""
WAITING = "SELECT count(*) FROM pg_locks WHERE relation = 'portfolio_daily_values'::regclass AND NOT granted"


async def until(condition: Callable[[], Awaitable[object]], what: str, within: float = 60.0) -> None:
    """Until the condition holds; an AssertionError with `what` after the deadline."""
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


class MovedLog(PgJobLog):
    """The job record on a clock that is `by` ahead of the server's."""

    def __init__(self, database: Database, by: timedelta) -> None:
        super().__init__(database, "test", "test")
        self._by = by

    async def last_night(self) -> list[JobRun]:
        """The runs with their times moved."""
        found = await super().last_night()
        return [
            replace(run, started=run.started + self._by, finished=run.finished and run.finished + self._by)
            for run in found
        ]

    async def nights_since(self, time: datetime) -> int:
        """`time` is one of the moved clock."""
        return await super().nights_since(time - self._by)


async def test_a_database_that_fails_over_costs_a_try_and_not_the_night(
    stack: Stack, faults: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    # The test begins just after midnight, whatever the time is: a retry of ten minutes reaches into no other day.
    started = utc_now()
    midnight = begin_of_night(started)
    moved, skipped = midnight + timedelta(seconds=1) - started, timedelta(0)

    async def sleep(seconds: float) -> None:
        nonlocal skipped
        skipped += timedelta(seconds=seconds)
        await asyncio.sleep(0.02)

    def logged(text: str) -> Callable[[], Awaitable[object]]:
        return lambda: asyncio.sleep(0, text in caplog.text)

    def clock() -> datetime:
        return utc_now() + moved + skipped

    owner = await asyncpg.connect(stack.owner_url)
    database = Database(stack.database_url, 1)
    log = MovedLog(database, moved)

    async def whole() -> bool:
        return order_problem(await log.last_night()) is None

    await owner.execute(YESTERDAY, uuid4(), started - timedelta(hours=1))
    with proxied(faults, address(stack.database_url)) as wire:
        settings = Settings.from_env(stack.env(DATABASE_URL=at(stack.database_url, wire.port)))
        async with connect(settings) as services:
            await services.bookings.open(uuid4(), "Night", "USD")
            context = replace(worker_context(services), sleep=sleep, clock=clock, jobs=log)
            async with owner.transaction():
                # The third job stands still, so that the cut is in the middle of it.
                await owner.execute("LOCK TABLE portfolio_daily_values IN ACCESS EXCLUSIVE MODE")
                running = asyncio.create_task(nights_forever(context))
                await until(lambda: owner.fetchval(WAITING), "the night does not begin")
                wire.set("refuse")
                await until(logged("failed in compute_metrics (try"), "the cut is not noticed")
            try:
                await until(logged("cannot start"), "the worker does not wait for the database")
                assert not await whole()
                wire.set("pass")
                await until(whole, "the night is not retried")
                await until(logged(" succeeded "), "the success is not logged")
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            known = services.registry.get_sample_value
            assert [known("nights_total", {"outcome": o}) for o in ("failed", "succeeded")] == [1, 1]
            assert known("night_failed_tries") == 0
            pack = await services.packs.last_good()
            assert pack is not None
            assert pack.asof_date == midnight.date()
    await database.close()
    await owner.close()
