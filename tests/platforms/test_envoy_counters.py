"""Two readings of Envoy's counters and what happened between them, where failed tries are repeated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.platforms.envoy_counters import COUNTERS, reading_with_retries
from dawsos.platforms.readings import NOTHING, Reading, difference, restarted

READINGS = st.fixed_dictionaries({key: st.integers(0, 10_000).map(float) for key in COUNTERS})


def reading(**values: float) -> Reading:
    counters = dict.fromkeys(COUNTERS, 0.0) | {key.replace("retry_", "retry."): value for key, value in values.items()}
    return reading_with_retries(counters, {})


def test_requests_and_errors_are_what_was_added() -> None:
    before = reading(upstream_rq_total=100, upstream_rq_5xx=1)
    after = reading(upstream_rq_total=150, upstream_rq_5xx=4)
    counts = difference(before, after)
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
    counts = difference(NOTHING, reading(**values))
    assert (counts.requests, counts.errors) == (requests, errors)


@pytest.mark.parametrize("key", [key for key in COUNTERS if key != "upstream_rq_active"])
def test_a_counter_that_went_backwards_is_a_restart(key: str) -> None:
    assert restarted(reading(**{key: 5}), reading(**{key: 4}))
    assert not restarted(reading(**{key: 5}), reading(**{key: 5}))
    assert not restarted(NOTHING, reading())


def test_how_many_are_in_flight_may_fall() -> None:
    assert not restarted(reading(upstream_rq_active=5), reading(upstream_rq_active=0))


@given(READINGS, READINGS)
def test_between_two_readings_of_one_process_nothing_is_negative(
    before: dict[str, float], more: dict[str, float]
) -> None:
    after = {key: before[key] + more[key] for key in COUNTERS}
    first, second = reading_with_retries(before, {}), reading_with_retries(after, {})
    assert not restarted(first, second)
    counts = difference(first, second)
    assert 0 <= counts.errors <= counts.requests
