"""E-values have a mean of at most 1 while their hypothesis holds; wealth never overflows; confidence sequences cover."""

from __future__ import annotations

import math
import random
from itertools import pairwise, product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dawsos.analysis.statistical.statistics import (
    Bet,
    Coin,
    Mixture,
    Table,
    bet,
    comparison,
    confidence,
    log_likelihood,
    log_sum,
)

SIZES = st.integers(1, 40)
ODDS = st.sampled_from([(1.5, 1.0), (2.5, 1.5), (8.0, 1.5), (50.0, 1.5), (500.0, 1.5), (200.0, 1.0), (30.0, 2.0)])


def _hypergeometric(canary: int, stable: int, bad: int, odds: float) -> dict[int, float]:
    """Return the exact distribution of the canary's bad requests given the margins, at odds ratio ``odds``."""
    possible = range(max(0, bad - stable), min(bad, canary) + 1)
    weight = {x: math.comb(canary, x) * math.comb(stable, bad - x) * odds**x for x in possible}
    total = sum(weight.values())
    return {x: value / total for x, value in weight.items()}


@given(SIZES, SIZES, st.integers(0, 80), ODDS, st.floats(0.05, 1.0))
@settings(max_examples=200, deadline=None)
def test_the_comparison_is_an_e_value_exactly(
    canary: int, stable: int, bad: int, odds: tuple[float, float], within: float
) -> None:
    assume(bad <= canary + stable)
    psi, rho = odds
    # At the boundary of what is tolerated, and inside it.
    for true in (rho, max(1e-3, rho * within)):
        chances = _hypergeometric(canary, stable, bad, true)
        tables = {x: Table(canary, x, stable, bad - x) for x in chances}
        mean = sum(chance * math.exp(comparison(tables[x], psi, rho)) for x, chance in chances.items())
        assert mean <= 1.0 + 1e-9


@given(st.integers(1, 5), st.integers(1, 5), st.floats(0.0, 1.0), st.sampled_from([(4.0, 1.5), (16.0, 1.0)]))
@settings(deadline=None)
def test_the_common_error_rate_cancels(canary: int, stable: int, rate: float, odds: tuple[float, float]) -> None:
    mean = 0.0
    for bad_canary, bad_stable in product(range(canary + 1), range(stable + 1)):
        chance = float(math.comb(canary, bad_canary) * math.comb(stable, bad_stable))
        chance *= rate ** (bad_canary + bad_stable) * (1 - rate) ** (canary + stable - bad_canary - bad_stable)
        mean += chance * math.exp(comparison(Table(canary, bad_canary, stable, bad_stable), *odds))
    assert mean <= 1.0 + 1e-9


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 400), ODDS)
@settings(deadline=None)
def test_more_bad_requests_on_the_canary_are_more_evidence(
    canary: int, stable: int, bad: int, odds: tuple[float, float]
) -> None:
    assume(bad <= canary + stable)
    possible = range(max(0, bad - stable), min(bad, canary) + 1)
    found = [comparison(Table(canary, x, stable, bad - x), *odds) for x in possible]
    assert all(after >= before - 1e-9 for before, after in pairwise(found))


@given(st.integers(1, 10**9), st.floats(0, 1), st.integers(1, 10**9), st.floats(0, 1), ODDS)
@settings(deadline=None)
def test_a_thousand_million_requests_do_not_overflow(
    canary: int, canary_rate: float, stable: int, stable_rate: float, odds: tuple[float, float]
) -> None:
    table = Table(canary, int(canary * canary_rate), stable, int(stable * stable_rate))
    assert math.isfinite(comparison(table, *odds))
    mixture = Mixture([1.0, 2.0])
    mixture.restart(0.5)
    mixture.multiply([comparison(table, *odds)] * 2)
    assert math.isfinite(mixture.log_wealth())


def test_a_bin_without_a_comparator_bets_nothing() -> None:
    for table in (Table(0, 0, 10, 3), Table(10, 3, 0, 0), Table(10, 0, 10, 0), Table()):
        assert comparison(table, 4.0, 1.5) == 0.0
    assert comparison(Table(10, 10, 10, 10), 4.0, 1.5) == pytest.approx(0.0)


@given(st.lists(st.floats(-700, 700), min_size=1, max_size=6), st.floats(0.01, 1.0), st.floats(0.1, 50.0))
@settings(deadline=None)
def test_a_cap_only_takes_wealth(factors: list[float], share: float, most: float) -> None:
    mixture = Mixture([1.0] * len(factors))
    mixture.restart(share)
    mixture.multiply(factors)
    before = mixture.log_wealth()
    mixture.cap(most)
    assert mixture.log_wealth() == pytest.approx(min(before, most), abs=1e-6)


@given(st.lists(st.floats(0.0, 1.0), max_size=30))
@settings(deadline=None)
def test_restarts_move_wealth_without_making_any(shares: list[float]) -> None:
    mixture = Mixture([3.0, 1.0])
    for share in shares:
        mixture.restart(share)
    assert mixture.log_wealth() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("limit", [0.005, 0.05, 0.25])
def test_coins_are_e_values_on_their_boundary(limit: float) -> None:
    for shares in ((2 * limit, 0.9), (limit / 2, 1e-9)):
        coin = Coin.against(limit, shares)
        for bad, good in zip(coin.bad, coin.good, strict=True):
            assert limit * math.exp(bad) + (1 - limit) * math.exp(good) == pytest.approx(1.0)


def test_evidence_of_independent_requests_is_the_same_however_it_is_split() -> None:
    coin = Coin.against(0.05, (0.1, 0.3))
    whole = coin.factors(1000, 70)
    parts = [coin.factors(400, 20), coin.factors(600, 50)]
    assert [sum(column) for column in zip(*parts, strict=True)] == pytest.approx(whole)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=200), st.integers(1, 100))
@settings(deadline=None)
def test_a_clustered_request_counts_in_part(outcomes: list[int], users: int) -> None:
    coin = Coin.against(0.05, (0.1,))
    full = coin.factors(len(outcomes), sum(outcomes))[0]
    assert coin.factors(len(outcomes), sum(outcomes), 1 / users)[0] == pytest.approx(full / users)


def test_a_confidence_sequence_covers_at_all_times_together() -> None:
    rnd, missed = random.Random(5), 0
    for _ in range(200):
        bad, covered = 0, True
        for requests in range(1, 301):
            bad += rnd.random() < 0.1
            if requests % 10 == 0:
                low, high = confidence(requests, bad)
                covered = covered and low <= 0.1 <= high
        missed += not covered
    assert missed <= 200 * 0.05 + 9


def test_confidence_at_the_ends() -> None:
    assert confidence(0, 0) == (0.0, 1.0)
    assert confidence(100, 0)[0] == 0.0
    assert confidence(100, 100)[1] == 1.0
    low, high = confidence(10**9, 5 * 10**6)
    assert low < 0.005 < high < 0.0051


def test_sums_of_logs() -> None:
    assert log_sum([]) == -math.inf
    assert log_sum([-math.inf, 0.0]) == 0.0
    assert log_sum([1000.0, 1000.0]) == pytest.approx(1000.0 + math.log(2))


def test_a_bet_is_on_the_fewest_coins() -> None:
    made = bet(Table(10, 2, 1000, 3))
    assert (made.size, made.inverse) == (5, False)
    assert bet(Table(3, 2, 1000, 30)).size == 3
    assert bet(Table(1000, 30, 3, 2)) == Bet(2, 3, 32 / 1003, True)
    assert log_likelihood(made, 1.0) == 0.0
