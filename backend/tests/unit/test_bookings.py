"""services.bookings, services.journals and services.reconciliation over the ports in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from beancount import loader

from app.core.bookings import Split
from app.core.errors import LedgerUnavailableError, NotFoundError, TradeRefusedError
from app.core.lots import Side, Transaction
from app.services.access import ATTEMPT, owned
from app.services.bookings import DividendOrder, TradeOrder
from app.services.nightly import JobContext, run_job
from app.services.packs import load_market_data
from app.settings import PACKAGED_MARKET_DATA
from tests.support.memory import FX, World

D = Decimal
DAY, FRIDAY = date(2026, 11, 24), date(2023, 11, 10)
ANNA, BEN = uuid4(), uuid4()


async def opened(cash: str = "0", base: str = "USD") -> tuple[World, UUID]:
    world = World()
    await world.packs.add_securities(load_market_data(PACKAGED_MARKET_DATA).universe)
    return world, (await world.bookings.open(ANNA, "Main", base, D(cash))).id


def order(
    portfolio: UUID, side: Side = "buy", quantity: str = "100", day: date = DAY, symbol: str = "AAPL"
) -> TradeOrder:
    return TradeOrder(portfolio, symbol, side, D(quantity), D(150), day)


def paid(portfolio: UUID, **changes: object) -> DividendOrder:
    announced = DividendOrder(portfolio, "AAPL", FRIDAY, date(2023, 11, 16), D("0.24"), D(0), None)
    return replace(announced, **changes)  # type: ignore[arg-type]


def file(world: World, portfolio: UUID) -> str:
    return world.ledger.files[portfolio].decode()


async def test_a_new_portfolio_has_a_journal_with_its_opening_balance() -> None:
    world, portfolio = await opened("1000.5")
    assert "Assets:Cash  1000.5 USD\n  Equity:Opening-Balances  -1000.5 USD" in file(world, portfolio)
    assert world.tenants.books[ANNA].cash[portfolio] == {"USD": D("1000.5")}
    assert (await world.portfolios.get(ANNA, portfolio)).cash == {"USD": D("1000.5")}


async def test_a_trade_moves_cash_and_is_in_the_journal() -> None:
    world, portfolio = await opened()
    bought = await world.bookings.trade(ANNA, order(portfolio))
    await world.bookings.trade(ANNA, order(portfolio, "sell", "40"))
    assert world.tenants.books[ANNA].cash[portfolio] == {"USD": D(-9000)}
    text = file(world, portfolio)
    assert f'ledger_tx_id: "{bought.transaction.id}"' in text
    assert "Income:Profit  0 USD" in text
    assert loader.load_string(text)[1] == []
    state = world.tenants.books[ANNA].journals[portfolio]
    assert (state.entries, state.bytes, state.written_bytes, state.last_seq) == (3, len(text), len(text), 2)


async def test_a_dividend_goes_to_the_holders_of_the_day_before_at_the_rate_of_its_pay_date() -> None:
    """Real rates: 1.38097912571 on the ex-date, 1.37256890036 on the pay date; 24 USD are 32.94 CAD and not 33.14."""
    world, portfolio = await opened(base="CAD")
    await world.bookings.trade(ANNA, order(portfolio, day=date(2023, 11, 9)))
    await world.bookings.trade(ANNA, order(portfolio, quantity="900", day=FRIDAY))
    booked = await world.bookings.dividend(ANNA, paid(portfolio))
    assert (booked.shares, booked.gross, booked.fx_rate) == (D(100), D(24), D("1.37256890036"))
    assert round(booked.in_base(booked.net), 2) == D("32.94")
    assert world.tenants.books[ANNA].cash[portfolio] == {"USD": 24 - D(150_000)}


async def test_an_adr_shows_gross_withheld_and_net() -> None:
    world, portfolio = await opened()
    await world.bookings.trade(ANNA, order(portfolio, day=date(2023, 11, 9), symbol="BABA"))
    booked = await world.bookings.dividend(
        ANNA, paid(portfolio, symbol="BABA", gross_per_share=D(1), withheld_per_share=D("0.1"))
    )
    assert (booked.gross, booked.withheld, booked.net) == (D(100), D(10), D(90))
    text = file(world, portfolio)
    for leg in ("Assets:Cash  90 USD", "Expenses:Withholding-Tax  10 USD", "Income:Dividends  -100 USD"):
        assert leg in text
    assert loader.load_string(text)[1] == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pay_date": date(2023, 11, 9)}, "on or after its ex-date"),
        ({"withheld_per_share": D("0.25")}, "more is withheld"),
        ({"ex_date": date(2023, 11, 9)}, "no AAPL held before the ex-date 2023-11-09"),
        ({"symbol": "NOPE"}, "not in the universe"),
        ({"pay_date": date(2026, 11, 26)}, "in the future"),
    ],
)
async def test_a_dividend_that_cannot_be_is_refused_and_leaves_nothing(changes: dict[str, object], says: str) -> None:
    world, portfolio = await opened()
    await world.bookings.trade(ANNA, order(portfolio, day=date(2023, 11, 9)))
    before = file(world, portfolio)
    with pytest.raises(TradeRefusedError, match=says):
        await world.bookings.dividend(ANNA, paid(portfolio, **changes))
    assert file(world, portfolio) == before
    assert len(world.tenants.books[ANNA].bookings[portfolio]) == 1


async def test_more_shares_than_one_booking_holds_are_refused() -> None:
    world, portfolio = await opened()
    for _ in range(2):
        await world.bookings.trade(ANNA, order(portfolio, quantity="600000000000000000", day=date(2023, 11, 9)))
    with pytest.raises(TradeRefusedError, match="too many"):
        await world.bookings.dividend(ANNA, paid(portfolio))


async def test_a_split_changes_every_lot_and_no_cost() -> None:
    world, portfolio = await opened()
    await world.bookings.trade(ANNA, order(portfolio))
    await world.bookings.trade(ANNA, order(portfolio, quantity="1"))
    lots = await world.bookings.split(ANNA, portfolio, Split(uuid4(), "AAPL", DAY, D(3), D(1)))
    assert [(lot.quantity, lot.unit_cost) for lot in lots] == [(D(300), D(50)), (D(3), D(50))]
    assert (await world.portfolios.get(ANNA, portfolio)).lots == list(lots)
    assert loader.load_string(file(world, portfolio))[1] == []
    with pytest.raises(TradeRefusedError, match="no MSFT held"):
        await world.bookings.split(ANNA, portfolio, Split(uuid4(), "MSFT", DAY, D(3), D(1)))


async def test_cash_comes_and_goes() -> None:
    world, portfolio = await opened("10")
    movement, balance = await world.bookings.move_cash(ANNA, portfolio, "EUR", D(5), DAY)
    assert (movement.fx_rate, balance) == (D("1.1172"), D(5))
    assert (await world.bookings.move_cash(ANNA, portfolio, "EUR", D(-7), DAY))[1] == D(-2)
    assert world.tenants.books[ANNA].cash[portfolio] == {"USD": D(10), "EUR": D(-2)}


async def test_what_is_slipped_in_before_a_booking_of_the_symbol_is_refused() -> None:
    world, portfolio = await opened()
    await world.bookings.trade(ANNA, order(portfolio))
    for late in (order(portfolio, day=FRIDAY), order(portfolio, "sell", "1", day=FRIDAY)):
        with pytest.raises(TradeRefusedError, match="AAPL has bookings up to 2026-11-24; 2023-11-10 is before"):
            await world.bookings.trade(ANNA, late)
    await world.bookings.trade(ANNA, order(portfolio, day=FRIDAY, symbol="KO"))


async def test_every_change_is_in_the_audit_log_and_every_attempt_on_a_foreign_portfolio() -> None:
    world, portfolio = await opened()
    await world.bookings.trade(ANNA, order(portfolio))
    assert [action for action, _, _ in world.tenants.books[ANNA].audit] == ["portfolio_opened", "buy"]
    with pytest.raises(NotFoundError):
        async with owned(world.tenants, BEN, portfolio):
            raise AssertionError("not his")
    assert world.tenants.books[BEN].audit == [(ATTEMPT, portfolio, {})]


async def test_history_pages_backwards() -> None:
    world, portfolio = await opened()
    for number in range(1, 6):
        await world.bookings.trade(ANNA, order(portfolio, quantity=str(number)))
    first = await world.portfolios.history(ANNA, portfolio, None, 2)
    assert [b.seq for b in first] == [5, 4]
    assert [b.seq for b in await world.portfolios.history(ANNA, portfolio, first[-1].seq, 10)] == [3, 2, 1]


# Crashes between database and file. Each must end with a file that is exactly what was booked.


async def test_a_ledger_that_is_away_delays_the_journal_and_not_the_booking() -> None:
    world, portfolio = await opened()
    before = file(world, portfolio)
    world.ledger.down = True
    await world.bookings.trade(ANNA, order(portfolio))
    world.ledger.down = False
    assert file(world, portfolio) == before
    await world.bookings.trade(ANNA, order(portfolio, "sell", "1"))
    assert file(world, portfolio).count("ledger_tx_id") == 2
    assert (await world.reconciler.run(ANNA, portfolio, DAY)).status == "OK"


@pytest.mark.parametrize("torn_after", [0, 1, 40, 200])
async def test_a_torn_write_is_continued_and_not_repeated(torn_after: int) -> None:
    world, portfolio = await opened()
    world.ledger.tear_after = torn_after
    await world.bookings.trade(ANNA, order(portfolio))
    await world.journals.flush(ANNA, portfolio)
    text = file(world, portfolio)
    assert text.count("ledger_tx_id") == 1
    assert text.encode() == "".join(body for _, body in world.tenants.books[ANNA].entries[portfolio]).encode()
    assert (await world.reconciler.run(ANNA, portfolio, DAY)).status == "OK"


async def test_a_crash_after_the_write_and_before_its_note_repeats_nothing() -> None:
    world, portfolio = await opened()
    await world.bookings.trade(ANNA, order(portfolio))
    journals = world.tenants.books[ANNA].journals
    journals[portfolio] = replace(journals[portfolio], written_bytes=0)
    before = file(world, portfolio)
    await world.journals.flush(ANNA, portfolio)
    assert file(world, portfolio) == before
    assert journals[portfolio].written_bytes == 0
    assert world.tenants.books[ANNA].journals[portfolio].written_bytes == len(before)


async def test_bookings_of_before_there_were_journals_are_adopted() -> None:
    """And so is what the release before this one books while both serve: it knows neither journal nor cash."""
    world, _ = await opened()
    async with world.tenants.begin(ANNA) as tx:
        old = await tx.create_portfolio("Old", "USD")
        bought = Transaction(uuid4(), "AAPL", "buy", D(3), D(10), "USD", D(1), FRIDAY)
        await tx.add_booking(old.id, bought)
        await tx.open_lot(old.id, bought)
    with pytest.raises(NotFoundError, match="not written yet"):
        await world.portfolios.journal(ANNA, old.id, world.ledger)
    assert (await world.reconciler.run(ANNA, old.id, DAY)).status == "OK"
    assert world.tenants.books[ANNA].cash[old.id] == {"USD": D(-30)}
    assert str(bought.id).encode() in await world.portfolios.journal(ANNA, old.id, world.ledger)


TAMPERINGS: dict[str, Callable[[bytes], bytes]] = {
    "a digit": lambda c: c.replace(b"100 AAPL", b"101 AAPL"),
    "a comment": lambda c: c + b"; nothing to see here\n",
    "a line gone": lambda c: b"\n".join(c.split(b"\n")[:-2]),
    "emptied": lambda c: b"",
    "not text": lambda c: c + b"\xff",
    "a booking more": lambda c: c + c[c.index(b'\n2026-11-24 * "buy') :],
}


@pytest.mark.parametrize("how", TAMPERINGS)
async def test_a_tampered_journal_is_found_and_never_mended(how: str) -> None:
    world, portfolio = await opened()
    await world.bookings.trade(ANNA, order(portfolio))
    world.ledger.files[portfolio] = changed = TAMPERINGS[how](world.ledger.files[portfolio])
    outcome = await world.reconciler.run(ANNA, portfolio, DAY)
    assert outcome.status == "FAIL"
    assert any(d["kind"] == "journal" for d in outcome.discrepancies)
    # Booking goes on, the file is left alone as evidence or merely continued, and the next run still fails.
    await world.bookings.trade(ANNA, order(portfolio, "sell", "1"))
    assert file_starts(world, portfolio, changed)
    assert (await world.reconciler.run(ANNA, portfolio, DAY)).run_no == 2
    assert (await world.portfolios.reconciliations(ANNA, portfolio, 1))[0].status == "FAIL"


def file_starts(world: World, portfolio: UUID, content: bytes) -> bool:
    return world.ledger.files[portfolio].startswith(content)


async def test_a_journal_that_is_gone_is_found() -> None:
    world, portfolio = await opened()
    await world.bookings.trade(ANNA, order(portfolio))
    del world.ledger.files[portfolio]
    await world.bookings.trade(ANNA, order(portfolio, "sell", "1"))
    outcome = await world.reconciler.run(ANNA, portfolio, DAY)
    assert (outcome.status, outcome.discrepancies[0]["detail"]) == ("FAIL", "the journal is gone")


async def test_the_position_that_differs_is_named_with_both_numbers() -> None:
    world, portfolio = await opened()
    await world.bookings.trade(ANNA, order(portfolio))
    books = world.tenants.books[ANNA]
    books.lots[portfolio] = [replace(lot, quantity=D(99)) for lot in books.lots[portfolio]]
    outcome = await world.reconciler.run(ANNA, portfolio, DAY)
    details = [d["detail"] for d in outcome.discrepancies]
    assert details == [
        "AAPL: lots hold 99, transactions say 100",
        "AAPL: journal holds 100 at 15000, lots hold 99 at 14850",
    ]
    books.lots[portfolio] = [replace(lot, quantity=D(100)) for lot in world.tenants.books[ANNA].lots[portfolio]]
    world.tenants.books[ANNA].lots[portfolio] = books.lots[portfolio]
    assert (await world.reconciler.run(ANNA, portfolio, DAY)).status == "OK"


def night(world: World) -> JobContext:
    w = world
    market = w.settings.market_data
    return JobContext(DAY, market, w.tenants, w.packs, w.jobs, w.portfolios, FX, w.reconciler, w.analysis)


async def test_the_night_commits_and_the_next_pack_names_the_commit() -> None:
    world, portfolio = await opened()
    await world.bookings.trade(ANNA, order(portfolio))
    first = await run_job(night(world), "reconcile_ledger")
    assert first.ok
    commit = await world.ledger.head()
    assert commit is not None
    assert commit[:12] in first.detail
    assert (await world.portfolios.reconciliations(ANNA, portfolio, 9))[0].ledger_commit_hash == commit
    assert (await run_job(night(world), "build_pack")).ok
    (header,) = world.packs.headers.values()
    assert header.ledger_commit_hash == commit


async def test_a_pack_is_built_without_the_ledger_but_nothing_is_reconciled() -> None:
    world, _ = await opened()
    world.ledger.down = True
    assert (await run_job(night(world), "build_pack")).ok
    outcome = await run_job(night(world), "reconcile_ledger")
    assert (outcome.ok, outcome.detail) == (False, "the ledger cannot be used: OSError")
    with pytest.raises(LedgerUnavailableError):
        await world.reconciler.commit("x")


async def test_a_booking_that_is_on_its_way_into_the_journal_is_no_difference() -> None:
    """Committed, but not yet in the file: at that moment the night may look, and a difference would end it for all."""
    world, portfolio = await opened("100000")
    commit = await world.reconciler.commit("night")
    world.ledger.down = True
    await world.bookings.trade(ANNA, order(portfolio))
    late = await world.bookings.open(ANNA, "Late", "USD", D(5))
    world.ledger.down = False
    for one in (portfolio, late.id):
        assert (await world.reconciler.check(ANNA, one, DAY, commit)).discrepancies == ()
    assert "buy AAPL" in file(world, portfolio)


async def test_a_file_that_was_changed_before_a_booking_could_be_written_is_found() -> None:
    world, portfolio = await opened("100000")
    commit = await world.reconciler.commit("night")
    world.ledger.down = True
    await world.bookings.trade(ANNA, order(portfolio))
    world.ledger.down = False
    world.ledger.files[portfolio] += b"; somebody was here\n"
    outcome = await world.reconciler.check(ANNA, portfolio, DAY, commit)
    assert outcome.status == "FAIL"
    assert file(world, portfolio).endswith("; somebody was here\n")


async def test_splits_that_magnify_a_rounding_do_not_stop_the_night() -> None:
    """Two lots of one share become two of 0.3333333333; the whole, split as one, would be 0.6666666667."""
    world, portfolio = await opened("100000")
    for _ in range(2):
        await world.bookings.trade(ANNA, order(portfolio, quantity="1"))
    for new, old in (("1", "3"), ("1000000", "0.001")):
        await world.bookings.split(ANNA, portfolio, Split(uuid4(), "AAPL", DAY, D(new), D(old)))
    assert (await world.reconciler.run(ANNA, portfolio, DAY)).discrepancies == ()
    await world.bookings.trade(ANNA, order(portfolio, "sell", "500000000"))
    assert (await world.reconciler.run(ANNA, portfolio, DAY)).discrepancies == ()
