"""Properties of the pure core. 1,000 examples each under `--hypothesis-profile=pipeline`."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.attribution import attribute
from app.core.errors import TradeRefusedError
from app.core.fx import all_pairs
from app.core.lots import Lot, fifo, held, realised
from app.core.money import CURRENCIES, divide, multiply, quantize, within_one_bp
from app.core.pack import PackContent, Price
from app.core.twr import Period, growth, time_weighted_return
from app.core.valuation import value

D = Decimal
DAY = date(2026, 11, 24)
amounts = st.decimals("0.0000000001", "999999999", places=10)
rates = st.decimals("0.0001", "10000", places=6)
anchors = st.fixed_dictionaries({c: rates for c in CURRENCIES if c != "EUR"})


@given(anchors, st.sampled_from(CURRENCIES), st.sampled_from(CURRENCIES), st.sampled_from(CURRENCIES))
def test_round_trip_and_triangulation_stay_within_one_basis_point(anchor: dict[str, D], a: str, b: str, c: str) -> None:
    table = PackContent(DAY, "P", (), all_pairs("EUR", anchor)).table()
    assert table.rate(a, a) == 1
    assert within_one_bp(table.rate(a, b) * table.rate(b, a), D(1))
    assert within_one_bp(multiply(table.rate(a, b), table.rate(b, c)), table.rate(a, c))


TRIPLES = tuple(combinations((c for c in CURRENCIES if c != "EUR"), 3))


@st.composite
def holdings(draw: st.DrawFn) -> tuple[list[Lot], PackContent, str]:
    """Up to eight lots over four securities in random currencies, three besides the euro at a time."""
    quoted = draw(st.sampled_from(TRIPLES))
    currencies = ("EUR", *quoted)
    prices = tuple(Price(f"S{i}", draw(amounts), draw(st.sampled_from(currencies)), "fixture", DAY) for i in range(4))
    lots = [
        Lot(UUID(int=i), draw(st.sampled_from(prices)).symbol, DAY, i, draw(amounts), D(1), "USD", D(1))
        for i in range(draw(st.integers(0, 8)))
    ]
    content = PackContent(DAY, "P", prices, all_pairs("EUR", {currency: draw(rates) for currency in quoted}))
    return lots, content, draw(st.sampled_from(currencies))


@given(holdings())
def test_multi_currency_value_equals_exact_arithmetic_within_one_basis_point(
    world: tuple[list[Lot], PackContent, str],
) -> None:
    lots, content, base = world
    prices, table = content.price_of(), content.table()
    exact = sum(
        (
            Fraction(lot.quantity)
            * Fraction(prices[lot.symbol].close)
            * Fraction(table.rate(prices[lot.symbol].currency, base))
            for lot in lots
        ),
        Fraction(0),
    )
    result = value(lots, content, base)
    # Rounding to 8 decimals is at most half a unit there, whatever the size of the value.
    assert abs(Fraction(result.total) - exact) <= abs(exact) / 10_000 + Fraction(1, 2 * 10**8)
    lines = sum((line.value for line in result.positions), D(0))
    assert abs(lines - result.total) <= D("1e-8") * (len(result.positions) + 1) + abs(result.total) * D("1e-20")


@given(holdings(), st.randoms(use_true_random=False))
def test_pack_hash_is_canonical(world: tuple[list[Lot], PackContent, str], random: object) -> None:
    _, content, _ = world
    prices, pairs = list(content.prices), list(content.rates)
    random.shuffle(prices)  # type: ignore[attr-defined]
    random.shuffle(pairs)  # type: ignore[attr-defined]
    padded = tuple(replace(p, close=p.close + D("0.000000000000")) for p in prices)
    assert replace(content, prices=padded, rates=tuple(pairs)).digest() == content.digest()


@given(holdings(), st.integers(0, 3))
def test_pack_hash_sees_every_change(world: tuple[list[Lot], PackContent, str], at: int) -> None:
    _, content, _ = world
    prices = list(content.prices)
    prices[at] = replace(prices[at], close=prices[at].close + D("1e-10"))
    assert replace(content, prices=tuple(prices)).digest() != content.digest()


lots_of_one = st.lists(st.tuples(st.integers(1, 28), amounts, amounts, rates), min_size=1, max_size=8).map(
    lambda rows: [
        Lot(UUID(int=i), "S", date(2026, 1, day), i, quantity, cost, "USD", fx)
        for i, (day, quantity, cost, fx) in enumerate(rows)
    ]
)


@given(lots_of_one, amounts, amounts, rates)
def test_fifo_conserves_quantity_order_and_profit(lots: list[Lot], wanted: D, price: D, fx: D) -> None:
    total = sum(lot.quantity for lot in lots)
    if wanted > total:
        with pytest.raises(TradeRefusedError):
            fifo(lots, wanted)
        return
    used = fifo(lots, wanted)
    assert sum(d.quantity for d in used) == wanted
    assert all(0 < d.quantity <= d.lot.quantity and d.remaining >= 0 for d in used)
    assert all(d.remaining == 0 for d in used[:-1]), "only the last lot touched may be left open"
    ages = [(d.lot.opened_on, d.lot.seq) for d in used]
    assert ages == sorted(ages)
    untouched = [lot for lot in lots if lot.id not in {d.lot.id for d in used}]
    assert all((lot.opened_on, lot.seq) > ages[-1] for lot in untouched)
    left = held([("S", lot.quantity) for lot in untouched] + [("S", d.remaining) for d in used])
    assert left.get("S", D(0)) == total - wanted
    exact = sum(
        Fraction(d.quantity) * (Fraction(price) * Fraction(fx) - Fraction(d.lot.unit_cost) * Fraction(d.lot.fx_rate))
        for d in used
    )
    turnover = sum(
        Fraction(d.quantity) * Fraction(price + d.lot.unit_cost) * Fraction(fx + d.lot.fx_rate) for d in used
    )
    assert abs(Fraction(realised(used, price, fx).total) - exact) <= turnover / 10**20


def _period(opening: D, flow: D, factor: D) -> Period:
    return Period(opening, flow, (opening + flow) * factor)


# A day between losing half and doubling; 12 of them already span seven orders of magnitude.
period = st.builds(
    _period,
    st.decimals("1", "1e9", places=4),
    st.decimals("0", "1e9", places=4),
    st.decimals("0.5", "2", places=6),
)


@given(st.lists(period, min_size=1, max_size=12), st.data())
def test_twr_chains_over_every_split_and_in_any_order(periods: list[Period], data: st.DataObject) -> None:
    whole = 1 + time_weighted_return(periods)
    cut = data.draw(st.integers(0, len(periods)))
    parts = multiply(1 + time_weighted_return(periods[:cut]), 1 + time_weighted_return(periods[cut:]))
    shuffled = 1 + time_weighted_return(data.draw(st.permutations(periods)))
    # Rounding happens at the 28th digit of intermediate products of at most 2**12.
    slack = D("1e-20")
    assert abs(whole - parts) <= slack
    assert abs(whole - shuffled) <= slack


@given(period, st.decimals("0.01", "100", places=2))
def test_twr_is_blind_to_scale(one: Period, factor: D) -> None:
    scaled = Period(one.opening * factor, one.flow * factor, one.closing * factor)
    assert abs(growth(one) - growth(scaled)) <= growth(one) * D("1e-20")


@given(
    st.tuples(st.decimals("1", "1000", places=4), st.decimals("-0.5", "0.5", places=6)),
    st.tuples(st.decimals("0.001", "200", places=6), st.decimals("-0.3", "0.3", places=6)),
)
def test_attribution_sums_to_the_base_return(asset: tuple[D, D], currency: tuple[D, D]) -> None:
    (p0, local), (f0, fx) = asset, currency
    p1, f1 = p0 * (1 + local), f0 * (1 + fx)
    parts = attribute((p0, p1), (f0, f1))
    assert abs(parts.local + parts.fx + parts.interaction - parts.base) <= D("2e-8")
    assert abs(parts.base - quantize(divide(p1 * f1, p0 * f0) - 1)) <= D("1e-8")
