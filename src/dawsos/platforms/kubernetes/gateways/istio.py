"""Istio's gateway, by its documentation: not run by the project yet.

Istio does not record Envoy's own counters of a cluster unless ``proxyStatsMatcher`` says so, but its standard metrics tell what the
gateway got for each Service and status.
"""

from __future__ import annotations

from collections.abc import Mapping

from dawsos.platforms.exposition import Series, buckets, identity, series
from dawsos.platforms.kubernetes.gateways.contract import Backend, GatewayAdapter
from dawsos.platforms.readings import Reading

_REQUESTS, _DURATION = "istio_requests_total", "istio_request_duration_milliseconds"
# Envoy's flags of an answer that it made itself: no connection, no healthy endpoint, too many waiting.
_UNSERVED = frozenset({"UF", "UH", "UO", "NC"})
_CLIENT_LEFT = "DC"


def _query(_backends: tuple[Backend, ...]) -> Mapping[str, str]:
    return {}


def _read(page: str, backend: Backend) -> Reading | None:
    """Return what one gateway pod got for a backend; it counts a request when it is over."""
    mine = [each for each in series(page) if _is_of(each, backend)]
    over = [each for each in mine if each.name == _REQUESTS]
    if not over:
        return None
    whole = sum(each.value for each in over)
    return Reading(
        received=whole,
        errors=sum(each.value for each in over if _failed(each)),
        unserved=sum(each.value for each in over if _flags(each) & _UNSERVED),
        answered=whole,
        latency=buckets(mine, _DURATION, per_second=1000),
        monotone={identity(each): each.value for each in over},
    )


def _is_of(found: Series, backend: Backend) -> bool:
    labels = found.labels
    return (
        labels.get("reporter") == "source"
        and labels.get("destination_service_name") == backend.service
        and labels.get("destination_service_namespace") == backend.namespace
    )


def _flags(found: Series) -> set[str]:
    return set(found.labels.get("response_flags", "-").split(","))


def _failed(found: Series) -> bool:
    """Return whether requests failed: status 5xx, or none at all (0) when it was not the client that left."""
    code = found.labels.get("response_code", "")
    return code.startswith("5") or (code == "0" and _CLIENT_LEFT not in _flags(found))


ISTIO = GatewayAdapter(
    "istio-system",
    {"istio": "ingressgateway"},
    15020,
    "/stats/prometheus",
    _query,
    _read,
    unused_is_nothing=True,
    blind="Istio was not run by the project; its gateway does not tell which requests are under way",
)
