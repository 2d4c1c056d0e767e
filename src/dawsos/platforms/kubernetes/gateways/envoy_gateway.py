"""Envoy Gateway, by its documentation: not run by the project yet.

It makes one cluster of a whole rule, in which stable and canary are not apart, unless each backend has a filter of its own or
``mergeBackends`` is set.  Then the cluster is called ``httproute/NAMESPACE/ROUTE/rule/N/backend/M``.
"""

from __future__ import annotations

from collections.abc import Mapping

from dawsos.platforms.kubernetes.gateways.contract import Backend, GatewayAdapter
from dawsos.platforms.kubernetes.gateways.envoy_page import query, reading
from dawsos.platforms.readings import Reading


def _names(backend: Backend) -> str:
    return f"httproute/{backend.namespace}/{backend.route}/rule/0/backend/{backend.index}"


def _query(backends: tuple[Backend, ...]) -> Mapping[str, str]:
    return query(_names(backend) for backend in backends if backend.index is not None)


def _read(page: str, backend: Backend) -> Reading | None:
    return None if backend.index is None else reading(page, _names(backend))


ENVOY_GATEWAY = GatewayAdapter(
    "envoy-gateway-system",
    {"app.kubernetes.io/managed-by": "envoy-gateway", "app.kubernetes.io/component": "proxy"},
    19001,
    "/stats/prometheus",
    _query,
    _read,
    blind="Envoy Gateway was not run by the project; it shows stable and canary apart only when each backend has a filter of its own, "
    "and only the first rule of the route is read",
)
