"""The pages of all pods of the gateway: one that cannot be read is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dawsos.errors import BadInput
from dawsos.model.cluster import Gateway
from dawsos.platforms.kubernetes.gateway_pods import GatewayPods, process_of, serves
from dawsos.platforms.kubernetes.gateways.contract import Backend
from fakes import VirtualClock
from support.memory_cluster import NAMESPACE, PATHS, RELEASE, MemoryCluster
from support.shop import ENVOYS, a_shop, envoy, labels_of

BACKENDS = {"stable": Backend(NAMESPACE, "shop-stable", 80), "canary": Backend(NAMESPACE, "shop-canary", 80)}


def play(
    scene: Callable[[MemoryCluster, GatewayPods], Awaitable[None]], *, envoys: int = 2, gateway: Gateway | None = None
) -> None:
    async def played() -> None:
        made = a_shop(VirtualClock(), envoys=envoys)
        pods = GatewayPods(made, NAMESPACE, RELEASE, gateway or Gateway())  # type: ignore[arg-type]
        try:
            await scene(made, pods)
        finally:
            await pods.close()

    asyncio.run(played())


def test_every_pod_is_read() -> None:
    async def scene(made: MemoryCluster, pods: GatewayPods) -> None:
        await made.clock.sleep(1)
        found = await pods.read(BACKENDS)
        assert len(found) == 2
        for reading in found.values():
            assert reading is not None
            assert reading["canary"] is None
            assert reading["stable"] is not None
            assert 98 <= reading["stable"].received <= 100

    play(scene)


def test_a_pod_that_does_not_answer_is_told_beside_the_others() -> None:
    async def scene(made: MemoryCluster, pods: GatewayPods) -> None:
        await made.clock.sleep(1)
        made.envoys["envoy-1"].readable = False
        found = await pods.read(BACKENDS)
        assert sorted((name.split("/")[0], reading is None) for name, reading in found.items()) == [
            ("envoy-0", False),
            ("envoy-1", True),
        ]

    play(scene)


def test_a_pod_that_comes_or_is_started_again_is_another_process() -> None:
    async def scene(made: MemoryCluster, pods: GatewayPods) -> None:
        before = set(await pods.read(BACKENDS))
        await asyncio.sleep(0)
        restarted = envoy("envoy-0", restarts=1)
        made.put(f"{ENVOYS}/envoy-0", restarted)
        made.drop(f"{ENVOYS}/envoy-1")
        await asyncio.sleep(0.01)
        after = set(await pods.read(BACKENDS))
        assert len(after) == 1
        assert not after & before

    play(scene)


def test_a_gateway_that_is_not_there_is_bad_input_with_the_fix() -> None:
    async def scene(_made: MemoryCluster, pods: GatewayPods) -> None:
        with pytest.raises(BadInput, match=r"no pod in the namespace edge has the labels app=x") as raised:
            await pods.read(BACKENDS)
        assert "gateway" in raised.value.fix

    play(scene, gateway=Gateway(namespace="edge", selector={"app": "x"}))


def test_pods_of_the_release_are_read_as_one_process_each_for_its_own_role() -> None:
    async def scene(made: MemoryCluster, pods: GatewayPods) -> None:
        for name in ("one-0", "one-1", "two-0", "two-1"):
            running(made, name)
            made.metrics[name] = f'http_requests_total{{status="200"}} {7 if name[:3] == "one" else 3}\n'
        await asyncio.sleep(0.01)
        backends = {
            "stable": Backend(NAMESPACE, "shop-stable", 80, deployment="one"),
            "canary": Backend(NAMESPACE, "shop-canary", 80, deployment="two"),
        }
        (before,) = (await pods.read(backends)).items()
        assert before[1] is not None
        assert {role: each.received for role, each in before[1].items() if each} == {"stable": 14, "canary": 6}
        running(made, "two-0", restarts=1)
        await asyncio.sleep(0.01)
        (after,) = await pods.read(backends)
        assert after != before[0]
        del made.metrics["one-1"]
        assert list((await pods.read(backends)).values()) == [None]

    play(scene, gateway=Gateway(kind="pods"))


def running(made: MemoryCluster, name: str, restarts: int = 0) -> None:
    found = envoy(name, restarts)
    found["metadata"]["labels"] = labels_of(name[:3])
    made.put(PATHS.of("pods", name), found)


@pytest.mark.parametrize(
    ("state", "runs"),
    [({"running": {}}, True), ({"waiting": {"reason": "CrashLoopBackOff"}}, False), ({"terminated": {}}, False)],
)
def test_a_pod_without_a_process_has_no_connections(state: dict[str, Any], runs: bool) -> None:
    made = envoy("a")
    made["status"]["containerStatuses"][0]["state"] = state
    assert serves(made) is runs
    assert not serves({"metadata": {}, "status": {}})


def test_a_process_is_a_pod_with_its_restarts() -> None:
    first, second = envoy("a"), envoy("a", restarts=2)
    first["metadata"]["uid"] = second["metadata"]["uid"] = "u"
    assert (process_of(first), process_of(second)) == ("a/u/0", "a/u/2")
