"""Envoy's page in Prometheus' format."""

from __future__ import annotations

import math
import re

from dawsos.model.rollout import Counts
from dawsos.platforms.kubernetes.gateways.envoy_page import query, reading
from dawsos.platforms.readings import NOTHING, difference, restarted

# Written by Envoy 1.40 behind Contour 1.33: one request each for 200, 500, a reset before the answer, a connection closed
# before it, a reset in the middle of an answer, and a slow 200.
PAGE = """\
# TYPE envoy_cluster_upstream_rq counter
envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="ns_echo_80"} 3
envoy_cluster_upstream_rq{envoy_response_code="503",envoy_cluster_name="ns_echo_80"} 2
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="ns_echo_80"} 3
envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="ns_echo_80"} 3
envoy_cluster_upstream_cx_destroy_remote_with_active_rq{envoy_cluster_name="ns_echo_80"} 3
envoy_cluster_upstream_cx_none_healthy{envoy_cluster_name="ns_echo_80"} 0
envoy_cluster_upstream_rq_completed{envoy_cluster_name="ns_echo_80"} 6
envoy_cluster_upstream_rq_pending_failure_eject{envoy_cluster_name="ns_echo_80"} 0
envoy_cluster_upstream_rq_rx_reset{envoy_cluster_name="ns_echo_80"} 0
envoy_cluster_upstream_rq_total{envoy_cluster_name="ns_echo_80"} 6
envoy_cluster_upstream_rq_total{envoy_cluster_name="ns_echo_8080"} 60
envoy_cluster_upstream_rq_active{envoy_cluster_name="ns_echo_80"} 1
envoy_cluster_membership_total{envoy_cluster_name="ns_echo_80"} 2
envoy_cluster_membership_change{envoy_cluster_name="ns_echo_80"} 4
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="ns_echo_80",le="10"} 4
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="ns_echo_80",le="500"} 6
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="ns_echo_80",le="+Inf"} 6
envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="ns_echo_80"} 312
"""
CLUSTER = "ns_echo_80"


def changed(**values: float) -> str:
    """Return the page with other values of counters, ``rq_5xx`` and ``rq_503`` among them."""
    page = PAGE
    for name, value in values.items():
        pattern = {
            "rq_5xx": r'(_xx\{envoy_response_code_class="5",envoy_cluster_name="ns_echo_80"\}) \d+',
            "rq_503": r'(_rq\{envoy_response_code="503",envoy_cluster_name="ns_echo_80"\}) \d+',
        }.get(name, rf'(_{name}\{{envoy_cluster_name="ns_echo_80"\}}) \d+')
        page, found = re.subn(pattern, rf"\1 {value:g}", page)
        assert found, name
    return page


def step(**values: float) -> Counts:
    before, after = reading(PAGE, CLUSTER), reading(changed(**values), CLUSTER)
    assert before is not None
    assert after is not None
    return difference(before, after)


def test_each_way_to_fail_is_one_error() -> None:
    found = reading(PAGE, CLUSTER)
    assert found is not None
    counts = difference(NOTHING, found)
    assert (counts.requests, counts.errors) == (6, 4)
    assert counts.latency == ((0.01, 4), (0.5, 6), (math.inf, 6))
    assert (found.active, found.members, found.changes, found.answered) == (1, 2, 4, 6)


def test_an_answer_of_envoy_itself_is_a_request_and_told_apart() -> None:
    page = changed(upstream_rq_pending_failure_eject=10, rq_5xx=13, rq_503=12, upstream_rq_completed=16)
    before, after = reading(PAGE, CLUSTER), reading(page, CLUSTER)
    assert before is not None
    assert after is not None
    counts = difference(before, after)
    assert (counts.requests, counts.errors, after.unserved - before.unserved) == (10, 10, 10)


def test_the_service_s_own_503_and_500_are_errors_once() -> None:
    counts = step(upstream_rq_total=16, rq_5xx=13, rq_503=7)
    assert (counts.requests, counts.errors, counts.under_way) == (10, 10, 1)
    assert counts.latency == ((0.01, 0), (0.5, 0), (math.inf, 0))


def test_a_reset_before_the_answer_is_one_error_and_one_in_its_middle_as_well() -> None:
    before = step(upstream_rq_total=7, rq_5xx=4, rq_503=3, upstream_cx_destroy_remote_with_active_rq=4)
    middle = step(upstream_rq_total=7, upstream_cx_destroy_remote_with_active_rq=4)
    assert (before.errors, middle.errors) == (1, 1)
    assert step(upstream_rq_total=7, upstream_rq_rx_reset=1).errors == 1


def test_a_counter_that_fell_is_a_restart() -> None:
    before, after = reading(PAGE, CLUSTER), reading(changed(upstream_rq_total=5), CLUSTER)
    assert before is not None
    assert after is not None
    assert restarted(before, after)
    assert not restarted(before, before)


def test_a_cluster_without_an_answer_yet_has_no_errors() -> None:
    page = "".join(line for line in PAGE.splitlines(keepends=True) if "_xx{" not in line and "_rq{" not in line)
    found = reading(page, CLUSTER)
    assert found is not None
    assert found.errors == 0


def test_another_cluster_is_not_read() -> None:
    assert reading(PAGE, "ns_echo_8") is None
    assert reading("", CLUSTER) is None


def test_the_filter_asks_for_whole_names() -> None:
    pattern = re.compile(query(["a.b_c_80", "x"])["filter"])
    assert pattern.search("cluster.a.b_c_80.upstream_rq_total")
    assert pattern.search("cluster.x.upstream_rq_5xx")
    assert not pattern.search("cluster.a-b_c_80.upstream_rq_total")
    assert not pattern.search("cluster.x.external.upstream_rq_5xx")
    assert not pattern.search("cluster.x.upstream_rq_total_more")


def test_answers_are_told_by_class_and_named_code_and_faults_by_kind() -> None:
    line = 'envoy_cluster_upstream_rq{envoy_response_code="404",envoy_cluster_name="ns_echo_80"} 4\n'
    found = reading(PAGE + line, CLUSTER)
    assert found is not None
    counts = difference(NOTHING, found)
    assert {code: number for code, number in counts.codes.items() if number} == {"2xx": 3, "5xx": 3, "404": 4}
    assert counts.codes["401"] == 0
    assert {kind: number for kind, number in counts.faults.items() if number} == {"closed": 3}
    pattern = re.compile(query([CLUSTER])["filter"])
    for name in ("upstream_rq_4xx", "upstream_rq_404", "upstream_rq_timeout"):
        assert pattern.search(f"cluster.{CLUSTER}.{name}")
    assert not pattern.search(f"cluster.{CLUSTER}.upstream_rq_200")
