"""Contour's names of Envoy's clusters."""

from __future__ import annotations

import re

from dawsos.platforms.kubernetes.gateways.contour import CONTOUR, cluster_of
from dawsos.platforms.kubernetes.gateways.contract import Backend

BACKEND = Backend("production", "dawsos-canary", 80)


def test_a_cluster_is_called_after_namespace_service_and_port() -> None:
    assert cluster_of(BACKEND) == "production_dawsos-canary_80"
    assert re.search(CONTOUR.query((BACKEND,))["filter"], "cluster.production_dawsos-canary_80.upstream_rq_total")


def test_a_backend_that_envoy_has_not_taken_over_is_not_there() -> None:
    page = 'envoy_cluster_upstream_rq_total{envoy_cluster_name="production_dawsos-canary_80"} 7\n'
    found = CONTOUR.read(page, BACKEND)
    assert found is not None
    assert found.received == 7
    assert CONTOUR.read(page, Backend("production", "dawsos-stable", 80)) is None
    assert not CONTOUR.unused_is_nothing
