"""The pods' own metrics, where no gateway has numbers."""

from __future__ import annotations

import math

from dawsos.model.rollout import Counts
from dawsos.platforms.kubernetes.gateways.contract import Backend
from dawsos.platforms.kubernetes.gateways.pods import PODS
from dawsos.platforms.readings import NOTHING, difference

PAGE = """\
http_requests_total{status="200",endpoint="/items"} 90
http_requests_total{status="500",endpoint="/items"} 4
http_requests_total{status="200",endpoint="/health/ready"} 600
http_request_duration_seconds_bucket{endpoint="/items",le="0.5"} 80
http_request_duration_seconds_bucket{endpoint="/items",le="+Inf"} 94
http_request_duration_seconds_bucket{endpoint="/health/ready",le="+Inf"} 600
http_requests_created{status="200"} 1.7e9
"""
ANY = Backend("ns", "shop-canary", 80)


def test_what_a_pod_answered_is_counted_without_its_probes() -> None:
    found = PODS.read(PAGE, ANY)
    assert found is not None
    assert difference(NOTHING, found) == Counts(94, 4, ((0.5, 80), (math.inf, 94)))


def test_other_names_of_the_same_labels_are_understood() -> None:
    found = PODS.read('http_requests_total{code="503",handler="/x"} 2\nhttp_requests_total{code="200"} 3\n', ANY)
    assert found is not None
    assert (found.received, found.errors) == (5, 2)


def test_what_it_cannot_see_is_said() -> None:
    assert "did not reach a pod" in PODS.blind
    assert PODS.of_the_release
