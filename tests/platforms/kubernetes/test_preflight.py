"""What is missing is told at once, with the way to mend it, before anything is changed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from dawsos.adapters.kubernetes import ApiError, Unreachable
from dawsos.errors import BadInput
from dawsos.model.cluster import Gateway
from dawsos.platforms.kubernetes.preflight import (
    FLAGGER_API,
    GATEWAY_API,
    chart_faults,
    cluster_faults,
    files,
    flagger_must_be_there,
    gateway_namespace,
    has_guardian,
    must_be_there,
)
from fakes import VirtualClock
from support.workloads import TARGET, PaperCluster, route, service, workload


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of PATH, with helm and kubectl."""
    for name in ("helm", "kubectl"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _cluster() -> PaperCluster:
    cluster = PaperCluster(VirtualClock())
    cluster.raw = {"/version": b"{}", GATEWAY_API: b"{}"}
    cluster.put(f"/api/v1/namespaces/{TARGET.namespace}", {"metadata": {"name": TARGET.namespace}})
    return cluster


def _chart(folder: Path) -> Path:
    (folder / "chart").mkdir()
    (folder / "chart" / "Chart.yaml").write_text("name: shop\n")
    return folder / "chart"


def test_everything_that_is_missing_is_told_together(programs: Path) -> None:
    (programs / "helm").unlink()
    cluster = PaperCluster(VirtualClock())
    cluster.raw = {"/version": b"{}"}
    cluster.refused = {(TARGET.namespace, "create", "jobs")}
    target = replace(TARGET, chart=programs / "none", values=(programs / "prod.yaml",))
    with pytest.raises(BadInput) as caught:
        asyncio.run(must_be_there(cluster, target, Gateway()))  # type: ignore[arg-type]
    for told in (
        "no helm on PATH",
        "no Chart.yaml",
        "no file",
        "no namespace shop",
        "Gateway API",
        "jobs in shop: create",
    ):
        assert told in caught.value.message


def test_an_environment_that_has_everything_may_be_deployed_to(programs: Path) -> None:
    target = replace(TARGET, chart=_chart(programs))
    asyncio.run(must_be_there(_cluster(), target, Gateway()))  # type: ignore[arg-type]


def test_a_guardian_of_the_values_needs_more_rights(programs: Path) -> None:
    cluster, values = _cluster(), programs / "prod.yaml"
    cluster.refused = {(TARGET.namespace, "create", "roles")}
    target = replace(TARGET, chart=_chart(programs), values=(values,))
    values.write_text("guardian: {image: {tag: x}}\n")
    asyncio.run(must_be_there(cluster, target, Gateway()))  # type: ignore[arg-type]
    values.write_text("guardian: {enabled: true}\n")
    with pytest.raises(BadInput, match=r"roles in shop: create .the guardian's own rights"):
        asyncio.run(must_be_there(cluster, target, Gateway()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chart", "own", "enabled"),
    [
        ("guardian: {enabled: true}", "replicas: 2", True),
        ("guardian: {enabled: true}", "guardian: {enabled: false}", False),
        ("", "- no values", False),
        ("guardian: {enabled: true}", "{", False),
    ],
)
def test_the_last_values_say_whether_there_is_a_guardian(programs: Path, chart: str, own: str, enabled: bool) -> None:
    target = replace(TARGET, chart=_chart(programs), values=(programs / "own.yaml",))
    (target.chart / "values.yaml").write_text(chart)
    target.values[0].write_text(own)
    assert has_guardian(target) is enabled


def test_an_api_server_that_refuses_for_another_reason_does_not_lack_the_gateway_api() -> None:
    class Refusing(PaperCluster):
        async def request(self, method: str, path: str, **options: object) -> bytes:
            if path == GATEWAY_API:
                raise ApiError(500, "InternalError", "etcdserver: request timed out", where=path)
            return b"{}"

    with pytest.raises(ApiError, match="etcdserver"):
        asyncio.run(cluster_faults(Refusing(VirtualClock()), TARGET))  # type: ignore[arg-type]


def test_files_that_are_there_are_no_fault(programs: Path) -> None:
    assert files(replace(TARGET, chart=_chart(programs))) == []


def test_an_api_server_that_does_not_answer_is_bad_input() -> None:
    cluster = _cluster()
    cluster.away = True
    with pytest.raises(BadInput, match="nobody answers"):
        asyncio.run(cluster_faults(cluster, TARGET))  # type: ignore[arg-type]


def test_who_is_not_logged_in_is_told_so() -> None:
    cluster = _cluster()
    cluster.raw["/version"] = ApiError(401, "Unauthorized", "no", where="GET /version")
    with pytest.raises(BadInput) as caught:
        asyncio.run(cluster_faults(cluster, TARGET))  # type: ignore[arg-type]
    assert caught.value.fix.startswith("log in")


def test_who_may_not_look_at_the_namespace_itself_may_still_deploy_into_it() -> None:
    class Narrow(PaperCluster):
        async def find(self, path: str) -> None:
            raise ApiError(403, "Forbidden", path, where=path)

    cluster = Narrow(VirtualClock())
    cluster.raw = {"/version": b"{}", GATEWAY_API: b"{}"}
    assert asyncio.run(cluster_faults(cluster, TARGET)) == []  # type: ignore[arg-type]


def test_a_refusal_of_another_kind_is_the_cluster_s() -> None:
    cluster = _cluster()
    cluster.raw["/version"] = ApiError(500, "InternalError", "etcd", where="GET /version")
    with pytest.raises(ApiError):
        asyncio.run(cluster_faults(cluster, TARGET))  # type: ignore[arg-type]
    assert issubclass(Unreachable, Exception)


def test_rights_at_a_gateway_that_is_asked_directly_are_not_needed() -> None:
    assert gateway_namespace(Gateway(namespace="gw")) == "gw"
    assert gateway_namespace(Gateway()) == "projectcontour"
    assert gateway_namespace(Gateway(namespace="gw", reach="direct")) is None


def test_a_chart_is_told_what_it_does_not_label() -> None:
    made = {**workload("a", "1")}
    services = ({**service(role, "a"), "kind": "Service"} for role in ("stable", "canary"))
    whole = [made, *services, {**route(), "kind": "HTTPRoute"}]
    assert chart_faults(whole, TARGET, "a") == []
    told = chart_faults([], TARGET, "a")
    assert [words.split(" with")[0] for words in told] == [
        "the chart makes no Deployment", "the chart makes no Service", "the chart makes no Service",
        "the chart makes no HTTPRoute: name the gateway in its values (route.gateway)",
    ]  # fmt: skip
    other = workload("a", "1")
    other["spec"]["template"]["metadata"] = {"labels": {}}
    assert "have not the labels" in chart_faults([other], TARGET, "a")[0]


def test_where_flagger_conducts_neither_chart_nor_helm_nor_its_rights_are_needed(programs: Path) -> None:
    (programs / "helm").unlink()
    cluster = _cluster()
    cluster.put(FLAGGER_API, {"metadata": {"name": "v1beta1"}})
    cluster.refused = {(TARGET.namespace, "create", "secrets"), (TARGET.namespace, "delete", "deployments")}
    asyncio.run(flagger_must_be_there(cluster, replace(TARGET, chart=programs / "none")))  # type: ignore[arg-type]


def test_what_flagger_s_rollout_lacks_is_told_together() -> None:
    cluster = _cluster()
    cluster.refused = {(TARGET.namespace, "patch", "canaries/status"), (TARGET.namespace, "patch", "httproutes")}
    with pytest.raises(BadInput) as caught:
        asyncio.run(flagger_must_be_there(cluster, TARGET))  # type: ignore[arg-type]
    for told in ("does not know Flagger's Canary", "canaries/status", "httproutes"):
        assert told in caught.value.message
