"""Samples of the version that serves: of each replica, and not of the time before."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.model.events import CheckResult
from dawsos.observability.metrics import check
from support.observed import RELEASE, Told, checked, vector


def ages(*values: str) -> Told:
    return Told(
        lambda path, params: vector(*(({"instance": f"127.0.0.1:{n}"}, value) for n, value in enumerate(values)))
    )


def found(server: Told, **settings: Any) -> CheckResult:
    return checked(check, {"prometheus": settings, "within": 60.0}, {"prometheus": server})


def test_every_replica_has_a_fresh_sample() -> None:
    server = ages("3.2", "0.4")
    result = found(server)
    assert (result.result, result.measured) == ("pass", "2 of 2 replicas, the newest 0.4s old")
    assert result.limit == "a sample of release abababababab from 2 of 2 replicas, at most 1m00s old"
    path, params = server.asked[0]
    assert path == "/api/v1/query"
    series = f'http_requests_total{{environment="production",release="{RELEASE}"}}'
    assert params == {"query": f"time() - max by (instance) (timestamp({series}))"}


@pytest.mark.parametrize(
    ("values", "measured"),
    [
        ((), "0 of 2 replicas"),
        (("1",), "1 of 2 replicas, the newest 1.0s old"),
        (("1", "61"), "1 of 2 replicas, the newest 1.0s old; 1 with older samples"),
        (("1", "NaN"), "1 of 2 replicas, the newest 1.0s old; 1 with older samples"),
        (("-3600", "1"), "1 of 2 replicas, the newest 1.0s old; 1 with older samples"),
    ],
    ids=["none", "one replica", "too old", "no number", "of the future"],
)
def test_a_replica_without_one_is_seen(values: tuple[str, ...], measured: str) -> None:
    result = found(ages(*values))
    assert (result.result, result.measured) == ("fail", measured)


def test_a_replica_that_is_told_twice_is_one() -> None:
    twice = Told(lambda path, params: vector(*[({"instance": "127.0.0.1:1"}, "1")] * 2))
    assert (found(twice).result, found(twice).measured) == ("fail", "1 of 2 replicas, the newest 1.0s old")


def test_a_series_of_one_s_own_is_asked_for() -> None:
    server = ages("1", "1")
    found(server, series='requests{version="{commit}"}')
    assert 'requests{version="c0ffee' in server.asked[0][1]["query"]


def test_without_prometheus_nothing_is_checked() -> None:
    result = checked(check, {})
    assert (result.result, result.passed, result.failed) == ("not_checked", False, False)
    assert result.measured == "not configured: environments.production.observability.prometheus"
