"""Contour, whose gateway is Envoy: one cluster for each Service and port, kept while the route names it with weight 0."""

from __future__ import annotations

from collections.abc import Mapping

from dawsos.platforms.kubernetes.gateways.contract import Backend, GatewayAdapter
from dawsos.platforms.kubernetes.gateways.envoy_page import query, reading
from dawsos.platforms.readings import Reading


def cluster_of(backend: Backend) -> str:
    """Return the name of a backend's cluster in Envoy's statistics."""
    return f"{backend.namespace}_{backend.service}_{backend.port}"


def _query(backends: tuple[Backend, ...]) -> Mapping[str, str]:
    return query(map(cluster_of, backends))


def _read(page: str, backend: Backend) -> Reading | None:
    return reading(page, cluster_of(backend))


CONTOUR = GatewayAdapter("projectcontour", {"app": "envoy"}, 8002, "/stats/prometheus", _query, _read)
