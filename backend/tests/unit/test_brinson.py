"""app.core.brinson and the portfolio part of app.core.attribution."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import log

import pytest

from app.core.attribution import Holding, attribute_portfolio
from app.core.brinson import Segment, attribute, link

D = Decimal


def segment(name: str, *numbers: str) -> Segment:
    return Segment(name, *(D(n) for n in numbers))


TWO = [segment("equity", "0.7", "0.6", "0.10", "0.08"), segment("bonds", "0.3", "0.4", "0.01", "0.02")]


def test_effects_by_hand() -> None:
    found = attribute(TWO)
    assert (found.portfolio, found.benchmark, found.active) == (D("0.073"), D("0.056"), D("0.017"))
    equity, bonds = found.effects
    assert (equity.allocation, equity.selection, equity.interaction) == (D("0.0024"), D("0.012"), D("0.002"))
    assert (bonds.allocation, bonds.selection, bonds.interaction) == (D("0.0036"), D("-0.004"), D("0.001"))
    assert equity.total + bonds.total == found.active


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([segment("a", "0.5", "1", "0", "0")], "the portfolio's weights add to 0.5, not to 1"),
        ([segment("a", "1", "0.999999999999", "0", "0")], "the benchmark's weights add to"),
        ([segment("a", "0.5", "0.5", "0", "0"), segment("a", "0.5", "0.5", "0", "0")], "named twice"),
        ([], "add to 0"),
    ],
)
def test_what_cannot_be_compared_is_refused(segments: list[Segment], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attribute(segments)


def test_linked_effects_add_to_the_compounded_active_return() -> None:
    one = attribute(TWO)
    equal = attribute(
        [replace(s, portfolio_weight=s.benchmark_weight, portfolio_return=s.benchmark_return) for s in TWO]
    )
    found = link([one, equal, one])
    assert found.active == found.portfolio - found.benchmark == sum(e.total for e in found.effects)
    compounded = D("1.073") ** 2 * D("1.056") - D("1.056") ** 3
    assert abs(found.active - compounded) < D("1e-12")


def test_linked_effects_are_carinos() -> None:
    """Each effect against the formula in floats; a period whose effects cancel counts by the limit 1 / (1 + R)."""
    first = attribute(TWO)
    # Weights that cost as much as the selection earned: no active return, yet effects.
    level = attribute(
        [segment("equity", "0.5", "0.6", "0.11", "0.08"), segment("bonds", "0.5", "0.4", "0.002", "0.02")]
    )
    level = replace(level, portfolio=level.benchmark, active=D(0))
    found = link([first, level])
    p = 1.073 * (1 + float(level.benchmark)) - 1
    b = 1.056 * (1 + float(level.benchmark)) - 1
    whole = (log(1 + p) - log(1 + b)) / (p - b)
    scales = ((log(1.073) - log(1.056)) / 0.017 / whole, 1 / (1 + float(level.benchmark)) / whole)
    for at, effect in enumerate(found.effects):
        for part in ("allocation", "interaction"):
            by_hand = sum(
                s * float(getattr(one.effects[at], part)) for s, one in zip(scales, (first, level), strict=True)
            )
            assert float(getattr(effect, part)) == pytest.approx(by_hand, abs=1e-10)


def test_linking_one_period_changes_nothing() -> None:
    one = attribute(TWO)
    found = link([one])
    assert [e.total for e in found.effects] == [e.total for e in one.effects]


def test_what_cannot_be_linked_is_refused() -> None:
    one = attribute(TWO)
    for periods, message in (
        ([], "no period"),
        ([one, attribute(TWO[::-1])], "same segments"),
        ([attribute([segment("a", "1", "1", "-1", "0")])], "cannot be linked"),
    ):
        with pytest.raises(ValueError, match=message):
            link(periods)


def test_contributions_add_up_in_both_directions() -> None:
    held = [
        Holding("B", "EUR", D(10), (D(10), D(11)), (D("1.1"), D("1.2"))),
        Holding("A", "USD", D(3), (D(7), D(9)), (D(1), D(1))),
        Holding("C", "EUR", D(1), (D(13), D(12)), (D("1.1"), D("1.2"))),
    ]
    found = attribute_portfolio(held)
    assert [line.name for line in found.holdings] == ["A", "B", "C"]
    assert [line.name for line in found.currencies] == ["EUR", "USD"]
    for lines in (found.holdings, found.currencies):
        assert sum((line.total for line in lines), D(0)) == found.whole.total
        assert abs(sum((line.weight for line in lines), D(0)) - 1) < D("1e-7")
    end = 10 * 11 * D("1.2") + 27 + 12 * D("1.2")
    start = 10 * 10 * D("1.1") + 21 + 13 * D("1.1")
    assert abs(found.whole.total - (end / start - 1)) < D("1e-7")


def test_of_nothing_there_is_no_attribution() -> None:
    with pytest.raises(ValueError, match="nothing was held"):
        attribute_portfolio([])


def test_returns_that_compound_beyond_all_digits_are_refused() -> None:
    """Percent instead of fractions, for example: eleven to the power of 24 has no room for twelve decimals."""
    with pytest.raises(ValueError, match="too large to link"):
        link([attribute([segment("a", "1", "1", "10", "5")])] * 24)
    with pytest.raises(ValueError, match="too large to link"):
        link([attribute([segment("a", "1", "1", "5", "10")])] * 24)


def test_losses_that_compound_to_everything_are_refused() -> None:
    """What is left of 99 % lost fifteen times is nothing in 28 digits, and nothing has no logarithm."""
    with pytest.raises(ValueError, match="a loss of everything"):
        link([attribute([segment("a", "1", "1", "-0.99", "0.01")])] * 15)
    with pytest.raises(ValueError, match="a loss of everything"):
        link([attribute([segment("a", "1", "1", "0.01", "-0.99")])] * 15)
