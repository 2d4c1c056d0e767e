"""Traefik's metrics of the backends of a route."""

from __future__ import annotations

import math

from dawsos.model.rollout import Counts
from dawsos.platforms.kubernetes.gateways.contract import Backend
from dawsos.platforms.kubernetes.gateways.traefik import TRAEFIK
from dawsos.platforms.readings import NOTHING, difference, restarted

# Written by Traefik 3.7.15 with two listeners' hashes in the names.
STABLE = "httproute-ns-shop-gw-traefik-gw-web-ep-web-0-2eb505383407b10076db-svc-ns-shop-stable-0@kubernetesgateway"
CANARY = "httproute-ns-shop-gw-traefik-gw-web-ep-web-0-2eb505383407b10076db-svc-ns-shop-canary-1@kubernetesgateway"
OTHER = "httproute-ns-shop-2-gw-traefik-gw-web-ep-web-0-2eb505383407b10076db-svc-ns-shop-2-canary-1@kubernetesgateway"


def page(canary_500: int = 4) -> str:
    lines = []
    for service, code, count in (
        (STABLE, "200", 90),
        (CANARY, "200", 6),
        (CANARY, "500", canary_500),
        (CANARY, "404", 1),
        (OTHER, "200", 9),
    ):
        labels = f'code="{code}",method="GET",protocol="http",service="{service}"'
        lines.append(f"traefik_service_requests_total{{{labels}}} {count}\n")
        for edge in ("0.1", "+Inf"):
            lines.append(f'traefik_service_request_duration_seconds_bucket{{{labels},le="{edge}"}} {count}\n')
    return "".join(lines)


def backend(service: str) -> Backend:
    return Backend("ns", service, 80, "shop")


def test_a_backend_is_found_by_route_and_service() -> None:
    stable, canary = (TRAEFIK.read(page(), backend(f"shop-{role}")) for role in ("stable", "canary"))
    assert stable is not None
    assert canary is not None
    assert difference(NOTHING, stable) == Counts(90, 0, ((0.1, 90), (math.inf, 90)))
    assert difference(NOTHING, canary) == Counts(11, 4, ((0.1, 11), (math.inf, 11)))
    assert (canary.active, canary.members, canary.changes) == (None, None, None)


def test_another_route_with_a_similar_name_is_not_counted() -> None:
    assert TRAEFIK.read(page(), Backend("ns", "canary", 80, "shop")) is None
    assert TRAEFIK.read(page(), Backend("n", "shop-canary", 80, "shop")) is None


def test_a_counter_that_fell_or_is_gone_is_a_restart() -> None:
    before, after = (TRAEFIK.read(page(number), backend("shop-canary")) for number in (4, 3))
    assert before is not None
    assert after is not None
    assert restarted(before, after)
    assert restarted(before, NOTHING)


def test_what_it_cannot_see_is_said() -> None:
    assert "under way" in TRAEFIK.blind
    assert TRAEFIK.unused_is_nothing
