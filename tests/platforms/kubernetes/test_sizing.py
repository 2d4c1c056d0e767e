"""The canary is as large as stable before it gets traffic, stable keeps its size, and the autoscaler follows a promotion."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dawsos.errors import InfrastructureError
from dawsos.model.cluster import Gateway
from dawsos.platforms.kubernetes.names import BACKEND, COMPONENT, DEPLOYMENT, INSTANCE, WORKER
from dawsos.platforms.kubernetes.sizing import BEFORE, Sizing, is_full
from dawsos.platforms.kubernetes.traffic import KubernetesTraffic
from fakes import VirtualClock
from support.memory_cluster import NAMESPACE, PATHS, RELEASE, MemoryCluster
from support.shop import a_shop

ONE, TWO = (PATHS.of("deployments", f"shop-backend-{name}") for name in ("one", "two"))
SCALER = PATHS.of("horizontalpodautoscalers", "shop")


def play(scene: Callable[[MemoryCluster, Sizing], Awaitable[None]], *, replicas: int = 5) -> None:
    made = a_shop(VirtualClock())
    resize(made, ONE, replicas)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop-backend-one"}
    made.put(
        SCALER,
        {
            "metadata": {"name": "shop", "labels": {INSTANCE: RELEASE, COMPONENT: BACKEND}},
            "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 10},
        },
    )
    sizing = Sizing(made, NAMESPACE, RELEASE, made.clock)  # type: ignore[arg-type]
    asyncio.run(scene(made, sizing))  # type: ignore[arg-type]


def resize(made: MemoryCluster, path: str, replicas: int) -> None:
    found, put = made.edit(path)
    found["spec"]["replicas"] = replicas
    found["status"]["readyReplicas"] = replicas
    put(found)


def ready_later(made: MemoryCluster) -> None:
    """Let the canary's pods become ready at the second look."""
    asked = made.list

    async def list_(path: str, labels: Any = None) -> Any:
        found = await asked(path, labels)
        if made.clock.monotonic() > 0.3:
            for each in found:
                if "replicas" in each.get("spec", {}):
                    each["status"]["readyReplicas"] = each["spec"]["replicas"]
        return found

    made.list = list_  # type: ignore[method-assign]


def scaler(made: MemoryCluster) -> tuple[str, int, str | None]:
    found = made.objects[SCALER]
    spec, notes = found["spec"], found["metadata"].get("annotations", {})
    return spec["scaleTargetRef"]["name"], spec["minReplicas"], notes.get(BEFORE)


def test_the_canary_gets_as_many_replicas_as_stable_has_and_they_are_waited_for() -> None:
    async def scene(made: MemoryCluster, sizing: Sizing) -> None:
        ready_later(made)
        await sizing.begin("one", "two")
        assert made.objects[TWO]["spec"]["replicas"] == 5
        assert made.clock.monotonic() > 0.3

    play(scene)


def test_replicas_that_do_not_get_ready_are_an_error_with_the_numbers() -> None:
    async def scene(made: MemoryCluster, sizing: Sizing) -> None:
        with pytest.raises(InfrastructureError, match=r"2 of the 5 replicas of two are ready after 120 s"):
            await sizing.begin("one", "two")
        assert made.clock.monotonic() > 120

    play(scene)


def test_stable_keeps_the_size_that_a_rollback_needs_and_gets_its_smallest_size_back() -> None:
    async def scene(made: MemoryCluster, sizing: Sizing) -> None:
        ready_later(made)
        await sizing.begin("one", "two")
        assert scaler(made) == ("shop-backend-one", 5, "2")
        await sizing.begin("one", "two")
        resize(made, ONE, 7)
        await sizing.begin("one", "two")
        assert scaler(made) == ("shop-backend-one", 7, "2")
        await sizing.end("one")
        assert scaler(made) == ("shop-backend-one", 2, None)

    play(scene)


def test_no_more_than_the_autoscaler_may_is_held() -> None:
    async def scene(made: MemoryCluster, sizing: Sizing) -> None:
        ready_later(made)
        await sizing.begin("one", "two")
        assert scaler(made) == ("shop-backend-one", 10, "2")

    play(scene, replicas=12)


def test_the_canary_never_gets_fewer_replicas() -> None:
    async def scene(made: MemoryCluster, sizing: Sizing) -> None:
        resize(made, TWO, 4)
        await sizing.begin("one", "two")
        assert made.objects[TWO]["spec"]["replicas"] == 4
        assert scaler(made) == ("shop-backend-one", 2, None)

    play(scene, replicas=2)


def test_what_is_not_there_has_no_size() -> None:
    async def scene(made: MemoryCluster, sizing: Sizing) -> None:
        await sizing.begin("one", "three")
        await sizing.begin("three", "two")
        await sizing.end(None)
        await sizing.end("three")
        assert scaler(made)[0] == "shop-backend-one"

    play(scene)


def with_workers(made: MemoryCluster) -> Callable[[], dict[str, int]]:
    """Give each deployment a worker, and return what says how many processes each of them should have."""
    paths = {name: PATHS.of("deployments", f"shop-worker-{name}") for name in ("one", "two")}
    for (name, path), size in zip(paths.items(), (2, 1), strict=True):
        labels = {INSTANCE: RELEASE, COMPONENT: WORKER, DEPLOYMENT: name}
        made.put(
            path,
            {"metadata": {"name": f"shop-worker-{name}", "labels": labels}, "spec": {"replicas": size}, "status": {}},
        )
    return lambda: {name: made.objects[path]["spec"]["replicas"] for name, path in paths.items()}


def test_after_a_promotion_only_the_worker_of_the_release_that_serves_runs_and_the_way_back_brings_the_other() -> None:
    async def scene(made: MemoryCluster, _sizing: Sizing) -> None:
        workers = with_workers(made)
        ready_later(made)
        traffic = KubernetesTraffic(made, NAMESPACE, RELEASE, Gateway(), clock=made.clock)  # type: ignore[arg-type]
        await traffic.route("one", "two", 25)
        assert workers() == {"one": 2, "two": 1}
        await traffic.promote()
        assert workers() == {"one": 0, "two": 1}
        await traffic.route("one", None, 0)
        assert workers() == {"one": 2, "two": 0}
        await traffic.close()

    play(scene)


def test_a_worker_that_somebody_scaled_is_left_as_it_is() -> None:
    async def scene(made: MemoryCluster, sizing: Sizing) -> None:
        workers = with_workers(made)
        await sizing.end("two")
        found, put = made.edit(PATHS.of("deployments", "shop-worker-one"))
        found["spec"]["replicas"] = 5
        put(found)
        await sizing.end("one")
        assert workers() == {"one": 5, "two": 0}
        await sizing.end("one")
        assert workers() == {"one": 5, "two": 0}

    play(scene)


def test_traffic_sizes_the_canary_and_hands_the_autoscaler_over() -> None:
    async def scene(made: MemoryCluster, _sizing: Sizing) -> None:
        ready_later(made)
        traffic = KubernetesTraffic(made, NAMESPACE, RELEASE, Gateway(), clock=made.clock)  # type: ignore[arg-type]
        await traffic.route("one", "two", 25)
        assert made.objects[TWO]["spec"]["replicas"] == 5
        resize(made, ONE, 6)
        await traffic.set_weight(50)
        assert made.objects[TWO]["spec"]["replicas"] == 6
        await traffic.promote()
        assert scaler(made) == ("shop-backend-two", 2, None)
        await traffic.route("one", None, 0)
        assert scaler(made) == ("shop-backend-one", 2, None)
        await traffic.close()

    play(scene)


@pytest.mark.parametrize(("generation", "ready", "full"), [(1, 2, True), (2, 2, False), (1, 1, False), (1, 3, True)])
def test_a_deployment_is_full_when_its_controller_has_seen_the_last_change(
    generation: int, ready: int, full: bool
) -> None:
    status = {"observedGeneration": 1, "readyReplicas": ready}
    assert is_full({"metadata": {"generation": generation}, "spec": {"replicas": 2}, "status": status}) is full
