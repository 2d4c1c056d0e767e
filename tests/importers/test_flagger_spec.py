"""What Flagger, or the API server by Flagger's schema, does not take, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.importers.flagger import read_manifest
from exporters.flagger_crd import problems
from importers.canaries import GONE, KNATIVE, changed, new, read, said

# (changes of the spec, changes of the analysis, the one thing that is said, does Flagger's schema refuse it)
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str, bool]] = {
    "no target": ({"targetRef": GONE}, {}, "no targetRef: the API server refuses", True),
    "target without a kind": (
        {"targetRef": {"apiVersion": "apps/v1", "name": "x"}},
        {},
        "targetRef without kind",
        True,
    ),
    "target of another kind": (
        {"targetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "x"}},
        {},
        "targetRef of kind StatefulSet",
        True,
    ),
    "service without a port": ({"service": {"name": "x"}}, {}, "service.port is missing: the API server", True),
    "no service for a Deployment": ({"service": GONE}, {}, "service.port is missing: Flagger makes Services", False),
    "no service for a DaemonSet": (
        {"service": GONE, "targetRef": {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "x"}},
        {},
        "takes none with port 0",
        False,
    ),
    "an unknown provider": ({"provider": "gatewayapi"}, {}, "the API server refuses the provider 'gatewayapi'", True),
    "Knative with another provider": ({"targetRef": KNATIVE}, {}, "a Knative Service needs provider: knative", False),
    "another target with knative": ({"provider": "knative"}, {}, "provider knative needs a Knative Service", False),
    "Knative with an autoscaler": (
        {
            "targetRef": KNATIVE,
            "provider": "knative",
            "autoscalerRef": {"apiVersion": "a", "kind": "ScaledObject", "name": "x"},
        },
        {},
        "autoscalerRef with a Knative Service: Flagger refuses",
        False,
    ),
    "autoscaler without a name": (
        {"autoscalerRef": {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}},
        {},
        "autoscalerRef without name",
        True,
    ),
    "nginx without its Ingress": ({"provider": "nginx"}, {}, "provider nginx needs an ingressRef", False),
    "skipper without its Ingress": ({"provider": "skipper"}, {}, "provider skipper needs an ingressRef", False),
    "apisix without its route": ({"provider": "apisix"}, {}, "provider apisix needs a routeRef", False),
    "gateway API without a Gateway": (
        {"provider": "gatewayapi:v1"},
        {},
        "provider gatewayapi:v1 needs service.gatewayRefs",
        False,
    ),
    "no analysis": ({"analysis": GONE}, {}, "no analysis: the API server refuses", True),
    "no interval": ({}, {"interval": GONE}, "no interval: the API server refuses", True),
    "an interval of hours": ({}, {"interval": "1h"}, "interval '1h': the API server refuses hours", True),
    "an interval that is none": ({}, {"interval": "soon"}, "interval 'soon': the API server refuses it", True),
    "no threshold": ({}, {"threshold": GONE}, "no threshold: the API server refuses", True),
    "a threshold that is none": ({}, {"threshold": "5"}, "threshold '5' is no number", True),
    "no analysis is wanted": ({"skipAnalysis": True}, {}, "skipAnalysis promotes without any check", False),
}


@pytest.mark.parametrize("name", REFUSED)
def test_each_fault_is_one_error_and_the_schema_agrees(name: str) -> None:
    spec, analysis, message, by_schema = REFUSED[name]
    manifest = read(analysis, spec)
    errors = [told for level, told in new(manifest) if level == "error"]
    assert len(errors) == 1, errors
    assert message in errors[0]
    assert bool(problems(changed(analysis, spec))) is by_schema


@pytest.mark.parametrize(
    ("analysis", "spec", "level", "message"),
    [
        ({"threshold": 0}, {}, "warning", "threshold 0 means 1: the first failed check rolls back"),
        ({"threshold": -5}, {}, "warning", "threshold -5 means 1"),
        ({"interval": "5s"}, {}, "warning", "interval 5s is raised to 10 s"),
        ({"interval": "1m30"}, {}, "warning", "interval '1m30' cannot be read: 60 s is used"),
        ({}, {"suspend": True}, "warning", "suspend: Flagger does nothing with this Canary"),
        ({}, {"provider": GONE}, "note", "no provider: Flagger takes that of its -mesh-provider"),
    ],
)  # fmt: skip
def test_what_is_taken_and_means_something_else(
    analysis: dict[str, Any], spec: dict[str, Any], level: str, message: str
) -> None:
    assert problems(changed(analysis, spec)) == []
    (told,) = [each for each in new(read(analysis, spec)) if message in each[1]]
    assert told[0] == level


@pytest.mark.parametrize(
    "spec",
    [
        {"targetRef": KNATIVE, "provider": "knative", "service": GONE},
        {"targetRef": {"apiVersion": "core/v1", "kind": "Service", "name": "x"}, "service": GONE},
        {"provider": "nginx", "ingressRef": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "x"}},
        {"provider": "apisix", "routeRef": {"apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "name": "x"}},
        {"provider": "gatewayapi:v1", "service": {"port": 80, "gatewayRefs": [{"name": "web"}]}},
        {"provider": "smi:v1alpha3"},
    ],
)  # fmt: skip
def test_what_flagger_takes_is_no_error(spec: dict[str, Any]) -> None:
    assert problems(changed(spec=spec)) == []
    assert said(read(spec=spec), "error") == []


def test_the_analysis_of_v1alpha3_is_one_finding_and_is_read() -> None:
    document = changed()
    document["spec"]["canaryAnalysis"] = document["spec"].pop("analysis")
    (manifest,) = read_manifest([document], 1000.0)
    assert said(manifest, "error") == [
        "canaryAnalysis is the name of v1alpha3: the API server drops it, and refuses a Canary without analysis"
    ]
    assert (manifest.weights, manifest.threshold) == ((5, 25, 50), 5)


@pytest.mark.parametrize(
    ("version", "message"),
    [("flagger.app/v1alpha3", "is gone"), ("v1", "is not Flagger's"), (None, "is not Flagger's")],
)
def test_another_version_is_no_canary_of_flagger(version: str | None, message: str) -> None:
    (manifest,) = read_manifest([{**changed(), "apiVersion": version}])
    assert message in said(manifest, "error")[0]
