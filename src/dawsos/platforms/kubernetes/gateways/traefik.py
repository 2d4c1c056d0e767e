"""Traefik with its Gateway API provider: one service for each backend, on the metrics page of each Traefik."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dawsos.platforms.exposition import buckets, identity, series
from dawsos.platforms.kubernetes.gateways.contract import Backend, GatewayAdapter
from dawsos.platforms.readings import Reading

_REQUESTS = "traefik_service_requests_total"
_DURATION = "traefik_service_request_duration_seconds"


def _query(_backends: tuple[Backend, ...]) -> Mapping[str, str]:
    return {}


def _read(page: str, backend: Backend) -> Reading | None:
    """Return what one Traefik has answered for a backend; it counts a request when the answer is complete."""
    route, service = (re.escape(f"{backend.namespace}-{name}") for name in (backend.route, backend.service))
    wanted = re.compile(rf"httproute-{route}-gw-.*-svc-{service}-\d+@kubernetesgateway")
    mine = [each for each in series(page) if wanted.fullmatch(each.labels.get("service", ""))]
    answers = [each for each in mine if each.name == _REQUESTS]
    if not answers:
        return None
    whole = sum(each.value for each in answers)
    return Reading(
        received=whole,
        errors=sum(each.value for each in answers if each.labels.get("code", "").startswith("5")),
        answered=whole,
        latency=buckets(mine, _DURATION),
        monotone={identity(each): each.value for each in answers},
    )


TRAEFIK = GatewayAdapter(
    "traefik",
    {"app.kubernetes.io/name": "traefik"},
    9100,
    "/metrics",
    _query,
    _read,
    unused_is_nothing=True,
    blind="Traefik does not tell which requests are under way, which answers broke off, and which 502 and 503 are its own",
)
