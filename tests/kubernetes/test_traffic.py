"""Traffic on a real cluster: no request is lost, a drained canary is silent, and samples are what users saw.

Behind Contour, but for the tests whose names say Traefik.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

from dawsos.adapters.kubernetes import Cluster, connected
from dawsos.model.cluster import Gateway
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Sample
from dawsos.platforms.contract import NotFollowed, Roles
from dawsos.platforms.kubernetes.names import Paths
from dawsos.platforms.kubernetes.routes import has_ended
from dawsos.platforms.kubernetes.routing import ChangedBeside
from dawsos.platforms.kubernetes.telemetry import KubernetesTelemetry
from dawsos.platforms.kubernetes.traffic import KubernetesTraffic
from support.cluster_shop import RELEASE, Object, deployment, host_of, install, ready
from support.sender import served, users
from waiting import wait_until

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(240)]
POLICY = RolloutPolicy.model_validate({"ladder": [{"weight": 100, "duration": "1s"}], "error_rate": "1%", "p95": "1s"})
RATE = 100.0


class World:
    """One release in a namespace of its own, with the deployments ``one``, which is stable, and ``two``."""

    def __init__(self, api: Cluster, namespace: str, address: str, settings: Gateway) -> None:
        self.api, self.namespace, self.address, self.settings = api, namespace, address, settings
        self.host, self.paths = host_of(namespace), Paths(namespace)
        self.traffic = KubernetesTraffic(api, namespace, RELEASE, settings)
        self.telemetry = KubernetesTelemetry(api, namespace, RELEASE, settings, POLICY)

    async def give(self, weight: int) -> None:
        """Give the canary its weight; a gateway that is late is asked again, as the rollout does it."""
        for _ in range(60):
            with contextlib.suppress(NotFollowed):
                await self.traffic.set_weight(weight)
                return
        await self.traffic.set_weight(weight)

    async def sample(self, weight: int, after: float = 1.0) -> Sample:
        await asyncio.sleep(after)
        return await self.telemetry.sample(time.monotonic(), weight)

    async def close(self) -> None:
        await self.traffic.close()
        await self.telemetry.close()


Scene = Callable[[World], Awaitable[None]]


@pytest.fixture
def play(cluster: Any, namespace: str, gateway: Any, tiny: Any, delivered: Any) -> Callable[..., None]:
    """Return what runs a scene on a release whose canary has these faults (``FAIL=0.3``)."""
    return player(cluster, namespace, gateway, "http", partial(_delivered, tiny, delivered))


@pytest.fixture
def play_traefik(cluster: Any, namespace: str, tiny: Any, delivered: Any) -> Callable[..., None]:
    """The same behind Traefik, which is added to a cluster of the project's own."""
    found = cluster if "traefik" in cluster.gateways else cluster.added("traefik")
    image = partial(_delivered, tiny, delivered)
    return player(found, namespace, found.gateways["traefik"], "web", image)


def _delivered(tiny: Any, delivered: Any, text: str, faults: dict[str, float]) -> str:
    """Return the name of an image that the nodes have."""
    name: str = delivered(tiny(text, **faults).images[0])
    return name


def player(
    cluster: Any, namespace: str, gateway: Any, listener: str, image: Callable[[str, dict[str, float]], str]
) -> Callable[..., None]:
    parent: Object = {"name": gateway.name, "namespace": gateway.namespace, "sectionName": listener}

    def played(scene: Scene, *, memory: str = "96Mi", settings: Gateway | None = None, **faults: float) -> None:
        images = [image("one", {}), image("two", faults)]

        async def run() -> None:
            async with connected(cluster.context) as api:
                deployments = [deployment("one", images[0]), deployment("two", images[1], memory=memory)]
                await install(api, namespace, parent, *deployments)
                world = World(api, namespace, gateway.address, settings or Gateway())
                # A gateway may have a new route before it has the endpoints of its Service: that is no shift of weight.
                await asyncio.to_thread(wait_until, partial(served, world.address, world.host, "/"))
                try:
                    await scene(world)
                finally:
                    await world.close()

        asyncio.run(run())

    return played


def test_no_request_is_lost_over_shifts_a_promotion_and_the_way_back(play: Any) -> None:
    async def scene(world: World) -> None:
        cuts: list[tuple[float, float, float]] = []
        with users(world.address, world.host, RATE, 4, "/") as seen:
            await asyncio.sleep(1)
            await world.traffic.route("one", "two", 5)
            for _ in range(10):
                await world.give(50)
                decided = time.time()
                await world.traffic.set_weight(0)
                shifted = time.time()
                drained = await world.traffic.wait_until_drained(10)
                assert drained.answered is not None
                cuts.append((decided, time.time(), shifted - decided + drained.received))
                await asyncio.sleep(0.3)
            await world.give(100)
            await world.traffic.promote()
            promoted = time.time()
            await asyncio.sleep(1)
            assert seen.came(promoted).keys() == {(200, "two")}
            await world.traffic.route("one", "two", 100)
            await world.traffic.set_weight(0)
            await world.traffic.wait_until_drained(10)
            await world.traffic.route("one", None, 0)
            back = time.time()
            await asyncio.sleep(1)
            assert seen.came(back).keys() == {(200, "one")}
        assert seen.bad() == []
        assert await world.traffic.routes.read() == Roles("one", None, None, 0)
        for decided, proven, told in cuts:
            last = max((seen.last("two", proven + 0.3) or 0.0) - decided, 0.0)
            # Users get the last answer before the tool says so, and nothing comes after the proof.
            assert last <= min(told + 0.1, 1.0)
            assert decided + last <= proven

    play(scene)


def test_no_request_is_lost_over_shifts_through_traefik_and_nothing_comes_after_the_proof(play_traefik: Any) -> None:
    async def scene(world: World) -> None:
        with users(world.address, world.host, RATE, 4, "/") as seen:
            await asyncio.sleep(1)
            await world.traffic.route("one", "two", 5)
            for _ in range(5):
                await world.give(50)
                await world.telemetry.sample(0.0, 50)
                sample = await world.sample(50)
                assert sample.complete
                assert sample.canary.requests > 10
                decided = time.time()
                await world.traffic.set_weight(0)
                await world.traffic.wait_until_drained(10)
                proven = time.time()
                await asyncio.sleep(0.5)
                last = seen.last("two", proven + 0.5)
                assert last is not None
                assert decided - 5 < last <= proven
        assert seen.bad() == []

    play_traefik(scene, settings=Gateway(kind="traefik"))


def test_a_sample_is_what_users_saw(play: Any) -> None:
    async def scene(world: World) -> None:
        await world.traffic.route("one", "two", 50)
        await world.telemetry.sample(0.0, 50)
        began = time.time()
        samples: list[Sample] = []
        with users(world.address, world.host, RATE, 4, "/") as seen:
            samples = [await world.sample(50) for _ in range(5)]
        samples.append(await world.sample(50, after=0.5))
        assert all(sample.complete for sample in samples)
        answers = seen.came(began)
        errors = answers[500, "broken"]
        assert errors > 20
        assert sum(sample.canary.errors for sample in samples) == errors
        assert sum(sample.canary.requests for sample in samples) == errors + answers[200, "two"]
        assert sum(sample.stable.requests for sample in samples) == answers[200, "one"]
        assert sum(sample.stable.errors for sample in samples) == 0
        slow = sum(dict(sample.canary.latency).get(0.1, 0) for sample in samples)
        whole = sum(sample.canary.latency[-1][1] for sample in samples if sample.canary.latency)
        assert 0.3 <= slow / whole <= 0.7

    play(scene, FAIL=0.3, SLOW=0.3)


def test_a_canary_that_crashes_is_seen_to_loop_and_its_lost_requests_are_errors(play: Any) -> None:
    async def scene(world: World) -> None:
        await world.traffic.route("one", "two", 50)
        await world.telemetry.sample(0.0, 50)
        errors = 0
        with users(world.address, world.host, RATE, 4, "/"):
            for _ in range(60):
                sample = await world.sample(50)
                errors += sample.canary.errors
                if sample.crash_looping:
                    break
        assert sample.crash_looping
        assert errors > 0

    play(scene, CRASH_AFTER=60)


def test_a_process_that_is_killed_for_its_memory_is_a_restart(play: Any) -> None:
    async def scene(world: World) -> None:
        await world.traffic.route("one", "two", 50)
        await world.telemetry.sample(0.0, 50)
        with users(world.address, world.host, RATE, 4, "/"):
            for _ in range(60):
                sample = await world.sample(50)
                if world.telemetry.out_of_memory:
                    break
        assert world.telemetry.out_of_memory
        assert sample.restarts

    play(scene, memory="48Mi", LEAK=1_000_000)


def test_a_deleted_pod_is_a_restart_and_a_larger_canary_is_none(play: Any, cluster: Any) -> None:
    async def scene(world: World) -> None:
        await world.traffic.route("one", "two", 0)
        await world.telemetry.sample(0.0, 0)
        path = world.paths.of("deployments", "shop-backend-two")
        for replicas in (3, 2):
            await world.api.patch(path, {"spec": {"replicas": replicas}})
            await ready(world.api, path)
            await asyncio.sleep(6)
        assert (await world.sample(0)).restarts == 0
        pod = (await world.traffic.routes.pods("two"))[0]["metadata"]["name"]
        await world.api.delete(world.paths.of("pods", pod))
        for _ in range(20):
            sample = await world.sample(0)
            if sample.restarts:
                break
        assert (sample.restarts, sample.crash_looping) == (1, False)

    play(scene)


def test_a_change_by_kubectl_ends_the_watch_with_who_changed_what(play: Any, cluster: Any) -> None:
    async def scene(world: World) -> None:
        await world.traffic.route("one", "two", 25)
        await world.telemetry.sample(0.0, 25)
        patch = '[{"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 0}]'
        arguments = ("patch", "httproute", "shop", "-n", world.namespace, "--type=json", "-p", patch)
        await asyncio.to_thread(cluster.kubectl, *arguments)
        with pytest.raises(ChangedBeside, match=r"the canary has 0 % instead of 25 % \(by kubectl-patch\)"):
            await world.sample(25)
        with pytest.raises(ChangedBeside, match="by kubectl-patch"):
            await world.traffic.set_weight(50)
        await world.traffic.set_weight(0)
        assert (await world.traffic.routes.read()).weight == 0

    play(scene)


@pytest.fixture
def two_envoys(cluster: Any, namespace: str, gateway: Any) -> Gateway:
    """Two Envoys more, in the test's namespace, that follow the same Contour; nobody else uses them."""
    import json

    for kind, name in (("secret", "envoycert"), ("deployment", "envoy")):
        found = json.loads(cluster.kubectl("get", kind, name, "-n", gateway.namespace, "-o", "json"))
        found["metadata"] = {"name": name, "namespace": namespace}
        found.pop("status", None)
        if kind == "deployment":
            found["spec"]["replicas"] = 2
            for volume in found["spec"]["template"]["spec"].get("volumes", []):
                assert "hostPath" not in volume
        cluster.apply(found)
    cluster.kubectl("rollout", "status", "deployment/envoy", "-n", namespace, "--timeout=60s")
    return Gateway(namespace=namespace, selector={"app": "envoy"})


def test_two_envoys_are_one_gateway_and_a_killed_or_unreadable_one_is_no_evidence(
    play: Any, two_envoys: Gateway, tiny: Any, delivered: Any
) -> None:
    image = delivered(tiny("deaf").images[0])

    async def scene(world: World) -> None:
        envoys = await world.api.list(world.paths.of("pods"), {"app": "envoy"})
        # Contour lets Envoy listen 8000 above what the listener says.
        port = 8000 + (urlsplit(world.address).port or 80)
        first, second = (f"http://{pod['status']['podIP']}:{port}" for pod in envoys)
        await world.traffic.route("one", "two", 50)
        with users(first, world.host, RATE / 2, 4, "/") as one, users(second, world.host, RATE / 2, 4, "/") as other:
            await world.telemetry.sample(0.0, 50)
            sample = await world.sample(50)
            assert sample.complete
            assert sample.canary.requests + sample.stable.requests > RATE * 0.7
            await world.traffic.set_weight(0)
            assert (await world.traffic.wait_until_drained(10)).answered is not None
            proven = time.time()
            await asyncio.sleep(1)
            assert one.came(proven)[200, "two"] == other.came(proven)[200, "two"] == 0
            assert (one.bad(), other.bad()) == ([], [])
            await world.give(50)
            deaf = deployment("deaf", image, replicas=1)
            pod: Object = deaf["spec"]["template"]
            pod |= {"apiVersion": "v1", "kind": "Pod"}
            pod["metadata"] = {"name": "deaf", "labels": {"app": "envoy", "deaf": "yes"}}
            await world.api.create(world.paths.of("pods"), pod)
            while not any(process.startswith("deaf") for process in await world.traffic.processes()):
                await asyncio.sleep(0.1)
            await world.sample(50)
            assert not (await world.sample(50)).complete
            # Nobody knows what the one that cannot be read does: the canary is stopped.
            assert 9 < await world.traffic.set_weight(0) < 60
            assert all(has_ended(each) for each in await world.traffic.routes.pods("two"))

    play(scene, settings=two_envoys)
