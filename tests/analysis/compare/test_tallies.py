"""The test of chance: exact, one-sided, and the same whatever the labels are called."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.analysis.compare.tallies import PROOF, Tally, chance, changed, most, shown


def by_counting(canary: int, of: int, stable: int, stable_of: int) -> float:
    total, marked = of + stable_of, canary + stable
    draws = list(combinations(range(total), of))
    return sum(sum(one < marked for one in draw) >= canary for draw in draws) / len(draws)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 4), st.integers(1, 5), st.data())
def test_the_chance_is_that_of_counting_all_draws(of: int, stable_of: int, data: st.DataObject) -> None:
    canary, stable = data.draw(st.integers(0, of)), data.draw(st.integers(0, stable_of))
    assert chance(canary, of, stable, stable_of) == pytest.approx(by_counting(canary, of, stable, stable_of))


def test_six_of_six_against_none_of_twelve_is_proven_and_three_are_not() -> None:
    assert chance(6, 6, 0, 12) == pytest.approx(1 / 18564)
    assert Tally(6, 6, 0, 12).proven
    assert Tally(5, 6, 0, 12).proven
    assert not Tally(3, 6, 0, 12).proven
    # The fewest rounds that pipeline.yaml may ask for can still prove what is always so.
    assert chance(5, 5, 0, 10) <= PROOF


def test_a_difference_that_stable_has_at_times_is_noise_until_it_is_proven() -> None:
    assert list(Tally(3, 6, 1, 12).differences("missing", "a", "there", "missing")) == []
    (few,) = Tally(1, 6, 0, 12).differences("missing", "a", "there", "missing")
    assert (few.fails, few.undecided) == (False, True)
    (often,) = Tally(24, 24, 2, 48).differences("missing", "a", "there", "missing")
    assert (often.fails, often.undecided) == (True, False)
    assert list(Tally(0, 6, 0, 12).differences("missing", "a", "there", "missing")) == []


def test_only_what_stable_always_says_can_change() -> None:
    (one,) = changed("header", "vary", ["a", "a"], ["a", "b"])
    assert (one.stable, one.canary, one.count, one.of, one.fails) == ("a", "b", 1, 2, False)
    assert list(changed("header", "vary", ["a", "b"], ["c"])) == []
    assert list(changed("header", "vary", ["a", "a"], ["a"])) == []


def test_most_does_not_depend_on_the_order() -> None:
    assert most(["b", "a"]) == most(["a", "b"]) == "a"
    assert most([]) == ""
    assert len(shown("x" * 1000)) == 80
