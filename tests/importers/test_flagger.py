"""Flagger manifests: the request's own one has every one of its faults found; a correct one has none."""

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from dawsos.errors import BadInput
from dawsos.importers.flagger import Manifest, read_manifest

REQUESTED = """
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: dawsos-backend, namespace: production}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: dawsos-backend}
  service: {port: 8000}
  analysis:
    interval: 1m
    threshold: 5  # rollback after 5 failed checks
    maxWeight: 100
    stepWeight: 20  # 5% 25% 45% 65% 85% 100%
    metrics:
      - name: request-success-rate
        thresholdRange: {min: 99.5}
        interval: 1m
      - name: request-duration-p95
        thresholdRange: {max: 1200}
        interval: 1m
      - name: pricing-pack-health
        query: |
          sum(rate(pricing_pack_build_failures_total[1m])) == 0
        thresholdRange: {max: 0}
        interval: 5m
"""
GOOD = """
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: pricing, namespace: prod}
spec:
  provider: nginx
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: pricing}
  ingressRef: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: pricing}
  service: {port: 80}
  analysis:
    interval: 1m
    threshold: 5
    stepWeights: [5, 25, 45, 65, 85, 100]
    metrics:
    - {name: request-success-rate, interval: 1m, thresholdRange: {min: 99.5}}
    - {name: slow, interval: 1m, templateRef: {name: slow}, thresholdRange: {max: 1200}}
    webhooks: [{name: load, type: rollout, url: "http://loadtester/"}]
---
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: slow}
spec:
  query: >-
    histogram_quantile(0.95, sum(rate(http_request_duration_seconds_bucket{namespace="{{ namespace }}",
    pod=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"}[{{ interval }}])) by (le)) * 1000
"""


SECONDS = 'histogram_quantile(0.9, a_seconds_bucket{b="c"})'


def _read(text: str, rate: float | None = None, **analysis: Any) -> Manifest:
    documents = list(YAML(typ="safe", pure=True).load_all(text))
    documents[0]["spec"]["analysis"].update(analysis)
    return read_manifest(documents, rate)[0]


def _said(manifest: Manifest, *levels: str) -> str:
    return "\n".join(
        finding.message for finding in manifest.findings if finding.level in (levels or ("error", "warning", "note"))
    )


def test_every_fault_of_the_requested_manifest_is_found() -> None:
    manifest = _read(REQUESTED)
    said = _said(manifest)
    for fault in (
        "the walk is 20 40 60 80 100 %",
        "request-duration-p95 is no metric of Flagger",
        "an inline query is deprecated",
        "a comparison filters",
        "a counter that was never raised is not exported",
        "interval 5m does not say how often it is checked",
        "the query is not scoped",
        "unless there are 16.7 requests/s in all",
        "5 failed checks in all, not in a row",
        "the rollback comes one tick later, after 6 min",
        "no load test",
        "request-duration-p95 fails on every tick: no canary is ever promoted",
        "nothing is checked after the promotion",
    ):
        assert fault in said
    assert (manifest.rollback_seconds, manifest.promote_seconds) == (360.0, None)
    policy = manifest.policy()
    assert [step.weight for step in policy.ladder] == [20, 40, 60, 80, 100]
    assert (policy.judge, policy.error_rate, policy.p95) == ("flagger", 0.005, 1.2)


def test_a_good_manifest_has_no_errors() -> None:
    manifest = _read(GOOD)
    assert _said(manifest, "error") == ""
    assert manifest.weights == (5, 25, 45, 65, 85, 100)
    assert manifest.promote_seconds == 360.0
    assert manifest.needed_rate == pytest.approx(200 / 60 / 0.05)


@pytest.mark.parametrize(
    ("changes", "level", "message"),
    [
        ({"stepWeights": [5, 25, 25, 50]}, "error", "the walk stalls at 25 %"),
        ({"stepWeights": [50, 25]}, "error", "the walk stalls at 50 %"),
        ({"stepWeight": 10}, "error", "stepWeight and stepWeights together are refused"),
        ({"stepWeights": None}, "error", "neither stepWeight nor stepWeights"),
        ({"stepWeights": None, "stepWeight": -1}, "error", "the canary stays at 0 % for ever"),
        ({"stepWeights": None, "stepWeight": 20, "maxWeight": 50}, "warning", "it overshoots maxWeight 50: 60 %"),
        ({"maxWeight": 50}, "note", "maxWeight is ignored beside stepWeights"),
        ({"threshold": 0}, "warning", "means 1: the first failed check rolls back"),
        ({"interval": "5s"}, "warning", "is raised to 10 s"),
        ({"interval": "soon"}, "error", "the API server refuses it"),
        ({"interval": None}, "error", "no interval"),
        ({"interval": "1h"}, "error", "the API server refuses hours"),
        ({"metrics": [], "webhooks": []}, "error", "every canary is promoted"),
        ({"metrics": []}, "warning", "nothing but the answers of webhooks stops a canary"),
        ({"webhooks": []}, "warning", "no load test"),
        ({"iterations": 10}, "note", "blue/green"),
        ({"metrics": [{"name": "request-duration", "thresholdRange": {"max": 1.2}}]}, "warning", "max 1.2 is in milliseconds"),
        ({"metrics": [{"name": "request-duration", "thresholdRange": {"max": 500}}]}, "note", "request-duration is the mean"),
        ({"metrics": [{"name": "x", "templateRef": {"name": "gone"}}]}, "note", "'gone' is not in this file"),
        ({"metrics": [{"name": "x", "query": "sum(rate(a_total{job=\"b\"}[1m]))"}]}, "warning", "the most allowed is 0"),
        ({"metrics": [{"name": "x", "query": "a{b=\"c\"} # why"}]}, "error", "a # comments out the rest"),
        ({"metrics": [{"name": "x", "query": "a{b=\"c\"} or vector(0)"}]}, "warning", "hides an exporter that is dead"),
        (
            {"metrics": [{"name": "d", "thresholdRange": {"max": 500}, "query": SECONDS}]},
            "warning",
            "the query gives seconds",
        ),
    ],
)  # fmt: skip
def test_each_fault_is_named(changes: dict[str, Any], level: str, message: str) -> None:
    assert message not in _said(_read(GOOD))
    (finding,) = [finding for finding in _read(GOOD, **changes).findings if message in finding.message]
    assert finding.level == level


@pytest.mark.parametrize(
    ("provider", "what"), [("nginx", "the mean, not a quantile"), ("istio", "p99, in milliseconds")]
)
def test_what_request_duration_measures_depends_on_the_provider(provider: str, what: str) -> None:
    duration = {"name": "request-duration", "thresholdRange": {"max": 500}}
    manifest = _read(GOOD.replace("provider: nginx", f"provider: {provider}"), metrics=[duration])
    assert f"request-duration is {what} with provider {provider}" in _said(manifest, "note")


def test_a_comparison_with_bool_and_label_selectors_are_no_filters() -> None:
    query = 'sum(rate(a_total{code!="500",namespace="{{ namespace }}"}[1m])) == bool 0'
    assert "a comparison filters" not in _said(_read(GOOD, metrics=[{"name": "x", "query": query}]))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("targetRef", "no targetRef"),
        ("service", "service.port is missing"),
        ("ingressRef", "provider nginx needs an ingressRef"),
    ],
)
def test_what_a_canary_needs(path: str, message: str) -> None:
    documents = list(YAML(typ="safe", pure=True).load_all(GOOD))
    del documents[0]["spec"][path]
    assert message in _said(read_manifest(documents)[0], "error")


def test_no_canary_and_no_numbers_are_refused() -> None:
    with pytest.raises(BadInput, match="no Canary"):
        read_manifest([{"kind": "Deployment"}])
    with pytest.raises(BadInput, match="whole numbers"):
        _read(GOOD, stepWeights=["5%", 10])
    with pytest.raises(BadInput, match="no ladder"):
        _read(GOOD, stepWeights=None, stepWeight=0).policy()


@pytest.mark.parametrize("most", [0, -1, None])
def test_no_greatest_weight_means_the_whole_traffic(most: int | None) -> None:
    manifest = _read(GOOD, stepWeights=None, stepWeight=25, maxWeight=most)
    assert (manifest.weights, manifest.ticks) == ((25, 50, 75, 100), 4)


def test_a_list_is_looked_into_and_the_places_are_its_items() -> None:
    documents = list(YAML(typ="safe", pure=True).load_all(GOOD))
    listed: list[dict[str, Any]] = [
        {"kind": "Other"},
        {"apiVersion": "v1", "kind": "List", "items": [{"kind": "Other"}, *documents]},
    ]
    (manifest,) = read_manifest(listed)
    (alone,) = read_manifest(documents)
    assert [one.message for one in manifest.findings] == [one.message for one in alone.findings]
    assert {one.place[:3] for one in manifest.findings} == {(1, "items", 1)}
    assert read_manifest([{"kind": "CanaryList", "items": documents[:1]}])[0].name == "pricing"
    with pytest.raises(BadInput, match="no Canary"):
        read_manifest([{"kind": "List", "items": [None, 5, {"kind": "Service"}]}])


def test_a_healthy_canary_waits_for_its_gates() -> None:
    gate = {"name": "ask", "type": "confirm-promotion", "url": "http://gate/"}
    assert _read(GOOD, webhooks=[gate]).gates == ("ask",)
    assert _read(GOOD).gates == ()


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (None, ["one failed request fails", "no load test"]),
        (1.0, ["one failed request fails", "no load test"]),
        (20.0, ["one failed request fails"]),
        (200.0, []),
    ],
)
def test_where_the_traffic_is_known_only_too_little_of_it_is_told(rate: float | None, said: list[str]) -> None:
    warnings = _said(_read(GOOD, rate, webhooks=[]), "warning").splitlines()
    assert [warning[: len(start)] for warning, start in zip(warnings, said, strict=True)] == said


def test_a_canary_that_never_gets_traffic_has_never_enough_of_it() -> None:
    assert "no load test" in _said(_read(GOOD, 1e6, webhooks=[], stepWeights=None, stepWeight=0), "warning")


def test_a_window_that_follows_the_interval_is_no_fault() -> None:
    fixed = "does not say how often it is checked"
    built_in = {"name": "request-success-rate", "interval": "2m", "thresholdRange": {"min": 99}}
    template = {"name": "slow", "interval": "2m", "templateRef": {"name": "slow"}, "thresholdRange": {"max": 1200}}
    elsewhere = {**template, "templateRef": {"name": "elsewhere"}}
    assert fixed not in _said(_read(GOOD, metrics=[built_in, template, elsewhere]))
    inline = {"name": "slow", "interval": "2m", "query": 'sum(a{b="c"}[1m])', "thresholdRange": {"max": 1}}
    assert f"interval 2m {fixed}" in _said(_read(GOOD, metrics=[inline]))


def test_a_template_may_measure_the_success_rate_too() -> None:
    metric = {"name": "app-success-rate", "templateRef": {"name": "elsewhere"}, "thresholdRange": {"min": 98}}
    manifest = _read(GOOD, metrics=[metric])
    assert manifest.policy().error_rate == 0.02
    assert manifest.needed_rate == pytest.approx(50 / 60 / 0.05)
