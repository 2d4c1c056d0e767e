"""Envoy's configuration: weights that add up, clusters for every route, retries that repeat nothing unsafe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.model.names import READY, TELL, TOLD
from dawsos.platforms.contract import Roles
from dawsos.platforms.faults import WireFault
from dawsos.platforms.local import envoy_config
from dawsos.platforms.local.state import Desired, write_desired

DEPLOYMENTS = {"old": {"release": "r1", "ports": [1001, 1002]}, "new": {"release": "r2", "ports": [1003]}}
PORTS = {"listener": 2, "faults": 3, "closing": 4}
ROLES = st.builds(
    Roles, stable=st.sampled_from([None, "old"]), canary=st.sampled_from([None, "new"]), weight=st.integers(0, 100)
)


def listed(roles: Roles) -> list[dict[str, Any]]:
    """Return the routes of users: without the one by which the proxy says that it is ready."""
    (host,) = envoy_config.routes(roles)["virtual_hosts"]
    ready, *routes = host["routes"]
    assert ready["match"]["headers"] == [{"name": READY, "present_match": True}]
    assert ready["direct_response"] == {"status": 200}
    return list(routes)


def targets(roles: Roles) -> dict[str, int]:
    """Return cluster -> per cent of the traffic; an empty mapping when nothing is served."""
    shares = []
    for route in listed(roles):
        to = route.get("route", {})
        if "weighted_clusters" in to:
            shares.append({part["name"]: part["weight"] for part in to["weighted_clusters"]["clusters"]})
        else:
            shares.append({to["cluster"]: 100} if to else {})
    assert all(share == shares[0] for share in shares), "safe and unsafe requests go the same way"
    return shares[0]


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (Roles(), {}),
        (Roles(stable="old"), {"old": 100}),
        (Roles(stable="old", canary="new", weight=0), {"old": 100}),
        (Roles(stable="old", canary="new", weight=25), {"to-new": 25, "old": 75}),
        (Roles(stable="old", canary="new", weight=100), {"to-new": 100}),
        (Roles(canary="new", weight=100), {"new": 100}),
        (Roles(canary="new", weight=0), {}),
    ],
)
def test_who_gets_the_traffic(roles: Roles, expected: dict[str, int]) -> None:
    assert targets(roles) == expected


@given(ROLES)
def test_the_weights_are_a_whole_and_every_target_has_its_cluster(roles: Roles) -> None:
    shares = targets(roles)
    assert sum(shares.values()) == (100 if shares else 0)
    assert all(share > 0 for share in shares.values())
    made = {cluster["name"] for cluster in envoy_config.clusters(DEPLOYMENTS, roles)}
    assert shares.keys() <= made


@given(ROLES)
def test_without_a_canary_s_share_it_is_sent_nothing(roles: Roles) -> None:
    if not roles.weight:
        assert not {"new", "to-new"} & targets(roles).keys()


def test_a_request_that_is_not_safe_is_never_repeated_once_it_was_taken() -> None:
    routes = listed(Roles(stable="old", canary="new", weight=5))
    safe, rest = (route for route in routes if "response_headers_to_add" not in route)
    assert safe["match"]["headers"][0]["string_match"]["safe_regex"]["regex"] == "GET|HEAD|OPTIONS"
    assert "gateway-error" in safe["route"]["retry_policy"]["retry_on"]
    assert "headers" not in rest["match"]
    assert rest["route"]["retry_policy"]["retry_on"] == "connect-failure,reset-before-request"


def test_who_asks_is_told_the_deployment_and_the_service_does_not_see_the_question() -> None:
    routes = listed(Roles(stable="old", canary="new", weight=5))
    asked, plain = routes[:2], routes[2:]
    for told, usual in zip(asked, plain, strict=True):
        assert told["route"] == usual["route"]
        assert {"name": TELL, "present_match": True} in told["match"]["headers"]
        assert told["request_headers_to_remove"] == [TELL]
        assert told["response_headers_to_add"][0]["header"]["key"] == TOLD
        assert "response_headers_to_add" not in usual


def test_retries_of_the_canary_have_room() -> None:
    """Envoy's own limit is three at once, and the limits of the members do not count for the aggregate."""
    made = {c["name"]: c for c in envoy_config.clusters(DEPLOYMENTS, Roles("old", "new", weight=5))}
    assert made["to-new"]["circuit_breakers"]["thresholds"][0]["max_retries"] == 4096


def test_every_endpoint_says_whose_it_is() -> None:
    made = {c["name"]: c for c in envoy_config.clusters(DEPLOYMENTS, Roles("old", "new", weight=5))}
    (locality,) = made["old"]["load_assignment"]["endpoints"]
    assert [each["metadata"]["filter_metadata"]["dawsos"]["deployment"] for each in locality["lb_endpoints"]] == [
        "old"
    ] * 2


def test_without_a_release_the_answer_is_503() -> None:
    assert listed(Roles())[0]["direct_response"]["status"] == 503


def test_a_dead_canary_s_requests_go_to_stable() -> None:
    made = {c["name"]: c for c in envoy_config.clusters(DEPLOYMENTS, Roles("old", "new", weight=5))}
    assert made["to-new"]["cluster_type"]["typed_config"]["clusters"] == ["new", "old"]


def endpoints(cluster: dict[str, Any]) -> list[int]:
    (locality,) = cluster["load_assignment"]["endpoints"]
    return [each["endpoint"]["address"]["socket_address"]["port_value"] for each in locality["lb_endpoints"]]


def test_a_fault_lies_on_the_canary_s_way_only() -> None:
    roles = Roles("old", "new", weight=5)
    made = {c["name"]: c for c in envoy_config.clusters(DEPLOYMENTS, roles, {3: 9500, 4: 500})}
    assert (endpoints(made["new"]), endpoints(made["origin-new"])) == ([3, 4], [1003])
    (locality,) = made["new"]["load_assignment"]["endpoints"]
    assert [each["load_balancing_weight"] for each in locality["lb_endpoints"]] == [9500, 500]
    assert endpoints(made["old"]) == [1001, 1002]


def test_the_fault_listener_leads_to_the_canary_and_without_one_nowhere() -> None:
    (host,) = envoy_config.fault_routes("new", WireFault(status=500, share=0.05))["virtual_hosts"]
    assert host["routes"][0]["route"]["cluster"] == "origin-new"
    for nothing in (envoy_config.fault_routes(None), envoy_config.fault_routes("new", None)):
        assert nothing["virtual_hosts"][0]["routes"][0]["direct_response"] == {"status": 503}


def test_everything_listens_on_loopback_only() -> None:
    text = json.dumps(envoy_config.bootstrap(Path("/env"), PORTS))
    assert text.count('"address": "127.0.0.1"') == 3
    assert "0.0.0.0" not in text


def test_a_version_is_of_the_content(tmp_path: Path) -> None:
    write_desired(tmp_path, Desired(deployments=DEPLOYMENTS, proxy=PORTS))
    one = envoy_config.write_routes(tmp_path, Roles("old", "new", weight=5))
    assert envoy_config.write_routes(tmp_path, Roles("old", "new", weight=5)) == one
    assert envoy_config.write_routes(tmp_path, Roles("old", "new", weight=25)) != one
    assert json.loads((tmp_path / "envoy" / "routes.json").read_text())["resources"][0]["validate_clusters"] is True


def test_during_a_change_the_clusters_of_both_sides_are_there(tmp_path: Path) -> None:
    write_desired(tmp_path, Desired(deployments=DEPLOYMENTS, proxy=PORTS))
    envoy_config.write_clusters(tmp_path, Roles("new"), {}, also=Roles("old", "new", weight=5))
    names = {c["name"] for c in json.loads((tmp_path / "envoy" / "clusters.json").read_text())["resources"]}
    assert names == {"old", "new", "to-new"}
    envoy_config.write_clusters(tmp_path, Roles("new"), {})
    names = {c["name"] for c in json.loads((tmp_path / "envoy" / "clusters.json").read_text())["resources"]}
    assert names == {"old", "new"}


def test_the_admin_page_is_a_socket_of_its_owner_but_for_an_envoy_that_an_older_version_started(tmp_path: Path) -> None:
    made = envoy_config.bootstrap(tmp_path, PORTS)["admin"]["address"]
    assert made == {"pipe": {"path": "admin/envoy.sock", "mode": 0o600}}
    former = envoy_config.bootstrap(tmp_path, {**PORTS, "admin": 7})["admin"]["address"]
    assert former == {"socket_address": {"address": "127.0.0.1", "port_value": 7}}


def test_readiness_asks_the_listener_but_for_an_envoy_that_an_older_version_started() -> None:
    probe = envoy_config.ready_probe(PORTS)
    assert (probe.kind, probe.port) == ("tcp", 2)
    assert READY.encode() in bytes.fromhex(probe.ask)
    assert bytes.fromhex(probe.answers[0]) == b"HTTP/1.1 200"
    former = envoy_config.ready_probe({**PORTS, "admin": 7})
    assert (former.kind, former.port, former.path) == ("http", 7, "/ready")
