"""The Canary of DawsOS for each provider: Flagger's schema takes it, our own lint and simulator find in it what pipeline.yaml says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from ruamel.yaml import YAML

from dawsos.analysis.simulation.contest import contest
from dawsos.analysis.simulation.scenarios import World, parse_scenario
from dawsos.errors import BadInput
from dawsos.exporters.flagger import EXPORTER, render
from dawsos.importers.flagger import Manifest, read_manifest
from dawsos.model.exports import FlaggerAlert, FlaggerOptions, FlaggerProvider, GatewayName
from dawsos.model.pipeline import Pipeline, Profile, Slo
from dawsos.runs.project import load
from exporters.flagger_crd import problems

ROOT = Path(__file__).resolve().parents[2]
DAWSOS = load(ROOT)
PROVIDERS: tuple[FlaggerProvider, ...] = get_args(FlaggerProvider)
OPTIONS = FlaggerOptions(
    providers=PROVIDERS, hosts=("shop.test", "shop.example"), gateway=GatewayName(name="web", namespace="gateways")
)
# With so many requests a second, lint has nothing to say about the traffic.
RATE = 200.0


def documents(
    provider: FlaggerProvider, options: FlaggerOptions = OPTIONS, pipeline: Pipeline = DAWSOS
) -> list[dict[str, Any]]:
    (text,) = render(pipeline, options.model_copy(update={"providers": (provider,)})).values()
    return list(YAML(typ="safe", pure=True).load_all(text))


def of_kind(kind: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    (one,) = [document for document in found if document["kind"] == kind]
    return one


def manifest(provider: FlaggerProvider = "traefik", pipeline: Pipeline = DAWSOS, rate: float = RATE) -> Manifest:
    (found,) = read_manifest(documents(provider, pipeline=pipeline), rate)
    return found


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_api_server_would_take_every_object(provider: FlaggerProvider) -> None:
    alerting = OPTIONS.model_copy(update={"alert": FlaggerAlert(secret="slack", channel="deployments")})
    found = [one for one in documents(provider, alerting) if one["apiVersion"].startswith("flagger.app")]
    assert {one["kind"] for one in found} == {"Canary", "MetricTemplate", "AlertProvider"}
    assert [problems(one) for one in found] == [[]] * len(found)


def test_the_schema_refuses_what_flagger_would_not_take() -> None:
    canary = of_kind("Canary", documents("traefik"))
    canary["spec"]["analysis"]["stepWeight"] = 20
    canary["spec"]["analysis"]["intervall"] = "1m"
    said = "\n".join(problems(canary))
    assert "'intervall' was unexpected" in said
    assert "is valid under each of" in said


@pytest.mark.parametrize("provider", PROVIDERS)
def test_our_lint_finds_nothing(provider: FlaggerProvider) -> None:
    found = manifest(provider)
    assert [finding for finding in found.findings if finding.level != "note"] == []
    assert found.blocked == ()


def test_our_lint_finds_the_limits_that_pipeline_yaml_has() -> None:
    read, policy = manifest().policy(), DAWSOS.policy()
    assert [step.weight for step in read.ladder] == [5, 25, 45, 65, 85, 100]
    for name in ("check_interval", "failed_checks", "error_rate", "p95"):
        assert getattr(read, name) == getattr(policy, name), name


def test_our_lint_still_tells_that_there_is_little_traffic() -> None:
    found = [finding.message for finding in manifest(rate=1.0).findings if finding.level == "warning"]
    assert [message.split(":")[0] for message in found] == [
        "one failed request fails a check of a healthy canary unless there are 66.7 requests/s in all",
        "no load test",
    ]


def test_the_simulator_tells_when_it_promotes_and_when_it_rolls_back() -> None:
    found = manifest()
    for scenario, promoted in (("aa", 1.0), ("errors=5%", 0.0), ("latency=3s", 0.0), ("failure", 0.0)):
        (result,) = contest(World(rate=RATE), parse_scenario(scenario), [("flagger", found.policy())], 50, 7)
        assert (result.promoted, result.rolled_back) == (promoted, 1.0 - promoted), scenario
        assert (result.to_promote or result.median) == 360.0
    assert (found.promote_seconds, found.rollback_seconds) == (360.0, 360.0)


def test_another_slo_is_another_limit() -> None:
    stricter = DAWSOS.model_copy(update={"slo": Slo(error_rate=0.001, warm_p95=0.25, cold_p95=1.0)})
    policy = manifest(pipeline=stricter).policy()
    assert (policy.error_rate, policy.p95) == (0.001, 0.25)
    limits = of_kind("Canary", documents("istio", pipeline=stricter))["spec"]["analysis"]["metrics"]
    assert [one["thresholdRange"]["min"] for one in limits if one["name"].endswith("success-rate")] == [99.9, 99.9]


def test_a_profile_may_have_other_intervals_and_flagger_has_none_below_ten_seconds() -> None:
    profiles = {"quick": Profile(check_interval=4.0), "slow": Profile(check_interval=90.0)}
    pipeline = DAWSOS.model_copy(update={"profiles": profiles})
    for profile, interval, window in (("quick", "10s", "1m"), ("slow", "90s", "90s")):
        options = OPTIONS.model_copy(update={"profile": profile})
        analysis = of_kind("Canary", documents("traefik", options, pipeline))["spec"]["analysis"]
        assert (analysis["interval"], analysis["metrics"][0]["interval"]) == (interval, window)


@pytest.mark.parametrize(("no_data", "deadline"), [(600.0, 300), (120.0, 120), (20.0, 60)])
def test_a_replica_may_be_not_ready_as_long_as_the_policy_says_but_for_its_start(no_data: float, deadline: int) -> None:
    pipeline = DAWSOS.model_copy(update={"rollout": DAWSOS.rollout.model_copy(update={"no_data_deadline": no_data})})
    assert of_kind("Canary", documents("traefik", pipeline=pipeline))["spec"]["progressDeadlineSeconds"] == deadline


def test_each_provider_has_the_route_that_flagger_needs() -> None:
    of = {provider: documents(provider) for provider in PROVIDERS}
    spec = {provider: of_kind("Canary", found)["spec"] for provider, found in of.items()}
    (rule,) = of_kind("IngressRoute", of["traefik"])["spec"]["routes"]
    assert rule["match"] == "Host(`shop.test`) || Host(`shop.example`)"
    assert rule["services"] == [{"name": "dawsos", "kind": "TraefikService", "port": 80}]
    assert spec["gatewayapi:v1"]["service"]["gatewayRefs"] == [{"name": "web", "namespace": "gateways"}]
    assert spec["istio"]["service"]["gateways"] == ["gateways/web"]
    assert spec["istio"]["service"]["hosts"] == spec["gatewayapi:v1"]["service"]["hosts"] == list(OPTIONS.hosts)
    assert spec["nginx"]["ingressRef"]["name"] == of_kind("Ingress", of["nginx"])["metadata"]["name"] == "dawsos"
    assert "ingressRef" not in spec["traefik"]


def test_who_has_a_route_keeps_it() -> None:
    options = OPTIONS.model_copy(update={"route": False})
    kinds = {one["kind"] for provider in PROVIDERS for one in documents(provider, options)}
    assert kinds == {"Canary", "MetricTemplate"}


def test_flaggers_own_metric_of_the_gateway_is_used_where_flagger_has_a_right_one() -> None:
    for provider in PROVIDERS:
        spec = of_kind("Canary", documents(provider))["spec"]
        own = [one for one in spec["analysis"]["metrics"] if "templateRef" not in one]
        if provider == "gatewayapi:v1":
            assert (own, spec.get("metricsServer")) == ([], None)
        else:
            assert [one["name"] for one in own] == ["request-success-rate"]
            assert spec["metricsServer"] == OPTIONS.prometheus


def test_the_canary_comes_after_what_it_names() -> None:
    for provider in PROVIDERS:
        found = documents(provider)
        named = {one["templateRef"]["name"] for one in found[-1]["spec"]["analysis"]["metrics"] if "templateRef" in one}
        assert found[-1]["kind"] == "Canary"
        assert named == {one["metadata"]["name"] for one in found if one["kind"] == "MetricTemplate"}


def test_the_file_says_what_it_needs() -> None:
    (text,) = render(DAWSOS, OPTIONS.model_copy(update={"providers": ("traefik",)})).values()
    comment = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    for need in ("traefik_service_request_duration_seconds", "http_requests_total", "http_request_duration_seconds"):
        assert need in comment
    assert "pricing_pack_build_failures_total" in comment
    assert "the labels namespace and pod" in comment


def test_dawsos_has_a_bucket_at_the_limit_and_one_above() -> None:
    source = (ROOT / "backend/app/api/telemetry.py").read_text()
    (edges,) = re.findall(r"^REQUEST_BUCKETS = \((.*)\)$", source, re.MULTILINE)
    numbers = [float(edge) for edge in edges.split(",")]
    assert DAWSOS.slo.warm_p95 in numbers[:-1]


JUDGED = OPTIONS.model_copy(update={"judge": "http://judge.shop"})


def test_the_judge_answers_two_webhooks_of_the_canary_whose_route_it_can_cut() -> None:
    canary = of_kind("Canary", documents("gatewayapi:v1", JUDGED))
    assert problems(canary) == []
    hooks = {hook["type"]: hook["url"] for hook in canary["spec"]["analysis"]["webhooks"]}
    assert hooks == {
        "rollback": "http://judge.shop/rollback",
        "confirm-traffic-increase": "http://judge.shop/confirm-traffic-increase",
    }
    # The checks of Flagger stay: they end a bad canary when the judge is not there.
    assert canary["spec"]["analysis"]["metrics"]
    (text,) = render(DAWSOS, JUDGED.model_copy(update={"providers": ("gatewayapi:v1",)})).values()
    assert "holds each weight for its time (5 min, 10 min" in text


@pytest.mark.parametrize("provider", [each for each in PROVIDERS if each != "gatewayapi:v1"])
def test_where_there_is_no_http_route_there_is_no_judge(provider: FlaggerProvider) -> None:
    both = JUDGED.model_copy(update={"providers": ("gatewayapi:v1", provider)})
    texts = render(DAWSOS, both)
    assert [name for name, text in texts.items() if "judge.shop" in text] == ["deploy/flagger/gatewayapi-v1.yaml"]
    with pytest.raises(BadInput, match=r"exports\.flagger\.judge: the judge cuts HTTPRoutes"):
        render(DAWSOS, JUDGED.model_copy(update={"providers": (provider,)}))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"hosts": ()}, "exports.flagger.hosts"),
        ({"gateway": None, "providers": ("istio",)}, "provider istio needs a gateway"),
        ({"profile": "nightly"}, "there is no profile 'nightly'"),
    ],
)
def test_what_a_provider_lacks_is_told(changes: dict[str, object], what: str) -> None:
    with pytest.raises(BadInput, match=what) as told:
        render(DAWSOS, OPTIONS.model_copy(update=changes))
    assert told.value.fix


@pytest.mark.parametrize("name", ["my_shop", "shop-", "s" * 51])
def test_a_name_that_kubernetes_does_not_take_is_refused_with_the_key_to_write(name: str) -> None:
    options = OPTIONS.model_copy(update={"deployment": None})
    pipeline = DAWSOS.model_copy(update={"name": name})
    with pytest.raises(BadInput, match=rf"exports\.flagger\.deployment: its default '{name}' is no name of Kubernetes"):
        render(pipeline, options)
    assert render(pipeline, OPTIONS.model_copy(update={"deployment": "shop"}))
    stages = tuple(
        stage.model_copy(update={"environment": name}) if stage.uses == "rollout" else stage for stage in DAWSOS.stages
    )
    with pytest.raises(BadInput, match=r"exports\.flagger\.namespace"):
        render(DAWSOS.model_copy(update={"stages": stages}), OPTIONS.model_copy(update={"namespace": None}))


def test_the_exporter_is_this_one() -> None:
    assert (EXPORTER.options, EXPORTER.render) == (FlaggerOptions, render)
