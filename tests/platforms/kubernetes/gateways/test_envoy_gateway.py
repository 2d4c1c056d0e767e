"""Envoy Gateway's names of clusters, as its documentation has them."""

from __future__ import annotations

import re

from dawsos.platforms.kubernetes.gateways.contract import Backend
from dawsos.platforms.kubernetes.gateways.envoy_gateway import ENVOY_GATEWAY

STABLE, CANARY = Backend("ns", "shop-stable", 80, "shop", 0), Backend("ns", "shop-canary", 80, "shop", 1)
PAGE = """\
envoy_cluster_upstream_rq_total{envoy_cluster_name="httproute/ns/shop/rule/0/backend/0"} 90
envoy_cluster_upstream_rq_total{envoy_cluster_name="httproute/ns/shop/rule/0/backend/1"} 10
"""


def test_a_backend_is_found_by_its_place_in_the_rule() -> None:
    stable, canary = (ENVOY_GATEWAY.read(PAGE, backend) for backend in (STABLE, CANARY))
    assert stable is not None
    assert canary is not None
    assert (stable.received, canary.received) == (90, 10)
    pattern = ENVOY_GATEWAY.query((STABLE, CANARY))["filter"]
    assert re.search(pattern, "cluster.httproute/ns/shop/rule/0/backend/1.upstream_rq_total")


def test_backends_that_share_a_cluster_are_not_read_as_apart() -> None:
    page = 'envoy_cluster_upstream_rq_total{envoy_cluster_name="httproute/ns/shop/rule/0"} 100\n'
    assert ENVOY_GATEWAY.read(page, STABLE) is None
    assert "filter of its own" in ENVOY_GATEWAY.blind


def test_what_the_route_does_not_name_has_no_numbers() -> None:
    assert ENVOY_GATEWAY.read(PAGE, Backend("ns", "shop-canary", 80, "shop")) is None
