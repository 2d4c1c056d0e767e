"""What the worker process does for as long as it lives: deliver, evaluate intraday rules, replay, run the night.

Each loop is a plain `while True` over one action and one wait. A database that is away is waited for; everything else
that goes wrong ends the process, because a worker that limps on is noticed by nobody and a restart is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

from app.core.errors import CacheUnavailableError, StoreUnavailableError
from app.services.alert_ports import Mutex
from app.services.alerting import AlertService
from app.services.delivery import DeliveryService
from app.services.nightly import NIGHT_LOCK, Night, run_night
from app.services.ports import Clock, JobLog, TenantStore
from app.services.schedule import night_is_due, seconds_to_night

SWEEP_SECONDS = 15.0
REPLAY_SECONDS = 3600.0
AGAIN_SECONDS = 1.0
# A sleep until midnight is cut into pieces, so that a clock that is set is noticed.
LOOK_SECONDS = 30.0

Listen = Callable[[], AbstractAsyncContextManager["asyncio.Queue[UUID | None]"]]


@dataclass(frozen=True, slots=True)
class Work:
    """What the loops work with."""

    tenants: TenantStore
    jobs: JobLog
    alerts: AlertService
    deliveries: DeliveryService
    mutex: Mutex
    night: Callable[[], Night]
    listen: Listen
    clock: Clock
    alert_interval: float
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def patiently(work: Work, action: Callable[[], Awaitable[object]]) -> bool:
    """Do it; False when the database is away, after a short wait."""
    try:
        await action()
    except (StoreUnavailableError, CacheUnavailableError):
        await work.sleep(AGAIN_SECONDS)
        return False
    return True


async def deliver_forever(work: Work) -> None:
    """Deliver for whoever has a new message, at once; sweep all users now and then for what is due again."""
    while True:
        await patiently(work, lambda: listen_and_deliver(work))


async def listen_and_deliver(work: Work) -> None:
    """Until the listening connection is lost."""
    async with work.listen() as heard:
        while True:
            # Listening first and sweeping then: what was written in between is in one of the two.
            await work.deliveries.deliver_all()
            if not await _until_sweep(work, heard):
                raise StoreUnavailableError("the listening connection was lost")


async def _until_sweep(work: Work, heard: asyncio.Queue[UUID | None]) -> bool:
    loop = asyncio.get_running_loop()
    sweep_at = loop.time() + SWEEP_SECONDS
    while (left := sweep_at - loop.time()) > 0:
        retries = work.deliveries.retries
        soonest = min(retries, key=lambda user_id: retries[user_id], default=None)
        if soonest is not None:
            left = min(left, max(0.0, (retries[soonest] - work.clock()).total_seconds()))
        try:
            # Only the waiting is cut short: a message that is being sent is sent to its end.
            user_id = await asyncio.wait_for(heard.get(), left)
        except TimeoutError:
            if soonest is None or work.clock() < retries[soonest]:
                continue
            user_id = soonest
        if user_id is None:
            return False
        await work.deliveries.deliver(user_id)
    return True


async def evaluate_once(work: Work) -> int:
    """All intraday rules of all users; one worker at a time."""
    fired = 0
    async with work.mutex.hold("intraday", wait=False) as mine:
        if mine:
            for user_id in await work.tenants.users():
                for portfolio_id in dict.fromkeys(r.portfolio_id for r in await work.alerts.rules(user_id)):
                    fired += await work.alerts.evaluate(user_id, portfolio_id, "intraday")
    return fired


async def evaluate_forever(work: Work) -> None:
    """Evaluate, wait, again."""
    while True:
        await patiently(work, lambda: evaluate_once(work))
        await work.sleep(work.alert_interval)


async def replay_forever(work: Work) -> None:
    """Give dead letters another chance every hour."""
    while True:
        await work.sleep(REPLAY_SECONDS)
        await patiently(work, work.deliveries.replay_all)


async def night_once(work: Work) -> bool:
    """Run the night if it is due; True if it ran here."""
    async with work.mutex.hold(NIGHT_LOCK, wait=True):
        # Under the lock, because another worker may have run it while this one waited.
        if not night_is_due(work.clock(), await work.jobs.last_night()):
            return False
        await run_night(work.night())
        return True


async def nights_forever(work: Work) -> None:
    """Run each night when its day begins, or as soon as somebody is here to run it."""
    while True:
        if await patiently(work, lambda: night_once(work)):
            await work.sleep(min(LOOK_SECONDS, max(AGAIN_SECONDS, seconds_to_night(work.clock()))))


LOOPS = (deliver_forever, evaluate_forever, replay_forever, nights_forever)
