"""The pods of the release themselves, where no gateway has numbers for each backend: what they answered, by their own metrics."""

from __future__ import annotations

from collections.abc import Mapping

from dawsos.platforms.exposition import Series, buckets, identity, series
from dawsos.platforms.kubernetes.gateways.contract import Backend, GatewayAdapter
from dawsos.platforms.readings import Reading

# The names that most libraries for Prometheus give to them.
_REQUESTS, _DURATION = "http_requests_total", "http_request_duration_seconds"
_STATUS = ("status", "code", "status_code")
_PAGE = ("endpoint", "handler", "path", "route")
# Asked by the kubelet and by Prometheus, and not by users.
_PROBES = frozenset({"/health", "/health/ready", "/healthz", "/ready", "/readyz", "/livez", "/metrics"})


def _query(_backends: tuple[Backend, ...]) -> Mapping[str, str]:
    return {}


def _read(page: str, _backend: Backend) -> Reading | None:
    """Return what the pod of this page has answered, probes left out."""
    mine = [
        each
        for each in series(page)
        if each.name in (_REQUESTS, f"{_DURATION}_bucket") and _label(each, _PAGE) not in _PROBES
    ]
    answers = [each for each in mine if each.name == _REQUESTS]
    if not answers:
        return None
    whole = sum(each.value for each in answers)
    return Reading(
        received=whole,
        errors=sum(each.value for each in answers if _label(each, _STATUS).startswith("5")),
        answered=whole,
        latency=buckets(mine, _DURATION),
        monotone={identity(each): each.value for each in answers},
    )


def _label(found: Series, names: tuple[str, ...]) -> str:
    return next((found.labels[name] for name in names if name in found.labels), "")


PODS = GatewayAdapter(
    "",
    {},
    8000,
    "/metrics",
    _query,
    _read,
    unused_is_nothing=True,
    of_the_release=True,
    blind="the pods' own metrics show no request that did not reach a pod, no answer that broke off, and nothing of a pod that ended",
)
