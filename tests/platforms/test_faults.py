"""A fault on the wire as Envoy's routes: below its path, for its share, and everything else goes on to the canary."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.platforms.faults import FaultKind, WireFault, faulty_routes

ONWARD = {"cluster": "origin", "timeout": "30s"}


def filtered(route: dict[str, Any]) -> dict[str, Any]:
    """Return what the fault filter does on a route, but for its type."""
    config = route["typed_per_filter_config"]["envoy.filters.http.fault"]
    return {key: value for key, value in config.items() if key != "@type"}


def share(numerator: int) -> dict[str, Any]:
    return {"numerator": numerator, "denominator": "MILLION"}


@pytest.mark.parametrize(
    ("fault", "does"),
    [
        (WireFault(status=500, share=0.05), {"abort": {"http_status": 500, "percentage": share(50_000)}}),
        (WireFault(status=404), {"abort": {"http_status": 404, "percentage": share(1_000_000)}}),
        (WireFault(latency=1.5, share=0.03), {"delay": {"fixed_delay": "1.500s", "percentage": share(30_000)}}),
        (WireFault(status=500, share=0.000001), {"abort": {"http_status": 500, "percentage": share(1)}}),
    ],
)
def test_answers_are_altered_or_late(fault: WireFault, does: dict[str, Any]) -> None:
    (route,) = faulty_routes(fault, ONWARD)
    assert (route["match"], route["route"], filtered(route)) == ({"prefix": "/"}, ONWARD, does)


def test_below_a_path_only() -> None:
    broken, whole = faulty_routes(WireFault(status=404, path="/items"), ONWARD)
    assert (broken["match"], filtered(broken)["abort"]["http_status"]) == ({"prefix": "/items"}, 404)
    assert whole == {"match": {"prefix": "/"}, "route": ONWARD}


def test_an_empty_answer_is_for_its_share_below_its_path() -> None:
    empty, whole = faulty_routes(WireFault(status=200, empty=True, share=0.2, path="/items"), ONWARD)
    assert empty["direct_response"] == {"status": 200}
    assert empty["match"]["prefix"] == "/items"
    assert empty["match"]["runtime_fraction"]["default_value"] == share(200_000)
    assert whole == {"match": {"prefix": "/"}, "route": ONWARD}


def test_a_connection_that_is_closed_is_no_matter_of_routes() -> None:
    assert faulty_routes(WireFault(closed=True, share=0.05), ONWARD) == [{"match": {"prefix": "/"}, "route": ONWARD}]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (WireFault(status=404), "answers"),
        (WireFault(latency=1.0), "answers"),
        (WireFault(status=200, empty=True), "answers"),
        (WireFault(closed=True), "connections"),
    ],
)
def test_what_a_platform_must_be_able_to_do(fault: WireFault, kind: FaultKind) -> None:
    assert fault.kind == kind
