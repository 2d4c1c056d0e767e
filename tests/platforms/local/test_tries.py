"""Envoy's log of tries: what is asked for, and what its counters say."""

from __future__ import annotations

import json
import math
import re

import pytest

from dawsos.platforms.local import tries
from dawsos.platforms.readings import NOTHING, Reading, difference, restarted

PAGE = """# TYPE envoy_tries_ended counter
envoy_tries_ended{deployment="d.1",target="to-d.1",flags="-",code="200"} 70
envoy_tries_ended{deployment="d.1",target="to-d.1",flags="-",code="404"} 5
envoy_tries_ended{deployment="d.1",target="to-d.1",flags="-",code="503"} 2
envoy_tries_ended{deployment="d.1",target="to-d.1",flags="UC",code="0"} 3
envoy_tries_ended{deployment="d.1",target="to-d.1",flags="UC,URX",code="0"} 1
envoy_tries_ended{deployment="d.1",target="to-d.1",flags="UPE",code="200"} 4
envoy_tries_ended{deployment="d.1",target="to-d.1",flags="-",code="0"} 6
envoy_tries_ended{deployment="",target="to-d.1",flags="UO",code="0"} 7
envoy_tries_ended{deployment="d0",target="to-d.1",flags="-",code="200"} 8
envoy_tries_ended{deployment="d0",target="d0",flags="-",code="301"} 900
envoy_tries_timeout{deployment="d.1",target="to-d.1"} 2
envoy_cluster_upstream_rq_active{envoy_cluster_name="d.1"} 9
envoy_cluster_upstream_rq_pending_active{envoy_cluster_name="d.1"} 1
envoy_tries_waiting_250{deployment="d.1"} 8
envoy_tries_waiting_1750{deployment="d.1"} 3
envoy_tries_time_bucket{deployment="d.1",le="1200"} 90
envoy_tries_time_bucket{deployment="d.1",le="+Inf"} 98
envoy_tries_size_bucket{deployment="d.1",le="1"} 2
envoy_tries_size_bucket{deployment="d.1",le="+Inf"} 70
"""


def test_each_try_is_counted_once_for_the_deployment_that_was_tried() -> None:
    found = tries.readings(PAGE, ["d.1", "d0"])
    canary, stable = (difference(NOTHING, found[name]) for name in ("d.1", "d0"))
    assert (canary.requests, stable.requests, stable.errors) == (98, 908, 0)
    # Answers 503, no answer, an answer that broke off, no endpoint taken, no answer in time.
    assert canary.errors == 2 + 4 + 4 + 7 + 2
    assert {kind: number for kind, number in canary.faults.items() if number} == {
        "closed": 4, "short": 4, "overflow": 7, "timeout": 2,
    }  # fmt: skip
    assert {code: number for code, number in canary.codes.items() if number} == {
        "2xx": 74, "4xx": 5, "404": 5, "5xx": 2,
    }  # fmt: skip
    assert (stable.codes["3xx"], stable.codes["2xx"], stable.codes["404"]) == (900, 8, 0)


def test_histograms_and_what_is_under_way() -> None:
    canary = difference(NOTHING, tries.readings(PAGE, ["d.1"])["d.1"])
    assert canary.latency == ((1.2, 90), (math.inf, 98))
    assert canary.sizes == ((1.0, 2), (math.inf, 70))
    assert canary.under_way == 10
    assert dict(canary.waiting) == {0.25: 8, 0.75: 0, 1.75: 3, 4.75: 0, 9.75: 0, 19.75: 0}


@pytest.mark.parametrize(
    ("flags", "code", "fault"),
    [
        ("-", "200", ""),
        ("-", "0", ""),
        ("UF", "0", "refused"),
        ("UF,URX", "0", "refused"),
        ("UC", "0", "closed"),
        ("UR", "0", "reset"),
        ("UPE", "0", "protocol"),
        ("UPE", "200", "short"),
        ("UC", "404", "short"),
        ("UO", "0", "overflow"),
        ("UT", "0", "timeout"),
    ],
)
def test_how_a_try_ended(flags: str, code: str, fault: str) -> None:
    assert tries.fault_of(flags, code) == fault


def test_a_counter_that_went_backwards_is_a_restart() -> None:
    before, after = (tries.readings(page, ["d.1"])["d.1"] for page in (PAGE, PAGE.replace("} 70", "} 69", 1)))
    assert restarted(before, after)
    assert not restarted(after, before)
    assert restarted(before, Reading())


def test_only_these_deployments_are_asked_for() -> None:
    pattern = re.compile(tries.query(["d.1", "d0"]))
    for name in (
        "tries.ended.deployment.d.1.target.to-d.1.flags.-.code.200",
        "tries.ended.deployment..target.to-d.1.flags.UO.code.0",
        "tries.ended.deployment..target.d0.flags.UO.code.0",
        "tries.time.deployment.d0",
        "tries.waiting_250.deployment.d.1",
        "cluster.d0.upstream_rq_active",
        "cluster.d.1.upstream_rq_pending_active",
    ):
        assert pattern.search(name), name
    for name in (
        "tries.ended.deployment.d.10.target.to-d.10.flags.-.code.200",
        "tries.time.deployment.d",
        "cluster.to-d.1.upstream_rq_active",
        "cluster.d0.upstream_rq_total",
    ):
        assert not pattern.search(name), name


def test_a_try_is_seen_once_at_each_age() -> None:
    """Envoy looks every half second, give or take: a window that holds one look never holds two."""
    loggers = tries.router_log()["upstream_log"]
    windows = [
        [part["duration_filter"]["comparison"] for part in each["filter"]["and_filter"]["filters"][1:]]
        for each in loggers
        if "gauges" in each["typed_config"]
    ]
    assert len(windows) == 6
    for least, most in windows:
        low, high = least["value"]["default_value"], most["value"]["default_value"]
        assert (least["op"], most["op"]) == ("GE", "LE")
        assert 0 < high - low < 500
        assert any(low < 500 * look <= high for look in range(1, 41))


def test_nothing_of_a_request_is_kept() -> None:
    text = json.dumps([tries.router_log(), tries.access_log()])
    assert not re.search(r"%(REQ|PATH|DOWNSTREAM|TRAILER)", text)
