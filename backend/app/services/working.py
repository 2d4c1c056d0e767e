"""What the worker process does for as long as it lives: deliver, evaluate intraday rules, replay, run the night.

Each loop is a plain `while True` over one action and one wait. A database that is away is waited for, and a night that
failed is tried again; everything else that goes wrong ends the process, because a worker that limps on is noticed by
nobody and a restart is counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.core.errors import CacheUnavailableError, StoreUnavailableError
from app.services.alert_ports import Mutex
from app.services.alerting import AlertService
from app.services.delivery import DeliveryService
from app.services.nightly import NIGHT_LOCK, Night, Outcome, run_night
from app.services.ports import Clock, JobLog, TenantStore
from app.services.schedule import PROMISED, begin_of_night, due_at, seconds_to_night

log = logging.getLogger(__name__)

SWEEP_SECONDS = 15.0
REPLAY_SECONDS = 3600.0
AGAIN_SECONDS = 1.0
# A sleep until midnight is cut into pieces, so that a clock that is set is noticed.
LOOK_SECONDS = 30.0

# Rules made by a release that tells nobody, or while nobody listened.
WALK_SECONDS = 60.0
AWAY = (StoreUnavailableError, CacheUnavailableError)
Listen = Callable[[Callable[[UUID], None]], AbstractAsyncContextManager["asyncio.Queue[UUID | None]"]]


class Watched:
    """Users to look at: those with intraday rules, those who have just made a rule, and now and then all of them.

    Nobody can see the rules of two users at once, so a look at everybody is a transaction for each; most have no rule
    that is evaluated more than once a night.
    """

    def __init__(self) -> None:
        self._with_rules: set[UUID] = set()
        self._new: set[UUID] = set()
        self._walk_at = 0.0

    def ruled(self, user_id: UUID) -> None:
        """Somebody has made a rule."""
        self._new.add(user_id)

    def doubt(self) -> None:
        """Something may have been missed: the next look is at everybody."""
        self._walk_at = 0.0

    async def users(self, tenants: TenantStore, monotonic: float) -> list[UUID]:
        """Whom to look at now."""
        if monotonic >= self._walk_at:
            found = await tenants.users()
            self._with_rules, self._new, self._walk_at = set(), set(), monotonic + WALK_SECONDS
            return found
        found, self._new = sorted(self._with_rules | self._new), set()
        return found

    def saw(self, user_id: UUID, has_rules: bool) -> None:
        """What a look has shown."""
        (self._with_rules.add if has_rules else self._with_rules.discard)(user_id)


class NightMeter(Protocol):
    """Counts what became of nights."""

    def ended(self, ok: bool, since_midnight: float) -> None: ...


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
    nights: NightMeter
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    watched: Watched = field(default_factory=Watched)


async def patiently(work: Work, action: Callable[[], Awaitable[object]]) -> bool:
    """Do it; False when the database is away, after a short wait."""
    try:
        await action()
    except AWAY:
        await work.sleep(AGAIN_SECONDS)
        return False
    return True


async def deliver_forever(work: Work) -> None:
    """Deliver for whoever has a new message, at once; sweep all users now and then for what is due again."""
    while True:
        await patiently(work, lambda: listen_and_deliver(work))


async def listen_and_deliver(work: Work) -> None:
    """Until the listening connection is lost."""
    async with work.listen(work.watched.ruled) as heard:
        work.watched.doubt()
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
        for user_id in await work.watched.users(work.tenants, asyncio.get_running_loop().time()) if mine else []:
            rules = [r for r in await work.alerts.rules(user_id) if r.condition.window == "intraday"]
            work.watched.saw(user_id, bool(rules))
            for portfolio_id in dict.fromkeys(rule.portfolio_id for rule in rules):
                fired += await work.alerts.evaluate(user_id, portfolio_id, "intraday")
    return fired


async def evaluate_forever(work: Work) -> None:
    """Evaluate, wait, again."""
    while True:
        if not await patiently(work, lambda: evaluate_once(work)):
            # It ended somewhere on its way through the users.
            work.watched.doubt()
        await work.sleep(work.alert_interval)


async def replay_forever(work: Work) -> None:
    """Give dead letters another chance every hour."""
    while True:
        await work.sleep(REPLAY_SECONDS)
        await patiently(work, work.deliveries.replay_all)


async def night_once(work: Work) -> float:
    """Run the night if it is due, for the first time or again; the seconds until it is worth looking once more."""
    async with work.mutex.hold(NIGHT_LOCK, wait=True):
        # Under the lock, because another worker may have run it while this one waited.
        now = work.clock()
        tries = await work.jobs.nights_since(begin_of_night(now))
        due = due_at(now, await work.jobs.last_night(), tries)
        if due is None:
            return seconds_to_night(now)
        if due > now:
            return min((due - now).total_seconds(), seconds_to_night(now))
        _note(work, await run_night(work.night()), now, tries)
        return AGAIN_SECONDS


def _note(work: Work, outcomes: list[Outcome], began: datetime, tries: int) -> None:
    """The job record has what was tried; this is for who reads logs and dashboards."""
    midnight, last = begin_of_night(began), outcomes[-1]
    since = work.clock() - midnight
    work.nights.ended(last.ok, since.total_seconds())
    if not last.ok:
        when = "before 00:15" if since <= PROMISED else "after 00:15, by which its pack was promised"
        message = "the night of %s failed in %s (try %d, %s) and is tried again: %s"
        log.warning(message, midnight.date(), last.job, tries + 1, when, last.detail)
    elif tries:
        log.warning(
            "the night of %s is over, %d s after midnight, at try %d", midnight.date(), since.seconds, tries + 1
        )


async def nights_forever(work: Work) -> None:
    """Run each night when its day begins, or as soon as somebody is here to run it, until one went well."""
    while True:
        try:
            wait = await night_once(work)
        except AWAY as error:
            log.warning("the night cannot be looked after: %s", error)
            wait = AGAIN_SECONDS
        await work.sleep(min(LOOK_SECONDS, max(AGAIN_SECONDS, wait)))


LOOPS = (deliver_forever, evaluate_forever, replay_forever, nights_forever)
