"""Samples of a Canary's two Services from every process of the gateway, and what the canary's pods tell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dawsos.model.cluster import Gateway
from dawsos.model.policy import LadderStep, RolloutPolicy
from dawsos.model.rollout import Sample
from dawsos.platforms.kubernetes.flagger_telemetry import FlaggerTelemetry
from fakes import VirtualClock
from support.memory_cluster import NAMESPACE, PATHS, MemoryCluster, cluster
from support.shop import ENVOYS, a_shop, envoy, pod

POLICY = RolloutPolicy(ladder=(LadderStep(weight=100, duration=1),), error_rate=0.01, p95=1.0)
LABELS = {"app": "web"}


class World:
    def __init__(self) -> None:
        self.made: MemoryCluster = a_shop(VirtualClock(), envoys=2)
        # The counters are what the test says, and no traffic of the shop's own route.
        self.made._send = lambda name, envoy: None  # type: ignore[method-assign]
        self.deployment("1")
        self.telemetry = FlaggerTelemetry(
            self.made, (NAMESPACE, "web"), Gateway(), (80, 8000), POLICY, self.made.clock,  # type: ignore[arg-type]
        )  # fmt: skip
        for name in ("envoy-0", "envoy-1"):
            self.count(name, "web-primary", upstream_rq_total=10)

    def deployment(self, revision: str) -> None:
        metadata = {"name": "web", "annotations": {"deployment.kubernetes.io/revision": revision}}
        made = {"metadata": metadata, "spec": {"selector": {"matchLabels": LABELS}}}
        self.made.put(PATHS.of("deployments", "web"), made)

    def pod(self, name: str, restarts: int) -> None:
        states = [{"name": "backend", "restartCount": restarts, "state": {"running": {}}}]
        made = pod(name, "x", containerStatuses=states)
        made["metadata"]["labels"] = dict(LABELS)
        self.made.put(PATHS.of("pods", name), made)

    def count(self, name: str, service: str, **values: float) -> None:
        kept = self.made.envoys[name].counters.setdefault(cluster(service), {})
        for key, value in values.items():
            kept[key] = kept.get(key, 0.0) + value

    async def sample(self, weight: int = 5) -> Sample:
        await self.made.clock.sleep(1.0)
        await asyncio.sleep(0.005)  # the watches tell what happened
        return await self.telemetry.sample(self.made.clock.monotonic(), weight)


def play(scene: Callable[[World], Awaitable[None]]) -> None:
    async def played() -> None:
        world = World()
        try:
            await scene(world)
        finally:
            await world.telemetry.close()

    asyncio.run(played())


def test_a_sample_is_what_every_process_counted_of_the_two_services() -> None:
    async def scene(world: World) -> None:
        assert not (await world.sample()).complete
        for name in ("envoy-0", "envoy-1"):
            world.count(name, "web-canary", upstream_rq_total=0)
        assert not (await world.sample()).complete  # a backend that is new has no reading before
        world.count("envoy-0", "web-canary", upstream_rq_total=4, upstream_rq_completed=4, upstream_rq_5xx=3)
        world.count("envoy-1", "web-primary", upstream_rq_total=7, upstream_rq_completed=7)
        found = await world.sample()
        assert found.complete
        assert (found.canary.requests, found.canary.errors, found.stable.requests) == (4, 3, 7)

    play(scene)


def test_a_canary_that_no_process_knows_yet_has_no_requests() -> None:
    async def scene(world: World) -> None:
        await world.sample(0)
        world.count("envoy-0", "web-primary", upstream_rq_total=5, upstream_rq_completed=5)
        found = await world.sample(0)
        assert (found.complete, found.canary.requests, found.stable.requests) == (True, 0, 5)

    play(scene)


def test_a_process_that_was_not_read_or_is_new_makes_the_sample_incomplete() -> None:
    async def scene(world: World) -> None:
        await world.sample()
        world.made.envoys["envoy-1"].readable = False
        assert not (await world.sample()).complete
        world.made.envoys["envoy-1"].readable = True
        await world.sample()
        assert (await world.sample()).complete
        world.made.put(f"{ENVOYS}/envoy-1", envoy("envoy-1", restarts=1))
        assert not (await world.sample()).complete

    play(scene)


def test_an_api_server_that_is_away_makes_the_sample_incomplete() -> None:
    async def scene(world: World) -> None:
        await world.sample()
        world.made.away = True
        assert not (await world.sample()).complete

    play(scene)


def test_restarts_are_those_of_this_release() -> None:
    async def scene(world: World) -> None:
        world.pod("web-1", 5)
        assert (await world.sample()).restarts == 0
        world.pod("web-1", 8)
        found = await world.sample()
        assert (found.restarts, found.crash_looping) == (3, True)
        world.deployment("2")
        assert (await world.sample()).restarts == 0

    play(scene)
