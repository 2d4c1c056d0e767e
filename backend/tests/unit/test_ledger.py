"""core.bookings, core.journal, core.inventory, core.reconcile; Beancount itself is the oracle of what we write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from beancount import loader
from beancount.core import inventory as oracle

from app.core import inventory, journal, reconcile
from app.core.bookings import (
    Booked,
    Booking,
    CashMovement,
    Dividend,
    Split,
    cash_effect,
    day_of,
    held_before,
    holdings,
    split_lot,
)
from app.core.errors import JournalError, TradeRefusedError
from app.core.inventory import Books
from app.core.journal import Replaced
from app.core.lots import Lot, Side, Transaction
from app.storage.beancount import read_journal

D = Decimal
MONDAY, TUESDAY, FRIDAY = date(2023, 11, 6), date(2023, 11, 7), date(2023, 11, 10)


def trade(side: Side, quantity: str, price: str = "150", day: date = MONDAY, number: int = 1) -> Transaction:
    return Transaction(UUID(int=number), "AAPL", side, D(quantity), D(price), "USD", D("1.35"), day)


def lot(quantity: str = "100", cost: str = "150", number: int = 1) -> Lot:
    return Lot(UUID(int=number), "AAPL", MONDAY, number, D(quantity), D(cost), "USD", D("1.35"))


def dividend(shares: str = "100", gross: str = "0.24", withheld: str = "0", rate: str = "1.36") -> Dividend:
    dates = (FRIDAY, date(2023, 11, 16))
    return Dividend(UUID(int=9), "AAPL", *dates, D(shares), D(gross), D(withheld), "USD", D(rate))


def split(new: str, old: str = "1", number: int = 8) -> Split:
    return Split(UUID(int=number), "AAPL", FRIDAY, D(new), D(old))


@pytest.mark.parametrize(
    ("shares", "gross", "withheld", "base"),
    [("100", "0.24", "0", ("32.64", "0", "32.64")), ("100", "0.25", "3.75", ("34", "5.1", "28.9"))],
)
def test_a_dividend_is_converted_at_the_rate_of_its_pay_date(
    shares: str, gross: str, withheld: str, base: tuple[str, str, str]
) -> None:
    """At the ex-date's rate of 1.34 the first would be 32.16, which nobody received."""
    paid = dividend(shares, gross, withheld)
    assert [paid.in_base(a) for a in (paid.gross, paid.withheld, paid.net)] == [D(b) for b in base]
    assert cash_effect(paid) == ("USD", D(shares) * D(gross) - D(withheld))


@pytest.mark.parametrize(
    ("new", "old", "quantity", "unit_cost"),
    [("2", "1", "200", "250"), ("3", "2", "150", "333.3333333333333333333333333"), ("1", "10", "10", "5000")],
)
def test_a_split_keeps_the_total_cost(new: str, old: str, quantity: str, unit_cost: str) -> None:
    after = split_lot(lot(cost="500"), split(new, old))
    assert after.quantity == D(quantity)
    assert abs(after.quantity * after.unit_cost - 50_000) < D("1e-20")
    assert after.unit_cost == D(unit_cost)


def test_a_split_that_leaves_nothing_or_too_much_is_refused() -> None:
    with pytest.raises(TradeRefusedError, match="would be empty"):
        split_lot(lot("0.0000000001"), split("1", "1000"))
    with pytest.raises(TradeRefusedError, match="too large"):
        split_lot(lot("900000000000000000"), split("2"))


def test_the_ex_date_decides_who_is_paid() -> None:
    history: list[Booking] = [
        trade("buy", "100"),
        split("2"),
        trade("sell", "50", day=FRIDAY),
        trade("buy", "7", day=date(2023, 11, 13)),
        replace(trade("buy", "1"), symbol="KO"),
        dividend(),
    ]
    assert held_before(history, "AAPL", MONDAY) == 0
    assert held_before(history, "AAPL", TUESDAY) == 100
    assert held_before(history, "AAPL", date(2023, 11, 11)) == 150
    assert held_before(history, "AAPL", date(2023, 11, 14)) == 157
    assert holdings([*history, trade("sell", "157")]) == {"KO": D(1)}


def test_cash_effects_and_days() -> None:
    assert cash_effect(trade("buy", "2")) == ("USD", D(-300))
    assert cash_effect(trade("sell", "2")) == ("USD", D(300))
    assert cash_effect(split("2")) is None
    moved = CashMovement(UUID(int=5), TUESDAY, "EUR", D("-5"), D(1))
    assert cash_effect(moved) == ("EUR", D(-5))
    assert [day_of(b) for b in (trade("buy", "1"), dividend(), split("2"), moved)] == [
        MONDAY,
        date(2023, 11, 16),
        FRIDAY,
        TUESDAY,
    ]


def text(*booked: tuple[Booking, D | None, Replaced], cash: str = "100000") -> str:
    head = journal.opening('Anna\'s "best" \\ one\n', "CAD", MONDAY, D(cash))
    entries = [journal.entry(Booked(n, b, realised), replaced) for n, (b, realised, replaced) in enumerate(booked)]
    return head + "".join(entries)


def whole_life() -> str:
    """Two lots of one day and one price, a sale over both, a split that does not divide, another sale, a dividend."""
    left = lot("30", "150", 2)
    other = replace(lot("30", "160", 3), opened_on=TUESDAY)
    after = [(before, split_lot(before, split("7", "3"))) for before in (left, other)]
    return text(
        (trade("buy", "100"), None, ()),
        (trade("buy", "50", number=2), None, ()),
        (trade("buy", "30", "160", TUESDAY, 3), None, ()),
        (trade("sell", "120", "170", TUESDAY, 4), D("2400"), ()),
        (split("7", "3"), None, after),
        (trade("sell", "70", "80", FRIDAY, 5), D("1100"), ()),
        (dividend("70", "0.25", "2.625"), None, ()),
        (CashMovement(UUID(int=6), FRIDAY, "EUR", D("-12.5"), D("1.4")), None, ()),
        (CashMovement(UUID(int=7), FRIDAY, "EUR", D("20"), D("1.4")), None, ()),
    )


def beancount(text: str) -> tuple[Sequence[Any], list[str]]:
    entries, errors, _ = loader.load_string(text)
    return entries, [error.message for error in errors]


def test_beancount_finds_no_fault_in_a_whole_life() -> None:
    entries, errors = beancount(whole_life())
    assert errors == []
    assert len([e for e in entries if type(e).__name__ == "Transaction"]) == 10


def test_beancount_finds_a_wrong_profit() -> None:
    """The oracle must be able to say no: our explicit profit is checked by it."""
    _, errors = beancount(whole_life().replace("-2400 USD", "-2401 USD"))
    assert any("does not balance" in e for e in errors)


def test_a_sale_of_before_profits_were_kept_leaves_the_amount_to_beancount() -> None:
    _, errors = beancount(text((trade("buy", "100"), None, ()), (trade("sell", "40", "170", number=2), None, ())))
    assert errors == []


def read(content: str) -> Books:
    return inventory.book(read_journal(content))


def test_the_journal_alone_tells_holdings_costs_and_cash() -> None:
    books = read(whole_life())
    # 30 + 30 left, 7 for 3: 70 + 70; the first parcel is sold.
    (parcel,) = books.parcels["AAPL"]
    assert (parcel.label, parcel.quantity) == (str(UUID(int=3)), D(70))
    assert abs(books.cost("AAPL") - 30 * 160 * D("1.35")) < D("1e-20")
    spent = -150 * 150 - 30 * 160 + 120 * 170 + 70 * 80 + D("17.5") - D("2.625")
    assert books.cash == {"CAD": D(100000), "USD": spent, "EUR": D("7.5")}


def test_what_beancount_holds_is_what_we_read() -> None:

    entries, _ = beancount(whole_life())
    held: Any = oracle.Inventory()
    for entry in entries:
        for posting in getattr(entry, "postings", ()):
            if posting.account in (journal.POSITIONS, journal.CASH):
                held.add_position(posting)
    books = read(whole_life())
    assert held.get_currency_units("AAPL").number == books.quantity("AAPL")
    assert books.cash.keys() == {"CAD", "USD", "EUR"}
    for currency, amount in books.cash.items():
        assert held.get_currency_units(currency).number == amount


def test_bookings_are_read_by_date_as_beancount_does() -> None:
    """In the file the sale stands before the purchase it uses up."""
    late, early = trade("buy", "10", day=FRIDAY), trade("buy", "5", day=MONDAY, number=2)
    sold = trade("sell", "5", "170", TUESDAY, 3)
    books = read(text((late, None, ()), (early, None, ()), (sold, D(100), ())))
    assert [(p.label, p.quantity) for p in books.parcels["AAPL"]] == [(str(UUID(int=1)), D(10))]


BUY = 'Assets:Positions  100 AAPL {150 USD, 2023-11-06, "00000000-0000-0000-0000-000000000001"}'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("", "@@@", "not Beancount"),
        ("", 'include "other.bean"\n', "not a directive"),
        ("", "2023-11-06 pad Assets:Cash Equity:Contributions\n", "not a directive"),
        ("", '2023-13-06 * "x"\n', "not readable"),
        ("Assets:Positions  -40 AAPL", "Assets:Positions  -400 AAPL", "more than held"),
        ("  Assets:Cash  -15000 USD", "  Assets:Cash", "Assets:Cash has no amount"),
        (BUY, "Assets:Positions  100 AAPL", "without cost or label"),
        ("  fx_rate: 1.35\n  " + BUY, "  " + BUY, "without fx_rate"),
        ("fx_rate: 1.35\n  " + BUY, 'fx_rate: "much"\n  ' + BUY, "not a rate"),
        (BUY, "Assets:Positions  100 AAPL {{150 USD}}", "not readable"),
        ("-15000 USD", "(1 - 15001) USD", "not readable"),
    ],
)
def test_a_journal_that_is_not_ours_is_refused_with_its_line(old: str, new: str, says: str) -> None:
    ours = text((trade("buy", "100"), None, ()), (trade("sell", "40", "170", number=2), D(800), ()))
    assert old in ours
    content = ours.replace(old, new, 1) if old else ours + new
    with pytest.raises(JournalError, match=says) as caught:
        read(content)
    assert "line " in str(caught.value)


def books_and_lots() -> tuple[Books, list[Lot], dict[str, D]]:
    books = read(text((trade("buy", "100"), None, ())))
    return books, [lot()], {"CAD": D(100000), "USD": D(-15000)}


def test_equal_stories_have_no_discrepancy() -> None:
    assert reconcile.against_journal(*books_and_lots()) == []
    assert reconcile.against_bookings([lot()], [trade("buy", "100")]) == []


@pytest.mark.parametrize(
    ("quantity", "cost", "found"),
    [
        ("100.0000005", "150", False),
        ("100.000002", "150", True),
        ("100", "150.00005", False),
        ("100", "150.0001", True),
        ("99", "150", True),
    ],
)
def test_a_position_may_differ_by_a_millionth_and_a_cent(quantity: str, cost: str, found: bool) -> None:
    books, _, cash = books_and_lots()
    discrepancies = reconcile.against_journal(books, [lot(quantity, cost)], cash)
    assert bool(discrepancies) is found
    if found:
        (one,) = discrepancies
        assert (one["kind"], one["symbol"], one["ledger_qty"], one["db_qty"]) == ("position", "AAPL", "100", quantity)
        assert one["qty_diff"] == format((D(100) - D(quantity)).normalize(), "f")
        assert one["ledger_cost"] == "20250"


def test_small_amounts_must_agree_to_a_basis_point() -> None:
    assert reconcile.agree(D("0.0100"), D("0.010001"), D("0.01")) is True
    assert reconcile.agree(D("0.0100"), D("0.0101"), D("0.01")) is False


def test_dust_of_rounding_is_no_difference_and_a_millionth_is() -> None:
    assert reconcile.agree(D(0), D("0.0000000001"), reconcile.QUANTITY_LIMIT) is True
    assert reconcile.agree(D(0), D("0.0000001"), reconcile.QUANTITY_LIMIT) is False


def test_cash_and_unknown_symbols_are_discrepancies() -> None:
    books, lots, _ = books_and_lots()
    found = reconcile.against_journal(books, lots, {"CAD": D(100000), "USD": D("-15000.02"), "EUR": D(1)})
    assert [d["detail"] for d in found] == [
        "cash EUR: journal has 0, balance is 1",
        "cash USD: journal has -15000, balance is -15000.02",
    ]
    assert found[1]["difference"] == "0.02"
    foreign = reconcile.against_journal(books, [], {"CAD": D(100000), "USD": D(-15000)})
    assert foreign[0]["detail"] == "AAPL: journal holds 100 at 20250, lots hold 0 at 0"


def test_lots_must_be_what_the_bookings_explain() -> None:
    bookings: list[Booking] = [trade("buy", "100"), trade("sell", "40"), split("2")]
    assert reconcile.against_bookings([lot("120")], bookings) == []
    (one,) = reconcile.against_bookings([lot("121")], bookings)
    assert one["detail"] == "AAPL: lots hold 121, transactions say 120"
    (gone,) = reconcile.against_bookings([], [trade("buy", "1")])
    assert gone["detail"] == "AAPL: lots hold 0, transactions say 1"


def test_holdings_are_told_lot_by_lot_and_a_sale_of_more_shows() -> None:
    bought = [trade("buy", "1", number=1), trade("buy", "1", number=2)]
    assert holdings([*bought, split("1", "3")]) == {"AAPL": D("0.6666666666")}
    assert holdings([*bought, trade("sell", "1.5", number=3), split("1", "3")]) == {"AAPL": D("0.1666666667")}
    assert holdings([*bought, trade("sell", "2", number=3)]) == {}
    assert holdings([*bought, trade("sell", "3", number=3)]) == {"AAPL": D(-1)}
