"""The standard metrics of Istio's gateway, as its documentation has them."""

from __future__ import annotations

import math

from dawsos.model.rollout import Counts
from dawsos.platforms.kubernetes.gateways.contract import Backend
from dawsos.platforms.kubernetes.gateways.istio import ISTIO
from dawsos.platforms.readings import NOTHING, difference

CANARY = Backend("ns", "shop-canary", 80, "shop")


def line(code: str, count: int, flags: str = "-", service: str = "shop-canary", reporter: str = "source") -> str:
    labels = (
        f'reporter="{reporter}",destination_service="{service}.ns.svc.cluster.local",destination_service_name="{service}",'
        f'destination_service_namespace="ns",response_code="{code}",response_flags="{flags}"'
    )
    return (
        f"istio_requests_total{{{labels}}} {count}\n"
        f'istio_request_duration_milliseconds_bucket{{{labels},le="500"}} {count}\n'
        f'istio_request_duration_milliseconds_bucket{{{labels},le="+Inf"}} {count}\n'
    )


def test_errors_of_the_service_and_of_the_gateway_are_told_apart() -> None:
    page = line("200", 90) + line("500", 3) + line("503", 2, "UH") + line("503", 1, "UF,URX") + line("404", 4)
    found = ISTIO.read(page, CANARY)
    assert found is not None
    assert difference(NOTHING, found) == Counts(100, 6, ((0.5, 100), (math.inf, 100)))
    assert found.unserved == 3


def test_a_request_without_an_answer_failed_unless_its_client_left() -> None:
    found = ISTIO.read(line("0", 2, "UC") + line("0", 7, "DC"), CANARY)
    assert found is not None
    assert (found.received, found.errors) == (9, 2)


def test_other_services_and_what_pods_report_themselves_are_not_counted() -> None:
    page = line("200", 5, service="shop-stable") + line("200", 5, reporter="destination")
    assert ISTIO.read(page, CANARY) is None
    assert "not run by the project" in ISTIO.blind
