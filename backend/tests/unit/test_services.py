"""app.services over the ports in memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app.core.errors import MarketDataError, NotFoundError, PackWarmingError, PastDateError, TradeRefusedError
from app.core.lots import Side
from app.services import packs
from app.services.demo import seed
from app.services.nightly import (
    JOBS,
    NIGHT_LOCK,
    SACRED_ORDER,
    JobContext,
    order_problem,
    refuse_past,
    run_job,
    run_night,
)
from app.services.packs import load_market_data
from app.services.portfolios import TradeOrder
from app.settings import PACKAGED_MARKET_DATA
from jobs import nightly, verify_order
from tests.support.memory import FX, World

D = Decimal
DAY = date(2026, 11, 24)
ANNA, BEN = uuid4(), uuid4()


def night(world: World, asof: date = DAY, market_data: Path | None = None) -> JobContext:
    file = market_data or world.settings.market_data
    return JobContext(
        asof, file, world.tenants, world.packs, world.jobs, world.portfolios, FX, world.reconciler, world.analysis
    )


def order(
    portfolio: UUID, side: Side = "buy", quantity: str = "100", symbol: str = "AAPL", price: str = "150"
) -> TradeOrder:
    return TradeOrder(portfolio, symbol, side, D(quantity), D(price), DAY)


async def ready() -> tuple[World, UUID]:
    """A world after its first night, with a USD portfolio of Anna."""
    world = World()
    assert all(outcome.ok for outcome in await run_night(night(world)))
    return world, (await world.bookings.open(ANNA, "Main", "USD")).id


def restated(tmp_path: Path, **closes: str) -> Path:
    """Market data in which some closes of the last day differ."""
    raw = json.loads(PACKAGED_MARKET_DATA.read_text())
    raw["observations"][-1]["closes"].update(closes)
    file = tmp_path / "market.json"
    file.write_text(json.dumps(raw))
    return file


async def test_a_purchase_opens_a_lot_and_a_sale_shrinks_it() -> None:
    world, portfolio = await ready()
    bought = await world.bookings.trade(ANNA, order(portfolio))
    assert [(lot.quantity, lot.unit_cost) for lot in bought.open_lots] == [(D(100), D(150))]
    assert bought.realised is None
    sold = await world.bookings.trade(ANNA, order(portfolio, "sell", "40", price="170"))
    assert [lot.quantity for lot in sold.open_lots] == [D(60)]
    assert sold.realised is not None
    assert sold.realised.total == D(800)


async def test_a_refused_sale_books_nothing() -> None:
    world, portfolio = await ready()
    await world.bookings.trade(ANNA, order(portfolio))
    with pytest.raises(TradeRefusedError):
        await world.bookings.trade(ANNA, order(portfolio, "sell", "101"))
    assert len(world.tenants.books[ANNA].transactions[portfolio]) == 1


@pytest.mark.parametrize(("day", "rate"), [(date(2023, 10, 31), "1.0619"), (date(2023, 11, 4), "1.0702")])
async def test_a_foreign_trade_locks_the_rate_of_its_own_day(day: date, rate: str) -> None:
    """A Saturday has Friday's rate; what the pack of today says does not matter."""
    world, portfolio = await ready()
    wanted = replace(order(portfolio, symbol="BMW.DE", quantity="50", price="90"), trade_date=day)
    booked = await world.bookings.trade(ANNA, wanted)
    assert booked.transaction.fx_rate == D(rate)
    assert booked.transaction.currency == "EUR"


async def test_a_security_outside_the_universe_is_refused() -> None:
    world, portfolio = await ready()
    with pytest.raises(TradeRefusedError, match="universe"):
        await world.bookings.trade(ANNA, order(portfolio, symbol="NOPE"))


async def test_a_trade_needs_no_pack_but_a_rate() -> None:
    world = World()
    await world.packs.add_securities(load_market_data(PACKAGED_MARKET_DATA).universe)
    portfolio = (await world.bookings.open(ANNA, "Main", "USD")).id
    before_the_euro = replace(order(portfolio, symbol="BMW.DE"), trade_date=date(1998, 12, 31))
    with pytest.raises(TradeRefusedError, match="no reference rates on or before 1998-12-31"):
        await world.bookings.trade(ANNA, before_the_euro)
    assert (await world.bookings.trade(ANNA, order(portfolio, symbol="BMW.DE"))).transaction.fx_rate > 1


@pytest.mark.parametrize("stranger", [BEN, uuid4()])
async def test_another_users_portfolio_does_not_exist(stranger: UUID) -> None:
    world, portfolio = await ready()
    for act in (
        world.portfolios.get(stranger, portfolio),
        world.portfolios.value(stranger, portfolio),
        world.bookings.trade(stranger, order(portfolio)),
    ):
        with pytest.raises(NotFoundError, match="no such portfolio"):
            await act


async def test_valuation_is_cached_until_the_next_trade() -> None:
    world, portfolio = await ready()
    await world.bookings.trade(ANNA, order(portfolio))
    first = await world.portfolios.value(ANNA, portfolio)
    again = await world.portfolios.value(ANNA, portfolio)
    assert (first.cached, again.cached) == (False, True)
    assert first.body == again.body
    await world.bookings.trade(ANNA, order(portfolio))
    after = await world.portfolios.value(ANNA, portfolio)
    assert after.cached is False
    assert json.loads(after.body)["total"] == "34154"


async def test_without_cache_the_database_answers_the_same() -> None:
    world, portfolio = await ready()
    await world.bookings.trade(ANNA, order(portfolio))
    with_cache = await world.portfolios.value(ANNA, portfolio)
    world.raw_cache.down = True
    without = await world.portfolios.value(ANNA, portfolio)
    assert without.body == with_cache.body
    assert without.cached is False


async def test_a_lost_cache_is_left_alone_for_a_second() -> None:
    world = World()
    world.raw_cache.down = True
    assert await world.cache.get("k") is None
    calls = world.raw_cache.calls
    assert await world.cache.set("k", b"v", 1) is False
    assert await world.cache.get("k") is None
    assert world.raw_cache.calls == calls
    world.now += 2
    assert await world.cache.set("k", b"v", 1) is False
    assert world.raw_cache.calls == calls + 1
    world.raw_cache.down = False
    assert await world.cache.available() is True
    assert await world.cache.set("k", b"v", 1) is True
    assert await world.cache.get("k") == b"v"


async def test_a_trade_during_a_valuation_is_not_cached_under_the_old_version() -> None:
    world, portfolio = await ready()
    plain_content = world.packs.content

    async def trade_first(pack_id: str) -> object:
        await world.bookings.trade(ANNA, order(portfolio))
        return await plain_content(pack_id)

    world.portfolios._contents.clear()
    world.packs.content = trade_first  # type: ignore[method-assign, assignment]
    result = await world.portfolios.value(ANNA, portfolio)
    assert json.loads(result.body)["total"] == "17077"
    assert world.raw_cache.values == {}


async def test_an_old_pack_stays_readable_and_gives_the_same_bytes(tmp_path: Path) -> None:
    world, portfolio = await ready()
    await world.bookings.trade(ANNA, order(portfolio))
    old = await world.portfolios.value(ANNA, portfolio)
    await run_night(night(world, market_data=restated(tmp_path, AAPL="171")))
    latest = await world.portfolios.value(ANNA, portfolio)
    world.raw_cache.values.clear()
    again = await world.portfolios.value(ANNA, portfolio, old.pack.id)
    assert again.body == old.body
    assert latest.pack.supersedes == old.pack.id
    assert json.loads(latest.body)["total"] == "17100"


async def test_a_pack_that_does_not_match_its_hash_is_never_used() -> None:
    world, portfolio = await ready()
    await world.bookings.trade(ANNA, order(portfolio))
    (pack_id,) = world.packs.headers
    content = world.packs.contents[pack_id]
    world.packs.contents[pack_id] = replace(content, policy="altered")
    world.portfolios._contents.clear()
    with pytest.raises(MarketDataError, match="does not match its hash"):
        await world.portfolios.value(ANNA, portfolio)


async def test_only_the_recent_packs_stay_in_memory() -> None:
    world = World()
    for day in range(1, 12):
        header = await packs.build(world.packs, FX, PACKAGED_MARKET_DATA, date(2026, 1, day))
        await world.portfolios.pack_content(header)
    assert len(world.portfolios._contents) == 8


async def test_an_unknown_pack_is_not_found() -> None:
    world, portfolio = await ready()
    with pytest.raises(NotFoundError, match="no such pricing pack"):
        await world.portfolios.value(ANNA, portfolio, "PP-1999-01-01-v1")


async def test_building_twice_from_one_market_changes_nothing() -> None:
    world = World()
    first = await packs.build(world.packs, FX, PACKAGED_MARKET_DATA, DAY)
    assert await packs.build(world.packs, FX, PACKAGED_MARKET_DATA, DAY) == first
    assert len(world.packs.headers) == 1


async def test_while_a_new_pack_warms_the_last_good_one_is_served_as_stale(tmp_path: Path) -> None:
    world, _ = await ready()
    good = await packs.current(world.packs, world.jobs)
    assert good.stale is False
    await run_job(night(world, market_data=restated(tmp_path, AAPL="171")), "build_pack")
    warming = await packs.current(world.packs, world.jobs)
    assert (warming.pack.id, warming.stale) == (good.pack.id, True)
    await run_job(night(world), "mark_pack_fresh")
    fresh = await packs.current(world.packs, world.jobs)
    assert (fresh.pack.supersedes, fresh.stale) == (good.pack.id, False)


async def test_after_a_failed_build_the_good_pack_is_stale(tmp_path: Path) -> None:
    world, _ = await ready()
    outcome = await run_job(night(world, market_data=tmp_path / "gone.json"), "build_pack")
    assert (outcome.ok, world.jobs.runs[-1].status) == (False, "failed")
    assert (await packs.current(world.packs, world.jobs)).stale is True


async def test_the_night_runs_the_six_jobs_in_order() -> None:
    world = World()
    outcomes = await run_night(night(world))
    assert tuple(o.job for o in outcomes) == SACRED_ORDER == tuple(JOBS)
    assert order_problem(await world.jobs.last_night()) is None


async def test_a_failure_stops_the_night_and_no_pack_opens(tmp_path: Path) -> None:
    world = World()
    outcomes = await run_night(night(world, market_data=tmp_path / "gone.json"))
    assert [(o.job, o.ok) for o in outcomes] == [("build_pack", False)]
    with pytest.raises(PackWarmingError):
        await packs.current(world.packs, world.jobs)


async def test_a_difference_keeps_the_pack_closed() -> None:
    world, portfolio = await ready()
    await world.bookings.trade(ANNA, order(portfolio))
    books = world.tenants.books[ANNA]
    books.lots[portfolio] = [replace(lot, quantity=D(99)) for lot in books.lots[portfolio]]
    outcomes = await run_night(night(world, asof=date(2026, 11, 25)))
    assert [o.job for o in outcomes] == ["build_pack", "reconcile_ledger"]
    assert "lots hold 99, transactions say 100" in outcomes[-1].detail
    newest = await world.packs.newest()
    assert newest is not None
    assert newest.is_fresh is False


async def test_a_job_before_the_first_pack_fails_by_name() -> None:
    outcome = await run_job(night(World()), "mark_pack_fresh")
    assert (outcome.ok, outcome.detail) == (False, "no pricing pack of 2026-11-24 has been built")


OLD = date(2023, 10, 31)


async def test_a_night_of_an_old_date_is_refused_and_says_how_the_pack_is_rebuilt() -> None:
    """It would store what is held now as the value of a day long gone."""
    world, _ = await ready()
    runs = list(world.jobs.runs)
    with pytest.raises(
        PastDateError, match=r"2023-10-31 is before .*PP-2026-11-24-v1.*jobs\.build_pack --date 2023-10-31"
    ):
        await refuse_past(night(world, OLD), DAY)
    assert world.jobs.runs == runs
    await refuse_past(night(World(), OLD), DAY)
    await refuse_past(night(world), DAY)
    # Somebody has built the pack of a day to come: the night of today is no night of the past.
    await run_job(night(world, date(2026, 11, 29)), "build_pack")
    await refuse_past(night(world), DAY)
    with pytest.raises(PastDateError):
        await refuse_past(night(world, date(2026, 11, 23)), DAY)


class LateMutex:
    """A lock that is free when `other` has run: somebody else held it."""

    def __init__(self, other: Callable[[], Awaitable[object]]) -> None:
        self._other = other

    @asynccontextmanager
    async def hold(self, name: str, wait: bool) -> AsyncIterator[bool]:
        assert (name, wait) == (NIGHT_LOCK, True)
        await self._other()
        yield True


async def test_a_night_that_waited_until_the_next_day_is_of_that_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's night of the new day comes first; the one by hand repeats it, and is not refused as a past one."""
    world, _ = await ready()
    clock, tomorrow = [DAY], date(2026, 11, 25)
    monkeypatch.setattr("jobs.nightly.today", lambda: clock[-1])

    async def worker() -> None:
        await run_night(night(world, tomorrow))
        clock.append(tomorrow)

    assert await nightly.command(None, replace(world.services, mutex=LateMutex(worker))) == 0
    assert order_problem(await world.jobs.last_night()) is None
    newest = await world.packs.newest()
    assert newest is not None
    assert newest.asof_date == tomorrow
    with pytest.raises(PastDateError):
        await nightly.command(DAY, world.services)


async def test_the_order_is_judged_when_the_night_that_runs_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    world, night_id = World(), uuid4()
    for job in SACRED_ORDER[:2]:
        await run_job(night(world), job, night_id)

    async def rest() -> None:
        for job in SACRED_ORDER[2:]:
            await run_job(night(world), job, night_id)

    assert await verify_order.command(None, replace(world.services, mutex=LateMutex(rest))) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


async def test_an_old_pack_is_rebuilt_and_opened_and_the_newest_is_served_on(tmp_path: Path) -> None:
    world, _ = await ready()
    built = await run_job(night(world, OLD), "build_pack")
    assert "PP-2023-10-31-v1" in built.detail
    assert "PP-2026-11-24-v1 is newer" in built.detail
    opened = await run_job(night(world, OLD), "mark_pack_fresh")
    assert (opened.ok, opened.detail) == (
        True,
        "PP-2023-10-31-v1; PP-2026-11-24-v1 is newer and remains the one served",
    )
    assert world.packs.headers["PP-2023-10-31-v1"].is_fresh
    served = await packs.current(world.packs, world.jobs)
    assert (served.pack.id, served.stale) == ("PP-2026-11-24-v1", False)


async def test_a_night_works_on_the_pack_of_its_date_although_one_of_tomorrow_is_there() -> None:
    world, portfolio = await ready()
    await run_job(night(world, date(2026, 11, 26)), "build_pack")
    outcomes = await run_night(night(world, date(2026, 11, 25)))
    assert [o.ok for o in outcomes] == [True] * 6
    assert world.packs.headers["PP-2026-11-25-v1"].is_fresh
    assert not world.packs.headers["PP-2026-11-26-v1"].is_fresh
    assert list(world.tenants.books[ANNA].values[portfolio]) == [date(2026, 11, 25)]


async def test_a_bug_is_recorded_and_raised() -> None:
    world = World()
    world.packs.down = True
    world.packs.head_of = None  # type: ignore[method-assign, assignment]
    with pytest.raises(TypeError):
        await run_job(night(world), "mark_pack_fresh")
    assert world.jobs.runs[-1].status == "failed"


async def test_a_fall_notifies_once(tmp_path: Path) -> None:
    world, portfolio = await ready()
    await world.bookings.trade(ANNA, order(portfolio))
    await run_night(night(world))
    crash = night(world, date(2026, 11, 25), restated(tmp_path, AAPL="150"))
    assert [o.detail for o in await run_night(crash)][-1] == "1 notifications, 0 alerts"
    assert [o.detail for o in await run_night(crash)][-1] == "0 notifications, 0 alerts"
    ((key, change),) = world.tenants.books[ANNA].notifications.items()
    assert key == (portfolio, "value_drop", date(2026, 11, 25))
    assert change == D("-0.12162558")


async def test_the_night_warms_the_cache() -> None:
    world, portfolio = await ready()
    await world.bookings.trade(ANNA, order(portfolio))
    await run_night(night(world, asof=date(2026, 11, 25)))
    assert (await world.portfolios.value(ANNA, portfolio)).cached is True


async def test_order_problems_are_named() -> None:
    world, _ = await ready()
    runs = await world.jobs.last_night()
    swapped = [runs[1], runs[0], *runs[2:]]
    assert "recorded order" in (order_problem(swapped) or "")
    assert order_problem([*runs[:5], replace(runs[5], status="failed")]) == "evaluate_alerts is failed"
    overlap = [replace(runs[0], finished=datetime(2027, 1, 1, tzinfo=UTC)), *runs[1:]]
    assert order_problem(overlap) == "reconcile_ledger started before build_pack had finished"
    endless = [replace(runs[0], finished=None), *runs[1:]]
    assert endless[0].seconds is None
    assert order_problem(endless) == "reconcile_ledger started before build_pack had finished"


async def test_a_job_on_its_own_is_no_night() -> None:
    world, _ = await ready()
    before = await world.jobs.last_night()
    await run_job(night(world), "build_pack")
    assert await world.jobs.last_night() == before


async def test_seeding_twice_makes_one_portfolio() -> None:
    world = World()
    market = load_market_data(PACKAGED_MARKET_DATA)
    first = await seed(world.tenants, world.packs, FX, market, DAY)
    assert await seed(world.tenants, world.packs, FX, market, DAY) == first
    user, portfolio = first
    assert len(world.tenants.books[user].transactions[portfolio]) == 3
    assert [(o.job, o.ok) for o in await run_night(night(world))] == [(job, True) for job in SACRED_ORDER]
    assert json.loads((await world.portfolios.value(user, portfolio)).body)["total"] == "23564.13662854"
