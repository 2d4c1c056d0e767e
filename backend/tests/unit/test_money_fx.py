"""core.money and core.fx."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.core.errors import MarketDataError
from app.core.fx import RateTable, all_pairs, cross
from app.core.money import divide, multiply, plain, quantize, relative_difference, significant, within_one_bp

D = Decimal


@pytest.mark.parametrize(
    ("value", "text"),
    [("1.500", "1.5"), ("100", "100"), ("0.0", "0"), ("-0", "0"), ("1E+3", "1000"), ("0.00000001", "0.00000001")],
)
def test_plain_has_one_spelling_per_number(value: str, text: str) -> None:
    assert plain(D(value)) == text


def test_rounding_is_half_even() -> None:
    assert quantize(D("0.5"), D(1)) == 0
    assert quantize(D("1.5"), D(1)) == 2
    assert quantize(D("0.000000005")) == 0


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        ("1" * 19 + ".123456785", "1" * 19 + ".12345678"),
        ("9" * 20 + ".999999995", "1" + "0" * 20),
        ("1" * 21 + ".123456785", "1" * 21 + ".1234568"),
        ("1" * 30, "1" * 28 + "00"),
        ("0", "0"),
    ],
)
def test_a_value_too_large_for_eight_decimals_keeps_28_digits(value: str, rounded: str) -> None:
    assert quantize(D(value)) == D(rounded)


def test_precision_is_28_digits_whatever_the_thread_context_says() -> None:
    assert divide(D(1), D(3)) == D("0." + "3" * 28)
    assert multiply(D("1." + "1" * 27), D(1)) == D("1." + "1" * 27)


def test_significant_digits_survive_small_numbers() -> None:
    assert significant(D("0.00000012345678901234"), 12) == D("1.23456789012E-7")


@pytest.mark.parametrize(
    ("left", "right", "close"),
    [("0", "0", True), ("10000", "10001", True), ("10000", "10002", False), ("0", "0.1", False), ("-5", "5", False)],
)
def test_one_basis_point(left: str, right: str, close: bool) -> None:
    assert within_one_bp(D(left), D(right)) is close
    assert relative_difference(D(left), D(right)) == relative_difference(D(right), D(left))


ECB = {"USD": D("1.0619"), "CAD": D("1.4712"), "JPY": D("160.3")}


def test_pairs_cover_every_direction_once() -> None:
    pairs = all_pairs("EUR", ECB)
    assert len(pairs) == len({(p.base, p.quote) for p in pairs}) == 4 * 3
    assert all(p.base != p.quote for p in pairs)


def test_cross_goes_through_the_anchor() -> None:
    assert quantize(cross(ECB, "USD", "CAD"), D("1e-7")) == D("1.3854412")
    assert cross(ECB, "USD", "USD") == 1


@pytest.mark.parametrize("bad", ["0", "-1", "NaN", "Infinity"])
def test_a_rate_that_is_no_rate_is_refused(bad: str) -> None:
    with pytest.raises(MarketDataError, match="positive"):
        all_pairs("EUR", {**ECB, "GBP": D(bad)})


def test_a_missing_pair_is_an_error_and_the_own_currency_is_one() -> None:
    table = RateTable(all_pairs("EUR", ECB))
    assert table.rate("EUR", "USD") == D("1.0619")
    assert table.rate("XXX", "XXX") == 1
    with pytest.raises(MarketDataError, match="GBP->USD"):
        table.rate("GBP", "USD")
