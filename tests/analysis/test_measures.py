"""Sums and quantiles."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.analysis.measures import error_rate, quantile, total
from dawsos.model.rollout import Counts

_EDGES = (0.1, 0.5, 1.2, math.inf)


def _counts(buckets: list[int]) -> Counts:
    running = [sum(buckets[: index + 1]) for index in range(len(buckets))]
    return Counts(running[-1], 0, tuple(zip(_EDGES, running, strict=True)))


def test_a_quantile_lies_inside_its_bucket() -> None:
    assert quantile(_counts([0, 100, 0, 0]), 0.5) == pytest.approx(0.3)
    assert quantile(_counts([0, 0, 0, 10]), 0.95) == 1.2
    assert quantile(Counts(), 0.95) is None


def test_no_requests_have_no_error_rate() -> None:
    assert error_rate(Counts()) is None
    assert error_rate(Counts(10, 20)) == 1.0


@given(st.lists(st.lists(st.integers(0, 50), min_size=4, max_size=4), min_size=1, max_size=5))
def test_the_sum_of_parts_is_the_whole(parts: list[list[int]]) -> None:
    whole = [sum(column) for column in zip(*parts, strict=True)]
    assert total(map(_counts, parts)) == _counts(whole)


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any), st.floats(0, 1), st.floats(0, 1))
def test_quantiles_do_not_decrease(buckets: list[int], a: float, b: float) -> None:
    low, high = sorted((a, b))
    one, other = quantile(_counts(buckets), low), quantile(_counts(buckets), high)
    assert one is not None
    assert other is not None
    assert one <= other + 1e-9


def test_codes_are_added_where_every_part_with_requests_tells_them() -> None:
    parts = (Counts(2, codes={"4xx": 1, "404": 1}), Counts(), Counts(3, codes={"4xx": 2}))
    assert total(parts).codes == {"4xx": 3}
    assert total((*parts, Counts(1))).codes == {}
