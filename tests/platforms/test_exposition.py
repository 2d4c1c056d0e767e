"""Pages in Prometheus' text format."""

from __future__ import annotations

import math

import pytest

from dawsos.platforms.exposition import Series, buckets, identity, series, total

PAGE = """\
# HELP failures_total x
# TYPE failures_total counter
failures_total 3
failures_total{job="a"} 2.0
failures_total{job="b\\"} 9",x="\\\\y\\nz"} 4 1700000000000
failures_total_other 9
other{name="failures_total"} 9
exp_total 1e3
broken_total{job="a" 7
not_total NaN
words_total seven
"""


@pytest.mark.parametrize(
    ("name", "value"), [("failures_total", 9.0), ("exp_total", 1000.0), ("absent_total", 0.0), ("not_total", 0.0)]
)
def test_a_counter_is_the_sum_of_its_series(name: str, value: float) -> None:
    assert total(PAGE, name) == value


def test_labels_are_read_with_what_is_escaped_in_them() -> None:
    found = [each for each in series(PAGE) if "x" in each.labels]
    assert found == [Series("failures_total", {"job": 'b"} 9', "x": "\\y\nz"}, 4.0)]


def test_what_is_no_line_of_the_format_is_left_out() -> None:
    names = {each.name for each in series(PAGE)}
    assert names == {"failures_total", "failures_total_other", "other", "exp_total", "not_total"}


def test_a_histogram_is_added_up_over_its_series() -> None:
    page = 'x_bucket{a="1",le="500"} 3\nx_bucket{a="2",le="500"} 4\nx_bucket{a="2",le="+Inf"} 5\nx_sum 9\ny_bucket{le="1"} 1\n'
    assert buckets(series(page), "x", per_second=1000) == {0.5: 7, math.inf: 5}
    assert buckets(series(page), "y") == {1.0: 1}


def test_a_series_is_told_from_others_by_its_labels() -> None:
    assert identity(Series("x", {"b": "2", "a": "1"}, 7.0)) == "a=1 b=2"
