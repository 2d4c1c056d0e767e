"""Samples from every process of the gateway, from the canary's pods and from its own counters."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dawsos.model.cluster import Gateway
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Sample
from dawsos.platforms.kubernetes.routes import Route
from dawsos.platforms.kubernetes.routing import ChangedBeside
from dawsos.platforms.kubernetes.telemetry import KubernetesTelemetry, target_port
from fakes import VirtualClock
from support.memory_cluster import NAMESPACE, PATHS, RELEASE, MemoryCluster, cluster
from support.shop import ENVOYS, ROUTE, STABLE, a_shop, envoy, pod, route, service

POLICY = RolloutPolicy.model_validate(
    {
        "ladder": [{"weight": 100, "duration": "1s"}],
        "error_rate": "1%",
        "p95": "1s",
        "failure_counters": ["failures_total"],
    }
)


class World:
    """A canary with a weight, behind two Envoys."""

    def __init__(self, made: MemoryCluster) -> None:
        self.made = made
        self.routes = Route(made, NAMESPACE, RELEASE, clock=made.clock)  # type: ignore[arg-type]
        self.telemetry = KubernetesTelemetry(
            made,  # type: ignore[arg-type]
            NAMESPACE,
            RELEASE,
            Gateway(),
            POLICY,
            made.clock,
        )

    async def sample(self, weight: int = 25, after: float = 1.0) -> Sample:
        await self.made.clock.sleep(after)
        await asyncio.sleep(0.005)  # the watches tell what happened
        return await self.telemetry.sample(self.made.clock.monotonic(), weight)

    def count(self, name: str, service: str, **values: float) -> None:
        kept = self.made.envoys[name].counters[cluster(service)]
        for key, value in values.items():
            kept[key] = kept.get(key, 0.0) + value


def play(scene: Callable[[World], Awaitable[None]], *, stable: str = "one", weight: int = 25) -> None:
    async def played() -> None:
        world = World(a_shop(VirtualClock(), envoys=2, stable=stable))
        try:
            await world.routes.assign(None if stable == "none" else stable, "two")
            await world.routes.set_weight(weight)
            await world.made.clock.sleep(1)
            await scene(world)
        finally:
            await world.telemetry.close()

    asyncio.run(played())


def test_a_sample_is_what_all_processes_counted_since_the_one_before() -> None:
    async def scene(world: World) -> None:
        first = await world.sample()
        assert (first.complete, first.canary.requests) == (False, 0)
        world.count("envoy-0", "shop-canary", upstream_rq_5xx=3)
        world.count("envoy-1", "shop-stable", upstream_rq_5xx=2)
        second = await world.sample()
        assert second.complete
        assert (second.seconds, second.weight) == (1.0, 25)
        assert 48 <= second.canary.requests <= 52
        assert 148 <= second.stable.requests <= 152
        assert (second.canary.errors, second.stable.errors) == (3, 2)

    play(scene)


@pytest.mark.parametrize("lost", ["unreadable", "gone", "started again", "counters fell", "one more"])
def test_a_process_of_the_gateway_that_is_missing_makes_the_sample_incomplete(lost: str) -> None:
    async def scene(world: World) -> None:
        await world.sample()
        assert (await world.sample()).complete
        made = world.made
        if lost == "unreadable":
            made.envoys["envoy-1"].readable = False
        elif lost == "gone":
            made.drop(f"{ENVOYS}/envoy-1")
        elif lost == "started again":
            made.put(f"{ENVOYS}/envoy-1", envoy("envoy-1", restarts=1))
        elif lost == "one more":
            made.envoys["envoy-2"] = type(made.envoys["envoy-0"])(share=0.1)
            made.put(f"{ENVOYS}/envoy-2", envoy("envoy-2"))
        else:
            made.envoys["envoy-1"].counters[cluster("shop-stable")]["upstream_rq_total"] = 3
        found = await world.sample()
        assert (found.complete, found.canary.requests, found.stable.requests) == (False, 0, 0)
        after = await world.sample()
        assert after.complete is (lost != "unreadable")

    play(scene)


def test_a_canary_that_the_gateway_does_not_know_yet_is_no_canary_without_requests() -> None:
    async def scene(world: World) -> None:
        await world.sample()
        for envoy_pod in world.made.envoys.values():
            envoy_pod.follows = False
            envoy_pod.counters.pop(cluster("shop-canary"))
        world.made._history = [(-2e9, [("shop-stable", 100.0)])]
        assert not (await world.sample()).complete

    play(scene)


def test_an_api_server_that_is_away_makes_the_sample_incomplete() -> None:
    async def scene(world: World) -> None:
        await world.sample()
        world.made.away = True
        assert not (await world.sample()).complete
        world.made.away = False
        await world.sample()
        assert (await world.sample()).complete

    play(scene)


def test_another_weight_than_the_controller_s_is_no_evidence() -> None:
    async def scene(world: World) -> None:
        await world.sample()
        await world.routes.withdraw()
        assert not (await world.sample()).complete
        assert (await world.sample(weight=0)).complete

    play(scene)


def test_a_first_release_has_all_traffic_at_every_weight() -> None:
    async def scene(world: World) -> None:
        await world.sample(weight=5)
        found = await world.sample(weight=5)
        assert found.complete
        assert found.canary.requests > 190

    play(scene, stable="none", weight=100)


@pytest.mark.parametrize("change", ["route", "service"])
def test_what_somebody_changes_beside_ends_the_watch_with_what_differs(change: str) -> None:
    async def scene(world: World) -> None:
        await world.sample()
        if change == "route":
            world.made.put(ROUTE, route(), "helm")
        else:
            world.made.put(STABLE, service("stable", "three"), "kubectl-edit")
        with pytest.raises(ChangedBeside, match=r"0 % instead of 25 % \(by helm\)|selects three instead of one"):
            await world.sample()

    play(scene)


def test_restarts_of_the_canary_s_pods_are_told_also_when_the_gateway_cannot_be_read() -> None:
    async def scene(world: World) -> None:
        def status(restarts: int) -> dict[str, Any]:
            return {"containerStatuses": [{"name": "backend", "restartCount": restarts}]}

        await world.sample()
        world.made.put(PATHS.of("pods", "two-0"), pod("two-0", "two", **status(2)))
        world.made.put(PATHS.of("pods", "one-0"), pod("one-0", "one", **status(9)))
        found = await world.sample()
        assert (found.restarts, found.crash_looping) == (2, False)
        for each in world.made.envoys.values():
            each.readable = False
        world.made.put(PATHS.of("pods", "two-1"), pod("two-1", "two", **status(1)))
        found = await world.sample()
        assert (found.complete, found.restarts, found.crash_looping) == (False, 3, True)

    play(scene)


def test_each_process_that_ends_by_itself_is_told_once_of_either_version() -> None:
    async def scene(world: World) -> None:
        def status(restarts: int, **state: Any) -> dict[str, Any]:
            return {
                "containerStatuses": [{"name": "backend", "restartCount": restarts, "state": state or {"running": {}}}]
            }

        def put(name: str, restarts: int, **state: Any) -> None:
            world.made.put(PATHS.of("pods", name), pod(name, name.partition("-")[0], **status(restarts, **state)))

        async def died() -> tuple[int | None, int | None]:
            found = await world.sample()
            return found.deaths, found.stable_deaths

        async def soon(condition: Callable[[tuple[int | None, int | None]], bool]) -> tuple[int | None, int | None]:
            async with asyncio.timeout(20):
                while not condition(found := await died()):
                    await asyncio.sleep(0.01)
            return found

        put("two-0", 7)
        put("one-0", 2)
        # What was before the first look is nobody's.
        assert await died() == (0, 0)
        put("two-0", 7, terminated={"exitCode": 1})
        assert await died() == (1, 0)
        put("two-0", 8)
        assert await died() == (0, 0)
        put("one-0", 3)
        assert await died() == (0, 1)
        world.made.away = True
        world.made.interrupt()
        put("two-0", 9)
        # The watch lists anew after half a second.
        assert await soon(lambda ends: ends == (None, None)) == (None, None)
        world.made.away = False
        assert await soon(lambda ends: ends != (None, None)) == (1, 0)

    play(scene)


def test_pods_that_could_not_be_watched_at_first_are_watched_later() -> None:
    async def scene(world: World) -> None:
        world.made.unlisted = {PATHS.of("pods")}
        found = await world.sample()
        assert (found.complete, found.deaths, found.stable_deaths) == (False, None, None)
        world.made.unlisted = set()
        await world.sample()
        found = await world.sample()
        assert (found.complete, found.deaths, found.stable_deaths) == (True, 0, 0)

    play(scene)


@pytest.mark.parametrize(("kind", "blind"), [("contour", ""), ("pods", "no answer that broke off")])
def test_what_a_gateway_cannot_tell_is_said(kind: str, blind: str) -> None:
    made = a_shop(VirtualClock())
    telemetry = KubernetesTelemetry(made, NAMESPACE, RELEASE, Gateway(kind=kind), POLICY, made.clock)  # type: ignore[arg-type]
    assert blind in telemetry.blind
    assert bool(telemetry.blind) is bool(blind)


def test_a_counter_of_the_service_starts_where_it_is_first_read() -> None:
    async def scene(world: World) -> None:
        assert (await world.sample()).counters == {}
        world.made.metrics = {"two-0": "failures_total 7\n", "one-0": "failures_total 99\n"}
        assert (await world.sample()).counters == {"failures_total": 0.0}
        world.made.metrics["two-1"] = 'failures_total{job="x"} 9\n'
        assert (await world.sample()).counters == {"failures_total": 2.0}

    play(scene)


def test_the_port_of_a_pod_is_that_of_the_service() -> None:
    made = pod("a", "two")
    assert target_port(made, service("stable", "two")) == 8080
    assert target_port(made, {"spec": {"ports": [{"port": 80, "targetPort": 9000}]}}) == 9000
    assert target_port(made, {"spec": {"ports": [{"port": 80}]}}) == 80
    assert target_port(made, {"spec": {"ports": [{"port": 80, "targetPort": "admin"}]}}) == 80
