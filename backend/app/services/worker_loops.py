"""The loops of the worker: deliver messages, evaluate intraday rules, replay dead letters, run the nightly jobs.

Each loop repeats one action and one wait. When the database or the cache is unavailable, the loop retries; a night that
failed runs again. Every other exception ends the process: the platform counts a restart, and a worker that goes on
without one of its loops would go unnoticed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from app.core.errors import CacheUnavailableError, StoreUnavailableError
from app.services.alert_ports import Mutex
from app.services.alerting import AlertService
from app.services.delivery import DeliveryService
from app.services.nightly import NIGHT_LOCK, JobContext, JobResult, run_night
from app.services.ports import Clock, JobLog, TenantStore
from app.services.schedule import PACK_DEADLINE, begin_of_night, due_at, seconds_to_night

log = logging.getLogger(__name__)

SWEEP_SECONDS = 15.0
REPLAY_SECONDS = 3600.0
RETRY_SECONDS = 1.0
# The wait until midnight is cut into pieces, so that the loop notices when the clock is set.
MAX_SLEEP_SECONDS = 30.0
# Finds the rules made by an older release that sends no notification, or made while this worker was not listening.
FULL_SCAN_SECONDS = 60.0
OUTAGES = (StoreUnavailableError, CacheUnavailableError)
Listen = Callable[[Callable[[UUID], None]], AbstractAsyncContextManager["asyncio.Queue[UUID | None]"]]


class UserWatchlist:
    """The users whose intraday rules are due: those known to have rules, those with a new rule, now and then all.

    Row-level security shows one user's rules at a time, so a scan of all users is one transaction for each. Most users
    have no intraday rule, and the watchlist leaves them out between two full scans.
    """

    def __init__(self) -> None:
        self._with_rules: set[UUID] = set()
        self._new: set[UUID] = set()
        self._next_full_scan = 0.0

    def rule_added(self, user_id: UUID) -> None:
        """Include a user who has just made a rule."""
        self._new.add(user_id)

    def request_full_scan(self) -> None:
        """Return all users next time: notifications or a part of the last scan may have been missed."""
        self._next_full_scan = 0.0

    async def due(self, tenants: TenantStore, monotonic: float) -> list[UUID]:
        """The users to evaluate now; `monotonic` is the time in seconds."""
        if monotonic >= self._next_full_scan:
            found = await tenants.users()
            self._with_rules, self._new, self._next_full_scan = set(), set(), monotonic + FULL_SCAN_SECONDS
            return found
        found, self._new = sorted(self._with_rules | self._new), set()
        return found

    def record(self, user_id: UUID, has_rules: bool) -> None:
        """Note whether a user has intraday rules."""
        (self._with_rules.add if has_rules else self._with_rules.discard)(user_id)


class NightMeter(Protocol):
    """Counts the outcomes of nights."""

    def ended(self, ok: bool, since_midnight: float) -> None: ...


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What the loops use. `alert_interval` is in seconds; `sleep` is replaced by tests."""

    tenants: TenantStore
    jobs: JobLog
    alerts: AlertService
    deliveries: DeliveryService
    mutex: Mutex
    night: Callable[[date], JobContext]
    listen: Listen
    clock: Clock
    alert_interval: float
    nights: NightMeter
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    watchlist: UserWatchlist = field(default_factory=UserWatchlist)


async def attempt(context: WorkerContext, action: Callable[[], Awaitable[object]]) -> bool:
    """Run `action`; on an outage wait RETRY_SECONDS and return False."""
    try:
        await action()
    except OUTAGES:
        await context.sleep(RETRY_SECONDS)
        return False
    return True


async def deliver_forever(context: WorkerContext) -> None:
    """Deliver new messages as they are committed, and sweep all users every SWEEP_SECONDS for retries."""
    while True:
        await attempt(context, lambda: listen_and_deliver(context))


async def listen_and_deliver(context: WorkerContext) -> None:
    """Deliver until the listening connection is lost; raises StoreUnavailableError then."""
    async with context.listen(context.watchlist.rule_added) as notified:
        context.watchlist.request_full_scan()
        while True:
            # The worker listens before it sweeps: a message written in between is found by one of the two.
            await context.deliveries.deliver_all()
            if not await _deliver_until_sweep(context, notified):
                raise StoreUnavailableError("the listening connection was lost")


async def _deliver_until_sweep(context: WorkerContext, notified: asyncio.Queue[UUID | None]) -> bool:
    """Deliver for notified users and for due retries until the next sweep; False when the connection is lost."""
    loop = asyncio.get_running_loop()
    sweep_at = loop.time() + SWEEP_SECONDS
    while (left := sweep_at - loop.time()) > 0:
        retries = context.deliveries.retries
        soonest = min(retries, key=lambda user_id: retries[user_id], default=None)
        if soonest is not None:
            left = min(left, max(0.0, (retries[soonest] - context.clock()).total_seconds()))
        try:
            # The timeout covers the wait alone: a delivery that has begun is not interrupted.
            user_id = await asyncio.wait_for(notified.get(), left)
        except TimeoutError:
            if soonest is None or context.clock() < retries[soonest]:
                continue
            user_id = soonest
        if user_id is None:
            return False
        await context.deliveries.deliver(user_id)
    return True


async def evaluate_once(context: WorkerContext) -> int:
    """Evaluate the intraday rules that are due, one worker at a time; the number of rules that fired."""
    fired = 0
    async with context.mutex.hold("intraday", wait=False) as acquired:
        now = asyncio.get_running_loop().time()
        for user_id in await context.watchlist.due(context.tenants, now) if acquired else []:
            rules = [r for r in await context.alerts.rules(user_id) if r.condition.window == "intraday"]
            context.watchlist.record(user_id, bool(rules))
            for portfolio_id in dict.fromkeys(rule.portfolio_id for rule in rules):
                fired += await context.alerts.evaluate(user_id, portfolio_id, "intraday")
    return fired


async def evaluate_forever(context: WorkerContext) -> None:
    """Evaluate intraday rules every `alert_interval` seconds."""
    while True:
        if not await attempt(context, lambda: evaluate_once(context)):
            # The outage may have cut the scan short.
            context.watchlist.request_full_scan()
        await context.sleep(context.alert_interval)


async def replay_forever(context: WorkerContext) -> None:
    """Make dead letters due again every hour."""
    while True:
        await context.sleep(REPLAY_SECONDS)
        await attempt(context, context.deliveries.replay_all)


async def night_once(context: WorkerContext) -> float:
    """Run the nightly jobs if they are due, for the first time or again; the seconds until the next look."""
    async with context.mutex.hold(NIGHT_LOCK, wait=True):
        # Checked under the lock: another worker may have run the night while this one waited. One look at the clock
        # decides both that a night is due and of which date it is: midnight may fall in between.
        now = context.clock()
        night = context.night(now.date())
        tries = await context.jobs.nights_since(begin_of_night(now))
        good = await night.packs.last_good()
        due = due_at(now, await context.jobs.last_night(), tries, good.asof_date if good else None)
        if due is None:
            return seconds_to_night(now)
        if due > now:
            return min((due - now).total_seconds(), seconds_to_night(now))
        _report(context, await run_night(night), now, tries)
        return RETRY_SECONDS


def _report(context: WorkerContext, results: list[JobResult], began: datetime, tries: int) -> None:
    """Count and log the night; the job record has the details."""
    midnight, last = begin_of_night(began), results[-1]
    since = context.clock() - midnight
    context.nights.ended(last.ok, since.total_seconds())
    if not last.ok:
        when = "before" if since <= PACK_DEADLINE else "after"
        message = "the night of %s failed in %s (try %d, %s the deadline of 00:15); it will be retried: %s"
        log.warning(message, midnight.date(), last.job, tries + 1, when, last.detail)
    elif tries:
        message = "the night of %s succeeded %d s after midnight, at try %d"
        log.warning(message, midnight.date(), since.seconds, tries + 1)


async def nights_forever(context: WorkerContext) -> None:
    """Run each night when its day begins, or as soon as a worker runs, until it succeeds."""
    while True:
        try:
            wait = await night_once(context)
        except OUTAGES as error:
            log.warning("the nightly jobs cannot start: %s", error)
            wait = RETRY_SECONDS
        await context.sleep(min(MAX_SLEEP_SECONDS, max(RETRY_SECONDS, wait)))


LOOPS = (deliver_forever, evaluate_forever, replay_forever, nights_forever)
