"""Edges of the core that a changed operator or constant would move: written against the survivors of a mutation run."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import ROUND_UP, Context, Decimal, localcontext
from uuid import UUID

import pytest

from app.core import inventory, journal, reconcile
from app.core.bookings import Booked, CashMovement, Split, held_before, holdings, split_lot
from app.core.errors import JournalError, MarketDataError, TradeRefusedError
from app.core.fx import Fixing, FxRate, all_pairs, cross
from app.core.inventory import Books, Cost, Directive, Posting
from app.core.lots import Lot, Transaction, fifo
from app.core.market import parse
from app.core.money import quantize, significant, within_one_bp
from app.core.pack import PackContent, Price
from app.core.valuation import value
from app.settings import PACKAGED_MARKET_DATA
from tests.support.memory import FX

D = Decimal
DAY = date(2023, 10, 31)


def lot(quantity: str, cost: str = "1", symbol: str = "AAPL", number: int = 1, fx: str = "1") -> Lot:
    return Lot(UUID(int=number), symbol, DAY, number, D(quantity), D(cost), "USD", D(fx))


def test_exactly_one_basis_point_is_within_it() -> None:
    assert within_one_bp(D(10000), D(9999)) is True
    assert within_one_bp(D(10000), D("9998.9999")) is False


def test_a_context_that_somebody_else_altered_changes_no_rounding() -> None:
    with localcontext(Context(prec=3, rounding=ROUND_UP)):
        assert quantize(D("123456.000000005")) == D("123456.00000000")
        assert significant(D("1.23456789012345"), 12) == D("1.23456789012")


def test_what_is_of_another_symbol_does_not_end_the_count() -> None:
    other = Transaction(UUID(int=1), "KO", "buy", D(5), D(1), "USD", D(1), DAY)
    mine = [replace(other, symbol="AAPL", quantity=D(q)) for q in ("2", "3")]
    assert held_before([other, mine[0], other, mine[1]], "AAPL", date(2023, 11, 1)) == 5


def test_a_fixing_gives_crosses_of_its_day() -> None:
    fixing = Fixing(DAY, "EUR", {"USD": D("1.0619"), "CAD": D("1.4712")})
    assert fixing.rate("USD", "CAD") == D("1.38544119032")
    assert fixing.rate("EUR", "USD") == D("1.0619")
    assert fixing.rate("USD", "EUR") == D("0.941708258781")
    assert fixing.rate("EUR", "EUR") == 1
    for pair in (("CHF", "USD"), ("USD", "CHF")):
        with pytest.raises(MarketDataError, match="no rate for CHF on 2023-10-31"):
            fixing.rate(*pair)
    assert {pair.observed_on for pair in fixing.pairs()} == {DAY}
    assert {pair.observed_on for pair in all_pairs("EUR", fixing.per_anchor)} == {None}


def test_a_cross_has_twelve_digits() -> None:
    assert cross({"A": D(3), "B": D(1)}, "A", "B") == D("0.333333333333")


def test_the_canonical_bytes_are_utf_8_and_not_escaped() -> None:
    content = PackContent(DAY, "Zürich", (Price("AAPL", D(1), "USD", "x", DAY),), (FxRate("A", "B", D(2), DAY),))
    assert (
        content.canonical_bytes()
        == (
            '{"asof_date":"2023-10-31","policy":"Zürich","prices":[["AAPL","1","USD","x","2023-10-31"]],'
            '"rates":[["A","B","2","2023-10-31"]]}'
        ).encode()
    )


def test_a_lot_of_less_than_one_share_is_used_up_like_any_other() -> None:
    used = fifo([lot("0.5"), lot("0.25", number=2), lot("9", number=3)], D("1.25"))
    assert [(d.lot.id.int, d.quantity) for d in used] == [(1, D("0.5")), (2, D("0.25")), (3, D("0.5"))]
    with pytest.raises(TradeRefusedError, match=r"cannot sell 0\.75: only 0\.5 held"):
        fifo([lot("0.5")], D("0.75"))


def split(new: str, old: str = "1", symbol: str = "AAPL") -> Split:
    return Split(UUID(int=9), symbol, DAY, D(new), D(old))


def test_a_split_may_leave_less_than_one_share_with_ten_decimals() -> None:
    after = split_lot(lot("1", "9"), split("1", "3"))
    assert (after.quantity, after.unit_cost * after.quantity) == (D("0.3333333333"), D(9))
    with pytest.raises(TradeRefusedError, match="too large"):
        split_lot(lot("500000000000000000"), split("2"))


def test_a_split_of_nothing_is_nothing() -> None:
    assert holdings([split("2"), CashMovement(UUID(int=1), DAY, "USD", D(1), D(1))]) == {}


def test_a_valuation_names_currency_pack_and_portfolio() -> None:
    content = PackContent(DAY, "P", (Price("AAPL", D("170.77"), "USD", "x", DAY),), (FxRate("USD", "CAD", D("1.5")),))
    result = value([lot("2")], content, "CAD")
    assert json.loads(result.canonical_bytes("the-portfolio", "the-pack")) == {
        "portfolio_id": "the-portfolio",
        "pricing_pack_id": "the-pack",
        "base_currency": "CAD",
        "total": "512.31",
        "positions": [
            {
                "symbol": "AAPL",
                "quantity": "2",
                "price": "170.77",
                "currency": "USD",
                "fx_rate": "1.5",
                "value": "512.31",
            }
        ],
    }
    assert result.canonical_bytes("a", "b").startswith(b'{"base_currency":"CAD","portfolio_id":"a","positions":[{"curr')


def buy(quantity: str = "0.5", label: str | None = "one", day: date | None = DAY, line: int = 1) -> Directive:
    cost = Cost(D(10), "USD", day, label)
    return Directive(line, DAY, {"fx_rate": "2"}, (Posting(journal.POSITIONS, D(quantity), "AAPL", cost),))


def sell(quantity: str, cost: Cost | None, line: int = 2) -> Directive:
    return Directive(line, DAY, {}, (Posting(journal.POSITIONS, D(quantity), "AAPL", cost),))


def test_books_start_empty_and_hold_fractions() -> None:
    assert (Books().quantity("AAPL"), Books().cost("AAPL"), Books().symbols()) == (D(0), D(0), set[str]())
    books = inventory.book([buy("0.5"), buy("0.5", "two")])
    assert (books.quantity("AAPL"), books.cost("AAPL"), books.symbols()) == (D(1), D(20), {"AAPL"})
    sold = inventory.book([buy("0.5"), sell("-0.5", None)])
    assert (sold.quantity("AAPL"), sold.symbols()) == (D(0), set[str]())


def test_a_named_parcel_is_the_one_that_goes() -> None:
    books = inventory.book([buy("1"), buy("1", "two"), sell("-1", Cost(label="two"))])
    assert [parcel.label for parcel in books.parcels["AAPL"]] == ["one"]
    with pytest.raises(JournalError, match=r"line 2: 0\.5 AAPL more than held"):
        inventory.book([buy("1"), sell("-1.5", Cost(label="one"))])
    with pytest.raises(JournalError, match="line 2: 1 AAPL more than held"):
        inventory.book([sell("-1", None)])


def test_a_parcel_without_a_date_is_of_its_directive_and_one_without_a_label_is_refused() -> None:
    books = inventory.book([replace(buy(day=None), day=date(2023, 11, 1))])
    assert books.parcels["AAPL"][0].day == date(2023, 11, 1)
    for cost in (Cost(D(10), "USD", DAY, None), Cost(None, None, DAY, "one"), None):
        with pytest.raises(JournalError, match="without cost or label"):
            inventory.book([Directive(1, DAY, {"fx_rate": "2"}, (Posting(journal.POSITIONS, D(1), "AAPL", cost),))])
    half = Posting(journal.CASH, D(1), None)
    with pytest.raises(JournalError, match="line 1: Assets:Cash has no amount"):
        inventory.book([Directive(1, DAY, {}, (half,))])


def test_limits_are_inclusive() -> None:
    assert reconcile.agree(D(1_000_000), D("1000000.01"), D("0.01")) is True
    assert reconcile.agree(D(1_000_000), D("1000000.011"), D("0.01")) is False


def test_costs_of_several_lots_add_up_per_symbol() -> None:
    books = inventory.book([buy("1"), buy("1", "two")])
    lots = [lot("1", "10", fx="2"), lot("1", "10", number=2, fx="2")]
    assert reconcile.against_journal(books, lots, {}) == []
    (wrong,) = reconcile.against_journal(books, lots[:1], {})
    assert wrong == {
        "kind": "position",
        "symbol": "AAPL",
        "ledger_qty": "2",
        "db_qty": "1",
        "qty_diff": "1",
        "ledger_cost": "40",
        "db_cost": "20",
        "cost_diff": "20",
        "detail": "AAPL: journal holds 2 at 40, lots hold 1 at 20",
    }


def test_every_discrepancy_has_its_whole_form() -> None:
    cash = Directive(1, DAY, {}, (Posting(journal.CASH, D(2), "EUR"),))
    assert reconcile.against_journal(inventory.book([cash]), [], {"USD": D(1)}) == [
        {
            "kind": "cash",
            "currency": "EUR",
            "ledger": "2",
            "database": "0",
            "difference": "2",
            "detail": "cash EUR: journal has 2, balance is 0",
        },
        {
            "kind": "cash",
            "currency": "USD",
            "ledger": "0",
            "database": "1",
            "difference": "-1",
            "detail": "cash USD: journal has 0, balance is 1",
        },
    ]
    bought = Transaction(UUID(int=1), "AAPL", "buy", D(2), D(1), "USD", D(1), DAY)
    assert reconcile.against_bookings([lot("1", symbol="KO")], [bought]) == [
        {"kind": "bookings", "symbol": "AAPL", "detail": "AAPL: lots hold 0, transactions say 2"},
        {"kind": "bookings", "symbol": "KO", "detail": "KO: lots hold 1, transactions say 0"},
    ]
    assert reconcile.of_journal("gone") == {"kind": "journal", "detail": "gone"}


@pytest.mark.parametrize(("amount", "word"), [("0.5", "deposit"), ("-0.5", "withdrawal")])
def test_cash_is_named_by_its_direction(amount: str, word: str) -> None:
    moved = CashMovement(UUID(int=1), DAY, "EUR", D(amount), D("1.5"))
    assert journal.entry(Booked(1, moved)) == (
        f'\n2023-10-31 * "{word}"\n  ledger_tx_id: "{UUID(int=1)}"\n  fx_rate: 1.5\n'
        f"  Assets:Cash  {amount} EUR\n  Equity:Contributions  {-D(amount)} EUR\n"
    )


def test_a_name_is_one_line_with_its_quotes_escaped() -> None:
    assert journal.quoted('a "b" \\ c\nd\té') == '"a \\"b\\" \\\\ c d é"'


def test_a_pack_is_told_in_full_by_its_document() -> None:
    raw = json.loads(PACKAGED_MARKET_DATA.read_text())
    market = parse(json.dumps(raw))
    content = market.content(DAY, FX.fixing(DAY))
    assert (market.source, content.policy, content.asof_date) == ("fixture", "ECB1415CET", DAY)
    assert market.universe[0] == type(market.universe[0])("AAPL", "Apple Inc.", "USD")
    assert content.price_of()["BMW.DE"] == Price("BMW.DE", D("87.66"), "EUR", "fixture", DAY)
    for symbol in ("MSFT", "KO"):
        del raw["observations"][-1]["closes"][symbol]
    with pytest.raises(MarketDataError, match="no close for KO, MSFT on 2023-10-31; no partial pack is built"):
        parse(json.dumps(raw)).content(DAY, FX.fixing(DAY))
    bare = replace(FX.fixing(DAY), per_anchor={"USD": D(1), "CAD": D(1)})
    with pytest.raises(MarketDataError, match="no rate for GBP, JPY on 2023-10-31"):
        market.content(DAY, bare)


@pytest.mark.parametrize(
    ("close", "says"),
    [
        (1.5, "AAPL: numbers must be written as strings"),
        ("-0.5", "AAPL: -0.5 is not a positive number"),
        ("x", "Invalid"),
    ],
)
def test_a_wrong_close_is_named(close: object, says: str) -> None:
    raw = json.loads(PACKAGED_MARKET_DATA.read_text())
    raw["observations"][0]["closes"]["AAPL"] = close
    with pytest.raises(MarketDataError, match=says):
        parse(json.dumps(raw))
    raw["observations"][0]["closes"]["AAPL"] = "0.5"
    assert parse(json.dumps(raw)).observations[0].closes["AAPL"] == D("0.5")


def test_a_huge_balance_does_not_swallow_a_small_one() -> None:
    """A portfolio of the largest trades that are allowed must reconcile, or it would stop the night for everybody."""
    huge, small = D(10) ** 34, D("100.55")
    cash = [Directive(n, DAY, {}, (Posting(journal.CASH, amount, "USD"),)) for n, amount in enumerate((huge, small))]
    both = D("10000000000000000000000000000000100.55")
    assert reconcile.against_journal(inventory.book(cash), [], {"USD": both}) == []
    (cent,) = reconcile.against_journal(inventory.book(cash), [], {"USD": D("10000000000000000000000000000000100.57")})
    assert cent["difference"] == "-0.02"


@pytest.mark.parametrize("close", ["1.23456789012", "1e18", "1000000000000000000"])
def test_a_close_that_the_database_would_round_or_refuse_is_named(close: str) -> None:
    """The hash is of the close as it came: rounded when it is stored, it would never match again."""
    raw = json.loads(PACKAGED_MARKET_DATA.read_text())
    raw["observations"][0]["closes"]["AAPL"] = close
    with pytest.raises(MarketDataError, match=r"AAPL: .* does not fit"):
        parse(json.dumps(raw))
