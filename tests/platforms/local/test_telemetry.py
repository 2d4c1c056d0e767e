"""Two readings of Envoy's counters and what happened between them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.adapters.http import HttpError
from dawsos.model.policy import CrashLoop
from dawsos.platforms.contract import Roles
from dawsos.platforms.local.admin import COUNTERS
from dawsos.platforms.local.state import Desired, write_desired, write_roles
from dawsos.platforms.local.telemetry import EnvoyTelemetry, _backwards, _counter, _difference
from support.pages import Pages

READINGS = st.fixed_dictionaries({key: st.integers(0, 10_000).map(float) for key in COUNTERS})


def reading(**values: float) -> dict[str, float]:
    return dict.fromkeys(COUNTERS, 0.0) | {key.replace("retry_", "retry."): value for key, value in values.items()}


def test_requests_and_errors_are_what_was_added() -> None:
    before = reading(upstream_rq_total=100, upstream_rq_5xx=1)
    after = reading(upstream_rq_total=150, upstream_rq_5xx=4)
    counts = _difference(before, after, {}, {})
    assert (counts.requests, counts.errors, counts.latency) == (50, 3, ())


@pytest.mark.parametrize(
    ("values", "requests", "errors"),
    [
        ({"upstream_rq_total": 10, "retry_upstream_rq_5xx": 2}, 10, 2),
        ({"upstream_rq_total": 10, "upstream_rq_rx_reset": 3}, 10, 3),
        ({"upstream_rq_total": 10, "upstream_rq_pending_failure_eject": 4}, 14, 4),
        ({"upstream_rq_total": 1, "upstream_rq_5xx": 1, "upstream_rq_rx_reset": 1}, 1, 1),
    ],
    ids=["retried 5xx", "reset", "refused connection", "one request is one error at most"],
)
def test_what_a_retry_hid_from_the_user_is_not_hidden_from_the_judge(
    values: dict[str, float], requests: int, errors: int
) -> None:
    counts = _difference(reading(), reading(**values), {}, {})
    assert (counts.requests, counts.errors) == (requests, errors)


def test_latency_is_the_difference_of_each_bucket() -> None:
    counts = _difference(reading(), reading(), {0.1: 5, math.inf: 9}, {0.1: 7, 1.2: 10, math.inf: 19})
    assert counts.latency == ((0.1, 2), (1.2, 10), (math.inf, 10))


def test_buckets_without_a_last_one_prove_nothing() -> None:
    assert _difference(reading(), reading(), {}, {0.1: 5}).latency == ()


@pytest.mark.parametrize("key", [key for key in COUNTERS if key != "upstream_rq_active"])
def test_a_counter_that_went_backwards_is_a_restart(key: str) -> None:
    assert _backwards(reading(**{key: 5}), reading(**{key: 4}))
    assert not _backwards(reading(**{key: 5}), reading(**{key: 5}))
    assert not _backwards({}, reading())


def test_how_many_are_in_flight_may_fall() -> None:
    assert not _backwards(reading(upstream_rq_active=5), reading(upstream_rq_active=0))


@given(READINGS, READINGS)
def test_between_two_readings_of_one_process_nothing_is_negative(
    before: dict[str, float], more: dict[str, float]
) -> None:
    after = {key: before[key] + more[key] for key in COUNTERS}
    assert not _backwards(before, after)
    counts = _difference(before, after, {}, {})
    assert 0 <= counts.errors <= counts.requests


PAGE = """\
# HELP failures_total x
failures_total 3
failures_total{job="a"} 2.0
failures_total_other 9
other{name="failures_total"} 9
exp_total 1e3
"""


@pytest.mark.parametrize(("name", "value"), [("failures_total", 5.0), ("exp_total", 1000.0), ("absent_total", 0.0)])
def test_a_named_counter_is_read_from_the_metrics_page(name: str, value: Any) -> None:
    assert _counter(PAGE, name) == value


def test_a_named_counter_that_the_first_sample_could_not_read_starts_where_it_is_first_read(tmp_path: Path) -> None:
    """The store has counted since long before this rollout: none of that is a failure of the canary."""

    async def measured(pages: Iterator[str | None]) -> list[dict[str, float]]:
        write_desired(tmp_path, Desired(proxy={"admin": 1}, deployments={"d1": {"ports": [8000]}}))
        write_roles(tmp_path, Roles("d0", "d1", None, 5))
        traffic = EnvoyTelemetry(tmp_path, ("failures_total",), CrashLoop())
        traffic._pages = Pages(lambda _path, _: _or_nobody(next(pages)))
        traffic._admin._client = Pages(lambda _path, _: _or_nobody(None))
        return [(await traffic.sample(at, 5)).counters for at in range(4)]

    counters = asyncio.run(measured(iter([None, "failures_total 7", "failures_total 7", "failures_total 9"])))
    assert counters == [{}, {"failures_total": 0.0}, {"failures_total": 0.0}, {"failures_total": 2.0}]


def _or_nobody(page: str | None) -> str:
    if page is None:
        raise HttpError("cannot connect")
    return page
