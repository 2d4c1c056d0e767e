"""The objects of a fault as plain values."""

from __future__ import annotations

import json

import pytest

from dawsos.platforms.faults import WireFault
from dawsos.platforms.kubernetes import fault_objects
from dawsos.platforms.kubernetes.names import COMPONENT, DEPLOYMENT
from support.shop import service

OWNER = {"metadata": {"name": "shop-backend-two", "uid": "u"}}
CANARY = service("canary", "two")


def test_all_of_it_is_deleted_with_the_canary() -> None:
    made = (
        fault_objects.origin(CANARY, OWNER),
        fault_objects.config_map(CANARY, OWNER, {}),
        fault_objects.pod(CANARY, OWNER, "tool"),
    )
    for each in made:
        (reference,) = each["metadata"]["ownerReferences"]
        assert (reference["kind"], reference["uid"]) == ("Deployment", "u")
        assert each["metadata"]["labels"][COMPONENT] == "fault"
        assert each["metadata"]["name"].startswith("shop-canary-fault")


def test_the_pod_is_no_pod_of_the_canary_and_its_service_finds_it_as_another_component() -> None:
    labels = fault_objects.pod(CANARY, OWNER, "tool")["metadata"]["labels"]
    assert labels == {**CANARY["spec"]["selector"], COMPONENT: "fault"}
    assert labels[DEPLOYMENT] == "two"


@pytest.mark.parametrize(("target", "port", "name"), [("http", 15080, "http"), (8080, 8080, None)])
def test_the_pod_listens_where_the_service_leads(target: str | int, port: int, name: str | None) -> None:
    made = service("canary", "two")
    made["spec"]["ports"][0]["targetPort"] = target
    (container,) = fault_objects.pod(made, OWNER, "tool")["spec"]["containers"]
    assert container["ports"] == [{"containerPort": port, **({"name": name} if name else {})}]
    assert container["readinessProbe"]["tcpSocket"]["port"] == port


def test_the_pod_has_no_rights_and_ends_by_itself() -> None:
    spec = fault_objects.pod(CANARY, OWNER, "tool")["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert spec["activeDeadlineSeconds"] <= 3600


def test_a_fault_below_a_path_leaves_the_other_paths_whole() -> None:
    fault = WireFault(status=500, share=0.05, path="/items")
    config = json.loads(json.dumps(fault_objects.envoy_config("10.0.0.1", (15080, 80), fault)))
    (listener,) = config["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert [route["match"]["prefix"] for route in routes] == ["/items", "/"]
    assert "typed_per_filter_config" in routes[0]
    assert "typed_per_filter_config" not in routes[1]
    whole = fault_objects.envoy_config("10.0.0.1", (15080, 80), WireFault(status=500, share=0.05))
    manager = whole["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    assert len(manager["route_config"]["virtual_hosts"][0]["routes"]) == 1
