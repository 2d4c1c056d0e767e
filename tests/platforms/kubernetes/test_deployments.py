"""Deployments come and go by helm: waited for in virtual time, taken out again when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.kubernetes import ApiError
from dawsos.adapters.redactor import Masker
from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.platforms.kubernetes.deployments import Bed, deploy, look, remove, rolled_out, verdict_of, wait_until_gone
from dawsos.platforms.kubernetes.names import DEPLOYMENT, Paths
from dawsos.platforms.kubernetes.state import Seen
from fakes import VirtualClock
from support.memory_cluster import NAMESPACE
from support.workloads import NOW, TARGET, PaperCluster, pod, route, service, serving, workload

PATHS = Paths(NAMESPACE)
ENTRY = {
    "images": {"backend": "shop@sha256:2"},
    "release": "e" * 64,
    "commit": "b" * 40,
    "replicas": 1,
    "workers": False,
}


class PaperHelm:
    """Makes the Deployments that the values name, with pods in the state ``born``."""

    def __init__(self, cluster: PaperCluster, **born: Any) -> None:
        self.cluster, self.born, self.upgrades = cluster, born, list[Mapping[str, Any]]()
        self.kept: dict[str, Any] = {}

    async def values(self) -> dict[str, Any]:
        return self.kept

    async def upgrade(self, values: Mapping[str, Any], log: Path) -> None:
        self.upgrades.append(values)
        self.kept = dict(values)
        for path in [each for each in self.cluster.objects if "/deployments/" in each or "/pods/" in each]:
            if self.cluster.objects[path]["metadata"]["labels"][DEPLOYMENT] not in values["deployments"]:
                self.cluster.drop(path)
        for one, entry in values["deployments"].items():
            path = PATHS.of("deployments", f"shop-backend-{one}")
            if path not in self.cluster.objects:
                image = entry["images"]["backend"]
                self.cluster.put(path, workload(one, image, entry["replicas"], release=entry["release"]))
                self.cluster.put(PATHS.of("pods", f"{one}-1"), pod(f"{one}-1", one, image=image, **self.born))


def _bed(seen: Seen | None = None, **born: Any) -> tuple[Bed, PaperCluster, PaperHelm]:
    clock = VirtualClock(NOW)
    cluster = PaperCluster(clock, seen or serving())
    helm = PaperHelm(cluster, **born)
    bed = Bed(cluster, TARGET, helm, clock, Masker(["hunter22"]), {"secret": "shop-env"}, Path("log"))  # type: ignore[arg-type]
    return bed, cluster, helm


def test_a_deployment_is_added_beside_what_is_live() -> None:
    async def scene() -> None:
        bed, _, helm = _bed(ready=True)
        await deploy(bed, "b", ENTRY, 20)
        (values,) = helm.upgrades
        assert sorted(values["deployments"]) == ["a", "b"]
        assert values["deployments"]["a"]["images"] == {"backend": "shop@sha256:1"}
        assert (values["stable"], values["canary"], values["secret"]) == ("a", "", "shop-env")

    asyncio.run(scene())


def test_one_that_crashes_is_the_release_s_fault_with_its_log_and_is_taken_out_again() -> None:
    async def scene() -> None:
        waits, last = {"waiting": {"reason": "CrashLoopBackOff"}}, {"exitCode": 1, "reason": "Error"}
        bed, cluster, helm = _bed(state=waits, restarts=2, last=last)
        cluster.raw[PATHS.of("pods", "b-1", "log")] = b"starting\npassword hunter22 is wrong\n"
        with pytest.raises(ReleaseFailed) as caught:
            await deploy(bed, "b", ENTRY, 20)
        assert "b-1 crashes: exit code 1 after 2 restarts" in caught.value.message
        assert "password *** is wrong" in caught.value.message
        assert list(helm.upgrades[-1]["deployments"]) == ["a"]

    asyncio.run(scene())


def test_one_that_cannot_be_pulled_is_the_cluster_s_fault() -> None:
    async def scene() -> None:
        bed, _, helm = _bed(state={"waiting": {"reason": "ImagePullBackOff", "message": "no such host"}})
        with pytest.raises(InfrastructureError, match="ImagePullBackOff: no such host"):
            await deploy(bed, "b", ENTRY, 20)
        assert bed.clock.monotonic() > 25
        assert list(helm.upgrades[-1]["deployments"]) == ["a"]

    asyncio.run(scene())


def test_one_that_serves_is_not_taken_out_when_it_is_deployed_again_and_fails() -> None:
    async def scene() -> None:
        seen = serving()
        for one in seen.pods:
            one["status"]["conditions"][0]["status"] = "False"
        bed, _, helm = _bed(seen)
        with pytest.raises(ReleaseFailed, match="not ready after 20 s"):
            await deploy(bed, "a", {**ENTRY, "images": {"backend": "shop@sha256:1"}}, 20)
        assert "a" in helm.upgrades[-1]["deployments"]

    asyncio.run(scene())


def test_the_chart_does_not_change_while_a_canary_has_traffic() -> None:
    async def scene() -> None:
        seen = serving()
        bed, _, helm = _bed(
            Seen(
                [*seen.deployments, workload("b", "shop@sha256:2")],
                [],
                [service("stable", "a"), service("canary", "b")],
                seen.pods,
                [route(10)],
            )
        )
        with pytest.raises(InfrastructureError, match="the canary b has 10 % of the traffic"):
            await deploy(bed, "c", ENTRY, 20)
        assert helm.upgrades == []

    asyncio.run(scene())


def test_an_api_server_that_is_away_for_half_a_minute_is_waited_for() -> None:
    async def scene() -> None:
        bed, cluster, _ = _bed(ready=True)
        clock = bed.clock

        async def back() -> None:
            cluster.away = True
            while clock.monotonic() < 30:
                await asyncio.sleep(0)
            cluster.away = False

        from dawsos.platforms.kubernetes.deployments import wait_until_ready

        task = asyncio.create_task(back())
        await asyncio.sleep(0)
        await wait_until_ready(bed, "a", 20)
        await task
        assert clock.monotonic() >= 30

    asyncio.run(scene())


def test_a_removed_deployment_is_gone_and_may_be_removed_again() -> None:
    async def scene() -> None:
        bed, cluster, helm = _bed(ready=True)
        await deploy(bed, "b", ENTRY, 20)
        await remove(bed, "b")
        upgrades = len(helm.upgrades)
        await remove(bed, "b")
        assert len(helm.upgrades) == upgrades
        assert [one["metadata"]["name"] for one in await cluster.list(PATHS.of("pods"))] == ["a-1", "a-2"]

    asyncio.run(scene())


def test_pods_that_do_not_end_are_told() -> None:
    async def scene() -> None:
        bed, _, _ = _bed()
        with pytest.raises(InfrastructureError, match="have not ended after 120 s: a-1, a-2"):
            await wait_until_gone(bed, {DEPLOYMENT: "a"})

    asyncio.run(scene())


def test_a_deployment_that_the_chart_did_not_make_has_failed() -> None:
    verdict = verdict_of(serving(), "x", NOW, 20)
    assert (verdict.state, verdict.fault) == ("failed", "release")
    assert "dawsos.dev/deployment=x" in verdict.reason


def test_pods_of_the_image_before_do_not_count_while_they_are_replaced() -> None:
    seen = serving()
    seen.deployments[0]["spec"]["template"]["spec"]["containers"][0]["image"] = "shop@sha256:9"
    seen.deployments[0]["metadata"]["generation"] = 2
    assert not rolled_out(seen.deployments[0])
    assert verdict_of(seen, "a", NOW, 20).state == "waiting"


def test_pods_that_are_refused_are_not_waited_for_to_the_end() -> None:
    seen = serving()
    seen.pods.clear()
    told = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: small"}
    seen.deployments[0]["status"]["conditions"] = [{**told, "lastTransitionTime": "2001-09-09T01:46:00Z"}]
    verdict = verdict_of(seen, "a", NOW, 20)
    assert (verdict.state, verdict.fault) == ("failed", "cluster")
    assert verdict.reason == "pods of shop-backend-a are refused: exceeded quota: small"


def test_a_kind_that_the_cluster_does_not_know_has_no_objects() -> None:
    class NoRoutes(PaperCluster):
        async def list(self, path: str, labels: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
            if "httproutes" in path:
                raise ApiError(404, "NotFound", path, where=path)
            return await super().list(path, labels)

    assert asyncio.run(look(NoRoutes(VirtualClock(), serving()), TARGET)).routes == []  # type: ignore[arg-type]
