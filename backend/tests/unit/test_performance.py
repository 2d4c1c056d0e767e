"""app.core.performance and app.core.history."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal

import pytest

from app.core.errors import MarketDataError
from app.core.fx import FxRate
from app.core.history import Event, Mark, held_on, periods, unchanged
from app.core.pack import PackContent, Price
from app.core.performance import (
    DatedPeriod,
    annualise,
    measure,
    money_weighted_return,
    sharpe,
    volatility,
)
from app.core.twr import Period

D = Decimal
START = date(2025, 1, 1)


def period(days: int, opening: str, flow: str, closing: str) -> DatedPeriod:
    return DatedPeriod(START + timedelta(days=days), Period(D(opening), D(flow), D(closing)))


def test_a_year_without_flows() -> None:
    found = measure(START, [period(365, "100000", "0", "110000")])
    assert (found.twr, found.annualised, found.mwr) == (D("0.1"), D("0.1"), D("0.1"))
    assert (found.volatility, found.sharpe) == (None, None)


def test_a_flow_in_the_middle_does_not_count_for_the_manager_but_for_the_owner() -> None:
    """UAT-018: the value just before the flow is 100,000. Modified Dietz would say 12 %."""
    found = measure(START, [period(180, "100000", "0", "100000"), period(365, "100000", "50000", "165000")])
    assert (found.twr, found.volatility) == (D("0.1"), None), "two steps of half a year are no daily returns"
    # A flow on the day a period closes counts from that day's start, so all of it was there for no time at all.
    assert found.mwr == D("0.15")


def test_money_weighted_return_solves_its_own_equation() -> None:
    flows = [period(100, "1000", "500", "1600"), period(300, "1600", "-200", "1500")]
    rate = money_weighted_return(START, flows)
    assert rate is not None
    grown = 1000 * (1 + rate) ** (D(300) / 365) + 500 * (1 + rate) ** (D(200) / 365) - 200
    assert abs(grown - 1500) < D("1e-6")


def test_the_rate_of_many_days_costs_no_more_than_a_few_looks_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may send 1,500 days, and while they are worked on nobody else is answered."""
    roots = 0

    class Counting(Context):
        def power(self, *arguments: Decimal | int) -> Decimal:  # type: ignore[override]
            nonlocal roots
            roots += 1
            return super().power(*arguments)

    monkeypatch.setattr("app.core.performance.CONTEXT", Counting(prec=28, rounding=ROUND_HALF_EVEN))
    days = [period(day, "1000", str(day % 2), "1000") for day in range(1, 1500)]
    assert money_weighted_return(START, days) is not None
    assert roots < 300


def test_no_rate_explains_a_total_loss_or_nothing() -> None:
    assert money_weighted_return(START, []) is None
    assert money_weighted_return(START, [period(365, "0", "0", "10")]) is None
    assert money_weighted_return(START, [period(365, "100", "0", "0")]) is None


def test_a_span_of_days_has_no_yearly_figures() -> None:
    found = measure(START, [period(1, "100", "0", "101"), period(2, "101", "0", "100")])
    assert (found.annualised, found.sharpe, found.mwr) == (None, None, None)
    assert found.volatility is not None


def test_annualising() -> None:
    assert annualise(D("0.21"), 730) == D("0.1")
    assert annualise(D(-1), 10) == -1
    assert annualise(D("0.0001"), 1) > D("0.03"), "one day is enough for the arithmetic"
    for total, days in ((D("0.1"), 0), (D("-1.1"), 10)):
        with pytest.raises(ValueError, match="cannot annualise"):
            annualise(total, days)


def test_volatility_is_of_steps_of_about_a_day() -> None:
    """Ten steps over thirty days are daily with some holidays, over thirty-one they are not."""
    for last, daily in ((30, True), (31, False)):
        days = [*range(1, 10), last]
        found = measure(START, [period(day, "100", "0", str(100 + day % 2)) for day in days])
        assert (found.volatility is not None) is daily


def test_volatility_is_the_sample_deviation_over_a_year() -> None:
    assert volatility([D("0.01")]) is None
    found = volatility([D("0.01"), D("-0.01")])
    assert found is not None
    assert abs(found - (D("0.0002") * 252).sqrt()) < D("1e-20")
    assert sharpe(D("0.1"), D(0)) is None
    assert sharpe(D("0.1"), D("0.12")) == D("0.5")


def test_a_chain_needs_a_period() -> None:
    with pytest.raises(ValueError, match="at least two values"):
        measure(START, [])


def mark(day: int, **closes: str) -> Mark:
    """EUR securities; one euro is two dollars on every tenth day, else one."""
    on = START + timedelta(days=day)
    prices = tuple(Price(s, D(c), "EUR", "fixture", on) for s, c in closes.items())
    rate = D(2) if day % 10 == 0 else D(1)
    return Mark(on, PackContent(on, "P", prices, (FxRate("EUR", "USD", rate, on),)))


def buy(day: int, quantity: str, flow: str, symbol: str = "A") -> Event:
    return Event(START + timedelta(days=day), symbol, D(quantity), flow=D(flow))


def test_days_before_the_first_purchase_do_not_count() -> None:
    start, found = periods([buy(2, "10", "100")], [mark(1, A="9"), mark(2, A="10"), mark(3, A="11")], "EUR")
    assert start == START + timedelta(days=1)
    assert [p.period for p in found] == [Period(D(0), D(100), D(100)), Period(D(100), D(0), D(110))]


def test_income_is_earned_when_it_is_paid_and_then_gone() -> None:
    paid = Event(START + timedelta(days=3), "A", income=D(5))
    _, found = periods([buy(1, "10", "100"), paid], [mark(1, A="10"), mark(3, A="10"), mark(4, A="10")], "EUR")
    assert [(p.period.closing, p.period.paid) for p in found] == [(D(100), D(5)), (D(100), D(0))]
    assert measure(START, found).twr == D("0.05")


def test_a_split_changes_no_return() -> None:
    split = Event(START + timedelta(days=2), "A", ratio=D(2))
    _, found = periods([buy(1, "10", "100"), split], [mark(1, A="10"), mark(2, A="5")], "EUR")
    assert found[0].period == Period(D(100), D(0), D(100))
    (held,) = unchanged([buy(1, "10", "100"), split], mark(1, A="10"), mark(2, A="5"), "EUR")
    assert (held.quantity, held.price) == (D(10), (D(10), D(10)))


def test_a_gap_with_nothing_invested_is_an_error() -> None:
    events = [buy(1, "10", "100"), buy(2, "-10", "-110"), buy(4, "1", "10")]
    with pytest.raises(ValueError, match="nothing was invested from 2025-01-03 on"):
        periods(events, [mark(day, A="10") for day in range(1, 6)], "EUR")


def test_the_last_sale_ends_the_span_and_counts_what_it_brought() -> None:
    events = [buy(1, "10", "100"), buy(2, "-10", "-110")]
    _, found = periods(events, [mark(day, A="10") for day in range(1, 6)], "EUR")
    assert [p.period for p in found] == [Period(D(100), D(0), D(0), D(110))]
    assert measure(START, found).twr == D("0.1")


def test_an_amount_taken_out_that_is_more_than_there_was_is_earned_by_what_there_was() -> None:
    _, found = periods([buy(1, "10", "100"), buy(2, "-9", "-120")], [mark(1, A="10"), mark(2, A="10")], "EUR")
    assert [p.period for p in found] == [Period(D(100), D(0), D(10), D(120))]
    assert measure(START, found).twr == D("0.3")


@pytest.mark.parametrize("sold", ["1", "50", "90", "90.9", "91", "99.99", "100"])
def test_how_much_is_sold_on_a_good_day_does_not_change_its_return(sold: str) -> None:
    """A hundred shares rise from 10 to 11. With sales at the start of the day 90 of them made it 1000 %, 91 nothing."""
    events = [buy(1, "100", "1000"), buy(2, f"-{sold}", str(-11 * D(sold)))]
    found = measure(START, periods(events, [mark(1, A="10"), mark(2, A="11")], "EUR")[1])
    assert found.twr == D("0.1")


@pytest.mark.parametrize("first", ["A", "B"])
def test_what_one_security_brings_pays_for_another_in_either_order_of_booking(first: str) -> None:
    switch = [buy(2, "-50", "-550"), buy(2, "11", "550", "B")]
    events = [buy(1, "100", "1000"), *(switch if first == "A" else switch[::-1])]
    _, found = periods(events, [mark(1, A="10", B="50"), mark(2, A="11", B="50")], "EUR")
    assert [p.period for p in found] == [Period(D(1000), D(0), D(1100), D(0))]


def test_what_was_bought_in_the_morning_needed_money_before_it_was_sold() -> None:
    """All but a hair of what was bought is sold again: not much else than if it were all of it."""
    events = [buy(2, "100", "1000"), buy(2, "-99.99", "-989.9")]
    found = measure(START, periods(events, [mark(1, A="10"), mark(2, A="10")], "EUR")[1])
    assert found.twr == D("-0.01")


def test_the_owner_had_what_was_paid_out_on_the_way() -> None:
    """Half a year, a tenth of it paid out, and everything sold, bought again on the next day: each is his money."""
    paid = Event(START + timedelta(days=182), "A", income=D(100))
    events = [buy(0, "100", "1000"), paid, buy(364, "-100", "-1000"), buy(365, "50", "500")]
    marks = [mark(day, A="10") for day in (1, 182, 364, 365)]
    rate = measure(*periods(events, marks, "EUR")).mwr
    assert rate is not None
    half = 1000 * (1 + rate) ** (D(181) / 365) - 100
    assert abs(half * (1 + rate) ** (D(182) / 365) - 1000) < D("1e-4"), "the last 500 were there for no time at all"


def test_nothing_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="something invested"):
        periods([], [mark(1, A="10"), mark(2, A="10")], "EUR")
    with pytest.raises(ValueError, match="something invested"):
        periods([], [], "EUR")


def test_a_holding_without_a_price_is_named() -> None:
    with pytest.raises(MarketDataError, match=r"2025-01-02 has no price for B"):
        periods([buy(1, "1", "1", "B")], [mark(1, A="1"), mark(2, A="1")], "EUR")


def test_what_was_sold_or_bought_in_between_is_left_out() -> None:
    events = [buy(1, "10", "100"), buy(1, "5", "5", "B"), buy(5, "-4", "-40"), buy(5, "-5", "-5", "B")]
    (held,) = unchanged(events, mark(2, A="10", B="1"), mark(10, A="12", B="1"), "USD")
    assert (held.symbol, held.quantity) == ("A", D(6))
    assert (held.price, held.fx, held.opening) == ((D(10), D(12)), (D(1), D(2)), D(60))
    assert held_on(events, START + timedelta(days=10)) == {"A": D(6)}


@pytest.mark.parametrize(("brought", "earned"), [("-1100", "0.1"), ("-900", "-0.1")], ids=["gain", "loss"])
def test_what_rounding_left_of_a_split_is_not_a_holding(brought: str, earned: str) -> None:
    """Lots keep ten decimals: of a hundred shares one for three leaves 33.3333333333, and their sale leaves nothing."""
    split = Event(START + timedelta(days=2), "A", ratio=D(1) / D(3))
    sold = [buy(1, "60", "600"), buy(1, "40", "400"), split, buy(3, "-33.3333333333", brought)]
    assert held_on(sold, START + timedelta(days=3)) == {}
    marks = [mark(1, A="10"), mark(2, A="30"), mark(3, A="30"), mark(4, A="30")]
    found = measure(START, periods(sold, marks, "EUR")[1])
    assert (found.periods, found.twr.quantize(D("1e-7"))) == (2, D(earned).quantize(D("1e-7")))


def test_few_shares_that_were_bought_are_a_holding() -> None:
    assert held_on([buy(1, "0.0000000001", "1")], START + timedelta(days=1)) == {"A": D("1e-10")}


@pytest.mark.parametrize(
    ("bought", "sold", "earned"), [("1000", "-990", "-0.01"), ("1000", "-1010", "0.01")], ids=["loss", "gain"]
)
def test_what_is_bought_and_sold_within_a_day_is_no_loss_of_everything(bought: str, sold: str, earned: str) -> None:
    """What was put in was there all day and what came out left at its end: the difference alone was never invested."""
    events = [buy(2, "100", bought), buy(2, "-100", sold)]
    found = measure(START, periods(events, [mark(day, A="10") for day in (1, 2, 3)], "EUR")[1])
    assert (found.periods, found.twr) == (1, D(earned))


def test_buying_more_on_the_day_everything_is_sold_counts_as_put_in() -> None:
    """Ten shares, ten more, and all twenty for less than the second ten had cost."""
    events = [buy(1, "10", "100"), buy(2, "10", "100"), buy(2, "-20", "-90")]
    _, found = periods(events, [mark(day, A="10") for day in (1, 2, 3)], "EUR")
    assert [p.period for p in found] == [Period(D(100), D(100), D(0), D(90))]
    assert measure(START, found).twr == D("-0.55")
