"""core.lots, core.valuation, core.twr, core.attribution, core.alerts."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest

from app.core.alerts import value_drop
from app.core.attribution import attribute, simple_return
from app.core.errors import MarketDataError, TradeRefusedError
from app.core.fx import FxRate
from app.core.lots import Lot, Side, Transaction, fifo, realised
from app.core.pack import PackContent, Price
from app.core.twr import Period, time_weighted_return
from app.core.valuation import value

D = Decimal
DAY = date(2026, 11, 24)


def lot(quantity: str, cost: str = "150", *, day: int = 1, seq: int = 0, symbol: str = "AAPL", fx: str = "1") -> Lot:
    return Lot(uuid4(), symbol, date(2026, 1, day), seq, D(quantity), D(cost), "USD", D(fx))


def trade(side: Side, quantity: str) -> Transaction:
    return Transaction(uuid4(), "AAPL", side, D(quantity), D(150), "USD", D(1), DAY)


def test_a_sale_uses_the_oldest_lot_first_and_arrival_decides_ties() -> None:
    newest, second, first = lot("10", day=2), lot("10", seq=2), lot("10", seq=1)
    used = fifo([newest, second, first], D(15))
    assert [(d.lot.id, d.quantity, d.remaining) for d in used] == [(first.id, D(10), D(0)), (second.id, D(5), D(5))]


def test_selling_more_than_is_held_is_refused() -> None:
    with pytest.raises(TradeRefusedError, match="only 10 held"):
        fifo([lot("10")], D("10.0000000001"))


def test_an_empty_lot_is_passed_over() -> None:
    full = lot("5", day=2)
    assert [d.lot.id for d in fifo([lot("0"), full], D(5))] == [full.id]


def test_realised_profit_splits_without_double_counting() -> None:
    gain = realised(fifo([lot("60", "90", fx="1.05")], D(40)), D(100), D("1.10"))
    assert gain.price == D(40) * 10 * D("1.10")
    assert gain.fx == D(40) * 90 * D("0.05")
    assert gain.total == D(40) * (D(100) * D("1.10") - D(90) * D("1.05"))


def pack() -> PackContent:
    prices = (
        Price("AAPL", D("170.77"), "USD", "fixture", DAY),
        Price("BMW.DE", D("87.66"), "EUR", "fixture", DAY),
    )
    return PackContent(DAY, "P", prices, (FxRate("EUR", "USD", D("1.0619")), FxRate("USD", "EUR", D("0.9417"))))


def test_value_is_quantity_times_price_times_rate() -> None:
    result = value([lot("60"), lot("40"), lot("50", symbol="BMW.DE")], pack(), "USD")
    assert result.total == D("17077") + D("4654.3077")
    assert [(p.symbol, p.quantity) for p in result.positions] == [("AAPL", D(100)), ("BMW.DE", D(50))]


def test_an_unpriced_holding_is_an_error_not_a_smaller_sum() -> None:
    with pytest.raises(MarketDataError, match="no price for XYZ"):
        value([lot("1", symbol="XYZ")], pack(), "USD")


def test_valuation_bytes_carry_numbers_as_strings() -> None:
    body = value([lot("3")], pack(), "USD").canonical_bytes("p", "PP-1")
    document = json.loads(body)
    assert document["total"] == "512.31"
    assert document["positions"][0]["fx_rate"] == "1"
    assert b" " not in body


def test_nothing_held_is_worth_nothing() -> None:
    assert value([], pack(), "USD").total == 0


def test_twr_of_one_year_without_flows() -> None:
    assert time_weighted_return([Period(D(100000), D(0), D(110000))]) == D("0.1")


def test_twr_is_blind_to_a_deposit() -> None:
    periods = [Period(D(100000), D(0), D(100000)), Period(D(100000), D(50000), D(165000))]
    assert time_weighted_return(periods) == D("0.1")


def test_twr_is_blind_to_a_withdrawal() -> None:
    periods = [Period.of(D(1000), D(-990), D(110)), Period.of(D(110), D(0), D(121))]
    assert time_weighted_return(periods) == D("0.21")


def test_twr_without_capital_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing invested"):
        time_weighted_return([Period(D(0), D(0), D(1))])


def test_attribution_parts_sum_to_the_whole() -> None:
    parts = attribute((D(100), D(110)), (D("1.00"), D("1.02")))
    assert (parts.local, parts.fx, parts.interaction, parts.base) == (D("0.1"), D("0.02"), D("0.002"), D("0.122"))


def test_no_return_from_nothing() -> None:
    with pytest.raises(ValueError, match="positive start"):
        simple_return(D(0), D(1))


@pytest.mark.parametrize(
    ("before", "now", "alert"),
    [("100", "95", None), ("100", "94.99", "-0.0501"), ("100", "120", None), ("0", "0", None)],
)
def test_only_a_fall_of_more_than_five_percent_alerts(before: str, now: str, alert: str | None) -> None:
    assert value_drop(D(before), D(now)) == (D(alert) if alert else None)
