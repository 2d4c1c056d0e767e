"""Alerts end to end in memory: rules, evaluation, fan-out, delivery, dead letters, replay, worker loops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry

from app.core.alerts import Condition
from app.core.errors import NotFoundError, RateLimitedError, StoreUnavailableError
from app.metrics import NightMetrics
from app.services import worker_loops
from app.services.alert_ports import AlertRule, Delivery, DeliveryError
from app.services.alerting import MAX_RULES, AlertRefusedError, AlertService, NewAlert
from app.services.nightly import SACRED_ORDER, JobContext, run_night
from app.services.worker_loops import WorkerContext
from tests.support.memory import EPOCH, World

ANNA, BEN = uuid4(), uuid4()
DAY = date(2026, 11, 24)
DROP = Condition("<", Decimal("-0.05"), "intraday")
HOOK = "https://example.org/hook"


class Town:
    """A world with one portfolio whose value the test moves by its lots, and a clock it sets."""

    def __init__(self) -> None:
        self.world = World()
        self.now = EPOCH
        w = self.world
        self.alerts = AlertService(w.alert_store, w.tenants, w.portfolios, lambda: self.now, mail=True)
        w.deliveries._clock = lambda: self.now

    async def portfolio(self, user: UUID) -> UUID:
        w = self.world
        night = JobContext(
            DAY,
            w.settings.market_data,
            w.tenants,
            w.packs,
            w.jobs,
            w.portfolios,
            w.services.fx,
            w.reconciler,
            w.analysis,
        )
        await run_night(night)
        made = await w.bookings.open(user, "Main", "USD", Decimal(10**6))
        await self.set_shares(user, made.id, 100)
        return made.id

    async def set_shares(self, user: UUID, portfolio: UUID, shares: int) -> None:
        """Buy or sell to the wanted number: the value follows."""
        from app.services.bookings import TradeOrder

        held = sum(lot.quantity for lot in (await self.world.portfolios.get(user, portfolio)).lots)
        side, amount = ("buy", shares - held) if shares > held else ("sell", held - shares)
        await self.world.bookings.trade(
            user,
            TradeOrder(portfolio, "AAPL", side, Decimal(amount), Decimal(150), DAY),  # type: ignore[arg-type]
        )

    async def rule(self, user: UUID, portfolio: UUID, condition: Condition = DROP, **changes: object) -> AlertRule:
        wanted = {"cooldown_minutes": 15, "webhook_url": HOOK, "emails": ("a@example.org",)} | changes
        return await self.alerts.create(user, NewAlert(portfolio, condition, **wanted))  # type: ignore[arg-type]

    async def told(self, user: UUID) -> list[tuple[str, str]]:
        found = await self.alerts.notifications(user, 100)
        return sorted((d.method, d.status) for _, deliveries in found for d in deliveries)


@pytest.fixture
def town() -> Town:
    return Town()


async def fallen(town: Town, user: UUID = ANNA) -> UUID:
    portfolio = await town.portfolio(user)
    await town.rule(user, portfolio)
    await town.set_shares(user, portfolio, 90)
    return portfolio


async def test_a_fall_tells_every_recipient_once(town: Town) -> None:
    portfolio = await fallen(town)
    assert await town.alerts.evaluate(ANNA, portfolio, "intraday") == 1
    assert await town.told(ANNA) == [("email", "pending"), ("in_app", "delivered"), ("webhook", "pending")]
    ((firing, _),) = await town.alerts.notifications(ANNA, 10)
    assert firing.change == Decimal("-0.1")


async def test_nothing_is_told_when_the_value_holds(town: Town) -> None:
    portfolio = await town.portfolio(ANNA)
    await town.rule(ANNA, portfolio)
    assert await town.alerts.evaluate(ANNA, portfolio, "intraday") == 0
    (rule,) = await town.alerts.rules(ANNA)
    assert rule.last_evaluated_at == town.now


async def test_the_cooldown_keeps_quiet_and_ends(town: Town) -> None:
    portfolio = await fallen(town)
    fired = []
    for minutes in (0, 10, 14, 15, 20, 30):
        town.now = EPOCH + timedelta(minutes=minutes)
        fired.append(await town.alerts.evaluate(ANNA, portfolio, "intraday"))
    assert fired == [1, 0, 0, 1, 0, 1]


async def test_two_rules_that_say_the_same_tell_a_recipient_once(town: Town) -> None:
    portfolio = await town.portfolio(ANNA)
    await town.rule(ANNA, portfolio, emails=("a@example.org", "a@example.org", "b@example.org"))
    await town.rule(ANNA, portfolio, emails=("b@example.org", "c@example.org"))
    await town.set_shares(ANNA, portfolio, 50)
    assert await town.alerts.evaluate(ANNA, portfolio, "intraday") == 2
    found = [d.recipient for _, ds in await town.alerts.notifications(ANNA, 10) for d in ds if d.method == "email"]
    assert sorted(found) == ["a@example.org", "b@example.org", "c@example.org"]


async def test_the_same_rule_of_two_users_tells_each_once(town: Town) -> None:
    portfolios = {user: await fallen(town, user) for user in (ANNA, BEN)}
    for _ in range(2):
        for user, portfolio in portfolios.items():
            await town.alerts.evaluate(user, portfolio, "intraday")
    await town.world.deliveries.deliver_all()
    assert [len(await town.alerts.notifications(user, 10)) for user in (ANNA, BEN)] == [1, 1]
    assert len(town.world.senders[0].sent) == len(town.world.senders[1].sent) == 2


async def test_daily_rules_compare_nights_and_fire_once_per_date(town: Town) -> None:
    portfolio = await town.portfolio(ANNA)
    await town.rule(ANNA, portfolio, Condition("<", Decimal("-0.05"), "daily"))
    assert await town.alerts.evaluate(ANNA, portfolio, "daily") == 0
    async with town.world.tenants.begin(ANNA) as tx:
        await tx.save_daily_value(portfolio, DAY - timedelta(days=1), "p", Decimal(100))
        await tx.save_daily_value(portfolio, DAY, "p", Decimal(90))
    fired = [await town.alerts.evaluate(ANNA, portfolio, "daily") for _ in range(2)]
    assert fired == [1, 0]


async def test_after_a_night_its_value_is_the_reference(town: Town) -> None:
    portfolio = await fallen(town)
    async with town.world.tenants.begin(ANNA) as tx:
        await tx.save_daily_value(portfolio, DAY + timedelta(days=1), "p", Decimal("15369.3"))
    assert await town.alerts.evaluate(ANNA, portfolio, "intraday") == 0


async def test_without_a_pack_there_is_nothing_to_compare(town: Town) -> None:
    made = await town.world.bookings.open(ANNA, "Main", "USD", Decimal(0))
    rule = await town.rule(ANNA, made.id)
    assert rule.reference is None
    assert await town.alerts.evaluate(ANNA, made.id, "intraday") == 0


async def test_rules_are_refused_for_strangers_without_mail_and_in_masses(town: Town) -> None:
    portfolio = await town.portfolio(ANNA)
    with pytest.raises(NotFoundError):
        await town.rule(BEN, portfolio)
    town.alerts._mail = False
    with pytest.raises(AlertRefusedError, match="e-mail is not set up"):
        await town.rule(ANNA, portfolio)
    for _ in range(MAX_RULES):
        await town.rule(ANNA, portfolio, emails=())
    with pytest.raises(AlertRefusedError, match="remove one"):
        await town.rule(ANNA, portfolio, emails=())


async def test_a_removed_rule_is_gone_and_its_record_stays(town: Town) -> None:
    portfolio = await fallen(town)
    await town.alerts.evaluate(ANNA, portfolio, "intraday")
    (rule,) = await town.alerts.rules(ANNA)
    await town.alerts.remove(ANNA, rule.id)
    assert (await town.alerts.rules(ANNA), len(await town.alerts.notifications(ANNA, 10))) == ([], 1)
    for act in (town.alerts.remove, town.alerts.test):
        with pytest.raises(NotFoundError):
            await act(ANNA, rule.id)


async def test_one_recipient_gets_five_tests_an_hour_whichever_rule_asks(town: Town) -> None:
    """Nobody has verified that an address belongs to who names it: a test must not be a way to flood it."""
    portfolio = await town.portfolio(ANNA)
    for n in range(5):
        town.now = EPOCH + timedelta(minutes=n)
        # A rule that was removed has told what it told, and case makes no other mailbox.
        mailbox = "A@example.org" if n % 2 else "a@example.org"
        rule = await town.rule(ANNA, portfolio, webhook_url=None, emails=(mailbox,))
        await town.alerts.test(ANNA, rule.id)
        await town.alerts.remove(ANNA, rule.id)
    rule = await town.rule(ANNA, portfolio, webhook_url=None)
    other = await town.rule(ANNA, portfolio, webhook_url=None, emails=("b@example.org",))
    with pytest.raises(RateLimitedError, match=r"5 test messages an hour.*a@example\.org") as refused:
        await town.alerts.test(ANNA, rule.id)
    assert refused.value.retry_after == 56 * 60
    await town.alerts.test(ANNA, other.id)
    town.now = EPOCH + timedelta(hours=1)
    await town.alerts.test(ANNA, rule.id)
    with pytest.raises(RateLimitedError) as refused:
        await town.alerts.test(ANNA, rule.id)
    assert refused.value.retry_after == 60
    assert len([d for d in town.world.alert_store.books[ANNA].letters.values() if d.delivery.method == "email"]) == 7


async def test_a_user_has_ten_tests_an_hour_however_many_recipients_they_are_spread_over(town: Town) -> None:
    portfolio = await town.portfolio(ANNA)
    rules = [await town.rule(ANNA, portfolio, emails=(f"{n}@example.org",), webhook_url=None) for n in range(11)]
    for rule in rules[:10]:
        await town.alerts.test(ANNA, rule.id)
    with pytest.raises(RateLimitedError, match="10 tests an hour"):
        await town.alerts.test(ANNA, rules[10].id)


async def test_no_more_than_twenty_mails_an_hour_go_to_one_address(town: Town) -> None:
    """Rules that always hold, each a little different, with the shortest cooldown: the owner's list has them all."""
    portfolio = await town.portfolio(ANNA)
    for n in range(6):
        always = Condition(">", Decimal(-1) + Decimal(n) / 100, "intraday")
        await town.rule(ANNA, portfolio, always, cooldown_minutes=1, emails=("a@example.org",))
    for minute in range(5):
        town.now = EPOCH + timedelta(minutes=minute)
        assert await town.alerts.evaluate(ANNA, portfolio, "intraday") == 6
    letters = [letter.delivery for letter in town.world.alert_store.books[ANNA].letters.values()]
    assert {m: sum(d.method == m for d in letters) for m in ("email", "webhook", "in_app")} == {
        "email": 20,
        "webhook": 30,
        "in_app": 30,
    }
    town.now = EPOCH + timedelta(hours=1, minutes=5)
    await town.alerts.evaluate(ANNA, portfolio, "intraday")
    letters = [letter.delivery for letter in town.world.alert_store.books[ANNA].letters.values()]
    assert sum(d.method == "email" for d in letters) == 26


async def test_a_user_sends_no_more_than_a_hundred_mails_an_hour(town: Town) -> None:
    portfolio = await town.portfolio(ANNA)
    for n in range(25):
        always = Condition(">", Decimal(-1) + Decimal(n) / 100, "intraday")
        await town.rule(ANNA, portfolio, always, emails=tuple(f"{n}.{m}@example.org" for m in range(5)))
    await town.alerts.evaluate(ANNA, portfolio, "intraday")
    letters = [letter.delivery for letter in town.world.alert_store.books[ANNA].letters.values()]
    assert sum(d.method == "email" for d in letters) == 100


async def test_a_failed_delivery_is_tried_three_times_then_dead_then_replayed_once(town: Town) -> None:
    portfolio = await fallen(town)
    await town.alerts.evaluate(ANNA, portfolio, "intraday")
    hook, mail = town.world.senders
    hook.failures = [DeliveryError("status", "500") for _ in range(3)]
    counts = []
    for seconds in (0, 1, 6, 100):
        town.now = EPOCH + timedelta(seconds=seconds)
        counts.append(await town.world.deliveries.deliver(ANNA))
    assert counts == [1, 0, 0, 0]
    assert ("webhook", "dead") in await town.told(ANNA)
    assert await town.world.deliveries.replay_all() == 1
    assert await town.world.deliveries.deliver_all() == 1
    assert await town.world.deliveries.replay_all() == 0
    assert await town.world.deliveries.deliver_all() == 0
    assert (len(hook.sent), len(mail.sent)) == (1, 1)
    assert await town.told(ANNA) == [("email", "delivered"), ("in_app", "delivered"), ("webhook", "delivered")]


async def test_a_final_failure_is_not_retried(town: Town) -> None:
    portfolio = await fallen(town)
    await town.alerts.evaluate(ANNA, portfolio, "intraday")
    town.world.senders[0].failures = [DeliveryError("forbidden", "private address", final=True)]
    await town.world.deliveries.deliver(ANNA)
    assert ("webhook", "dead") in await town.told(ANNA)


async def test_automatic_replays_end(town: Town) -> None:
    portfolio = await fallen(town)
    await town.alerts.evaluate(ANNA, portfolio, "intraday")
    town.world.senders[0].failures = [DeliveryError("forbidden", "no", final=True) for _ in range(9)]
    replayed = []
    for _ in range(5):
        await town.world.deliveries.deliver_all()
        replayed.append(await town.world.deliveries.replay_all())
    assert replayed == [1, 1, 1, 0, 0]


async def test_who_dies_with_a_message_loses_it_to_the_next(town: Town) -> None:
    portfolio = await fallen(town)
    await town.alerts.evaluate(ANNA, portfolio, "intraday")

    async def die(delivery: Delivery) -> None:
        raise asyncio.CancelledError

    hook = town.world.senders[0]
    send, hook.send = hook.send, die  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await town.world.deliveries.deliver(ANNA)
    hook.send = send  # type: ignore[method-assign]
    assert await town.world.deliveries.deliver(ANNA) == 0
    town.now += timedelta(seconds=61)
    await town.world.deliveries.deliver(ANNA)
    assert len(hook.sent) == 1


async def test_the_latency_is_measured(town: Town) -> None:
    portfolio = await fallen(town)
    await town.alerts.evaluate(ANNA, portfolio, "intraday")
    town.now += timedelta(seconds=7)
    await town.world.deliveries.deliver(ANNA)
    sample = town.world.registry.get_sample_value
    assert sample("alert_delivery_duration_seconds_sum", {"delivery_method": "webhook"}) == 7
    assert sample("alert_delivery_success_total") == 2
    town.world.senders[0].failures = [DeliveryError("timeout", "slow")]
    (rule,) = await town.alerts.rules(ANNA)
    await town.alerts.test(ANNA, rule.id)
    await town.world.deliveries.deliver(ANNA)
    assert sample("alert_delivery_failures_total", {"delivery_method": "webhook", "error": "timeout"}) == 1


def worker_context(town: Town, **changes: object) -> WorkerContext:
    w = town.world
    night = JobContext(
        DAY, w.settings.market_data, w.tenants, w.packs, w.jobs, w.portfolios, w.services.fx, w.reconciler, w.analysis
    )

    @asynccontextmanager
    async def listen(_: object) -> AsyncIterator[asyncio.Queue[UUID | None]]:
        heard: asyncio.Queue[UUID | None] = asyncio.Queue()
        heard.put_nowait(ANNA)
        heard.put_nowait(None)
        yield heard

    known = {"sleep": asyncio.sleep, "night": lambda asof: replace(night, asof=asof), "listen": listen} | changes
    return WorkerContext(
        w.tenants, w.jobs, town.alerts, w.deliveries, w.mutex, known["night"], known["listen"],  # type: ignore[arg-type]
        lambda: town.now, 60.0, NightMetrics(CollectorRegistry()), known["sleep"],  # type: ignore[arg-type]
    )  # fmt: skip


async def test_a_worker_evaluates_when_nobody_else_does(town: Town) -> None:
    await fallen(town)
    async with town.world.mutex.hold("intraday", wait=False):
        assert await worker_loops.evaluate_once(worker_context(town)) == 0
    assert await worker_loops.evaluate_once(worker_context(town)) == 1


async def test_a_look_is_at_those_with_rules_and_now_and_then_at_everybody(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred users without a rule must not cost a hundred transactions a second."""
    seconds, looked = 100.0, list[UUID]()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: seconds)
    rules = town.alerts.rules

    async def counted(user_id: UUID) -> list[AlertRule]:
        looked.append(user_id)
        return await rules(user_id)

    async def look() -> list[UUID]:
        looked.clear()
        await worker_loops.evaluate_once(made)
        return sorted(looked)

    town.alerts.rules = counted  # type: ignore[method-assign]
    made = worker_context(town)
    portfolio, other = await town.portfolio(ANNA), await town.portfolio(BEN)
    everybody = sorted([ANNA, BEN])
    assert (await look(), await look()) == (everybody, [])
    rule = await town.rule(ANNA, portfolio)
    await town.rule(BEN, other, Condition("<", Decimal("-0.05"), "daily"))
    made.watchlist.rule_added(ANNA)
    made.watchlist.rule_added(BEN)
    assert (await look(), await look()) == (everybody, [ANNA])
    await town.alerts.remove(ANNA, rule.id)
    assert (await look(), await look()) == ([ANNA], [])
    made.watchlist.request_full_scan()
    assert (await look(), await look()) == (everybody, [])
    seconds += worker_loops.FULL_SCAN_SECONDS
    assert await look() == everybody


async def test_a_worker_delivers_what_it_hears_of_and_says_when_it_hears_no_more(town: Town) -> None:
    portfolio = await fallen(town)
    await town.alerts.evaluate(ANNA, portfolio, "intraday")
    with pytest.raises(StoreUnavailableError):
        await worker_loops.listen_and_deliver(worker_context(town))
    assert len(town.world.senders[0].sent) == 1


async def test_a_worker_sweeps_now_and_then(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_loops, "SWEEP_SECONDS", 0.001)
    assert await worker_loops._deliver_until_sweep(worker_context(town), asyncio.Queue())


async def test_a_worker_runs_the_night_once(town: Town) -> None:
    await town.portfolio(ANNA)
    assert await worker_loops.night_once(worker_context(town)) == 86400
    town.now = EPOCH + timedelta(days=1)
    assert await worker_loops.night_once(worker_context(town)) == worker_loops.RETRY_SECONDS
    assert (len(town.world.jobs.runs), town.world.jobs.runs[-1].status) == (12, "succeeded")


async def test_a_night_that_failed_is_tried_again_until_it_is_whole(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    """The database goes away in the third job of the night, and is back for the third try."""
    await town.portfolio(ANNA)
    waits: list[float] = []
    at = len(town.world.jobs.runs)
    # Runs have the times of the world's own clock, a second after a second from EPOCH on: the night is of that day.
    town.world.jobs.runs[:] = [replace(run, started=run.started - timedelta(days=1)) for run in town.world.jobs.runs]
    begin, failures = town.world.tenants.begin, 2

    @asynccontextmanager
    async def failing(user_id: UUID, snapshot: bool = False) -> AsyncIterator[object]:
        nonlocal failures
        if town.world.jobs.runs[-1].job == "compute_metrics" and failures:
            failures -= 1
            raise StoreUnavailableError("the database does not answer")
        async with begin(user_id, snapshot) as tx:
            yield tx

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        town.now = max(town.now, town.world.jobs.runs[-1].started) + timedelta(seconds=seconds)
        if town.world.jobs.runs[-1].job == "evaluate_alerts":
            raise EnoughError

    town.world.tenants.begin = failing  # type: ignore[method-assign,assignment]
    made = worker_context(town, sleep=sleep)
    with pytest.raises(EnoughError):
        await worker_loops.nights_forever(made)
    assert [run.job for run in town.world.jobs.runs[at:]] == 2 * list(SACRED_ORDER[:3]) + list(SACRED_ORDER)
    assert max(waits) <= 10
    told = [record.getMessage() for record in caplog.records]
    assert (
        "failed in compute_metrics (try 1, before the deadline of 00:15); it will be retried: the database" in told[0]
    )
    assert "at try 3" in told[-1]
    sample = made.nights._nights.collect()[0].samples  # type: ignore[attr-defined]
    assert {s.labels["outcome"]: s.value for s in sample if s.name == "nights_total"} == {"succeeded": 1, "failed": 2}


class EnoughError(Exception):
    """Ends a loop that has no end."""


@pytest.mark.parametrize("loop", worker_loops.LOOPS)
async def test_every_loop_waits_for_a_database_that_is_away(town: Town, loop: object) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) > 3:
            raise EnoughError

    @asynccontextmanager
    async def away(*_: object, **__: object) -> AsyncIterator[object]:
        raise StoreUnavailableError("away")
        yield

    await town.portfolio(ANNA)
    town.world.mutex.hold = away  # type: ignore[method-assign,assignment]
    town.world.alert_store.begin = away  # type: ignore[method-assign,assignment]
    with pytest.raises(EnoughError):
        await loop(worker_context(town, sleep=sleep, listen=away))  # type: ignore[operator]
    assert worker_loops.RETRY_SECONDS in waits


async def test_a_worker_wakes_for_a_retry(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_loops, "SWEEP_SECONDS", 0.05)
    portfolio = await fallen(town)
    await town.alerts.evaluate(ANNA, portfolio, "intraday")
    town.world.senders[0].failures = [DeliveryError("status", "500")]
    await town.world.deliveries.deliver(ANNA)
    assert town.world.deliveries.retries == {ANNA: town.now + timedelta(seconds=1)}
    town.now += timedelta(seconds=1)
    assert await worker_loops._deliver_until_sweep(worker_context(town), asyncio.Queue())
    assert (len(town.world.senders[0].sent), town.world.deliveries.retries) == (1, {})


async def test_a_change_beyond_all_bounds_is_told_as_the_largest_that_is_kept(town: Town) -> None:
    """From a hair of a share to the largest trade: the number must fit its column, or the worker would end over it."""
    from app.services.bookings import TradeOrder

    portfolio = await town.portfolio(ANNA)
    await town.set_shares(ANNA, portfolio, 0)

    async def bought(quantity: str) -> None:
        order = TradeOrder(portfolio, "AAPL", "buy", Decimal(quantity), Decimal(150), DAY)
        await town.world.bookings.trade(ANNA, order)

    await bought("0.0000000001")
    await town.rule(ANNA, portfolio, Condition(">", Decimal(0), "intraday"))
    await bought("1e17")
    assert await town.alerts.evaluate(ANNA, portfolio, "intraday") == 1
    ((firing, _),) = await town.alerts.notifications(ANNA, 10)
    assert firing.change == Decimal("1e19")
