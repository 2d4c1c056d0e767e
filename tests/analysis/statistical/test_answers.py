"""What a version answered, as tables: only what was told, and never a body called small because its refusal was expected."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from dawsos.analysis.statistical.answers import SmallEdge, answer_tables, choose_small, most_named
from dawsos.analysis.statistical.evidence import REFUSED
from dawsos.analysis.statistical.statistics import Table, comparison
from dawsos.model.rollout import Counts

SIZES = (100.0, 250.0, 500.0, 1000.0, 5000.0, math.inf)
NONE = Table()


def _bodies(*buckets: int) -> tuple[tuple[float, int], ...]:
    return tuple(zip(SIZES, itertools.accumulate(buckets), strict=True))


def test_small_is_less_than_half_of_what_nearly_all_of_stable_s_bodies_exceed() -> None:
    assert choose_small(Counts(sizes=_bodies(0, 0, 5, 500, 500, 0))) == SmallEdge(500.0, 250.0)
    assert choose_small(Counts(sizes=_bodies(0, 5, 50, 500, 500, 0))) == SmallEdge(250.0, 100.0)


@pytest.mark.parametrize("bodies", [(0, 0, 0, 0, 199, 0), (500, 0, 0, 0, 0, 0), (0, 500, 0, 0, 0, 0), ()])
def test_few_bodies_or_small_ones_cannot_collapse(bodies: tuple[int, ...]) -> None:
    assert choose_small(Counts(sizes=_bodies(*bodies) if bodies else ())) is None


def test_classes_are_counted_of_all_requests() -> None:
    canary = Counts(10, codes={"3xx": 1, "4xx": 4})
    stable = Counts(100, codes={"3xx": 2, "4xx": 5})
    assert answer_tables(canary, stable, None) == (Table(10, 4, 100, 5), Table(10, 1, 100, 2), NONE)


def test_a_class_that_was_not_told_is_not_compared() -> None:
    told = Counts(100, codes={"4xx": 5})
    assert answer_tables(Counts(10), told, None)[0] == NONE
    assert answer_tables(told, Counts(10, codes={"2xx": 10}), None)[0] == NONE
    # Without a request there was nothing to tell.
    assert answer_tables(Counts(0), told, None)[0] == Table(0, 0, 100, 5)


def test_answers_to_requests_of_the_second_before_are_not_more_than_the_requests() -> None:
    assert answer_tables(Counts(3, codes={"4xx": 7}), Counts(9, codes={"4xx": 0}), None)[0] == Table(3, 3, 9, 0)


def test_bodies_of_expected_refusals_are_not_held_against_the_canary() -> None:
    edge = SmallEdge(500.0, 250.0)
    canary = Counts(20, codes={"3xx": 0, "4xx": 6}, sizes=_bodies(0, 8, 0, 12, 0, 0))
    stable = Counts(100, codes={"3xx": 0, "4xx": 1}, sizes=_bodies(0, 1, 2, 97, 0, 0))
    assert answer_tables(canary, stable, edge)[2] == Table(20, 8, 100, 3)
    assert answer_tables(canary, stable, edge, frozenset({REFUSED}))[2] == Table(20, 2, 100, 3)
    pages = replace(canary, codes={**canary.codes, "2xx": 20})
    assert answer_tables(pages, stable, edge, frozenset({REFUSED}))[2] == Table(20, 8, 100, 3)
    assert answer_tables(Counts(20), stable, edge)[2] == NONE


def test_taking_expected_refusals_off_the_canary_alone_keeps_the_bet_fair() -> None:
    """Mean factor over all tables: 8 requests of the canary, 12 of stable, each refused (with a small body) or a small page with
    the same probabilities on both."""
    refused, small = 0.2, 0.15
    mean = 0.0
    for canary in _outcomes(8, refused, small):
        for stable in _outcomes(12, refused, small):
            bad = max(0, canary[0] + canary[1] - canary[0])
            table = Table(8, bad, 12, stable[0] + stable[1])
            mean += canary[2] * stable[2] * math.exp(comparison(table, 4.0, 2.0))
    assert mean <= 1.0


def _outcomes(requests: int, refused: float, small: float) -> list[tuple[int, int, float]]:
    """Return (refused, small pages, probability)."""
    found = []
    for one in range(requests + 1):
        for two in range(requests - one + 1):
            ways = math.comb(requests, one) * math.comb(requests - one, two)
            rest = (1 - refused - small) ** (requests - one - two)
            found.append((one, two, ways * refused**one * small**two * rest))
    return found


def test_the_code_that_occurs_most_is_named() -> None:
    assert most_named({"4xx": 9, "404": 1200, "401": 3}.items()) == "404: 1,200"
    assert most_named({"4xx": 9, "404": 0}.items()) == ""
