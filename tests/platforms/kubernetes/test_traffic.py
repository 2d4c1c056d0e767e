"""Traffic moves when every process of the gateway has shown it, and a canary is drained when all its counters stand still."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dawsos.adapters.kubernetes import Unreachable
from dawsos.errors import InfrastructureError
from dawsos.model.cluster import Gateway
from dawsos.model.rollout import Drained
from dawsos.platforms.contract import NotFollowed, Roles
from dawsos.platforms.kubernetes.traffic import KubernetesTraffic
from fakes import VirtualClock
from support.memory_cluster import NAMESPACE, PATHS, RELEASE, MemoryCluster, cluster
from support.shop import ENVOYS, ROUTE, a_shop, route

Scene = Callable[[MemoryCluster, KubernetesTraffic], Awaitable[None]]


def play(scene: Scene, *, rate: float = 200.0, envoys: int = 2, stable: str = "one") -> None:
    async def played() -> None:
        made = a_shop(VirtualClock(), rate=rate, envoys=envoys, stable=stable)
        traffic = a_traffic(made)
        try:
            await scene(made, traffic)
        finally:
            await traffic.close()

    asyncio.run(played())


def a_traffic(made: MemoryCluster) -> KubernetesTraffic:
    return KubernetesTraffic(made, NAMESPACE, RELEASE, Gateway(), clock=made.clock)  # type: ignore[arg-type]


def answered(made: MemoryCluster, service: str = "shop-canary") -> float:
    made._count()
    return sum(envoy.counters.get(cluster(service), {}).get("upstream_rq_total", 0.0) for envoy in made.envoys.values())


def unserved(made: MemoryCluster) -> float:
    made._count()
    found = (each for envoy in made.envoys.values() for each in envoy.counters.values())
    return sum(each.get("upstream_cx_none_healthy", 0.0) for each in found)


@pytest.mark.parametrize("weight", [5, 25, 50, 100])
def test_a_weight_is_given_when_the_requests_show_it(weight: int) -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 0)
        seconds = await traffic.set_weight(weight)
        assert made.lag < seconds < 2
        assert answered(made) > 0
        assert (await traffic.routes.read()) == Roles("one", "two", None, weight)

    play(scene)


def test_every_step_of_a_ladder_is_shown() -> None:
    async def scene(_made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 5)
        for weight in (25, 50, 100, 50, 5, 0):
            assert await traffic.set_weight(weight) < 2

    play(scene)


def test_too_few_requests_to_show_anything_do_not_hold_a_rollout_up() -> None:
    async def scene(_made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 0)
        assert 2 < await traffic.set_weight(25) < 2.2

    play(scene, rate=2.0)


@pytest.mark.parametrize("lost", ["stuck", "unreadable"])
def test_one_process_that_does_not_follow_is_said_soon_and_waited_for_again(lost: str) -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 5)
        if lost == "stuck":
            made.lag, made._history = 0.0, made._history[-1:]
            made._history[0] = (-2e9, made._history[0][1])
            made.envoys["envoy-1"].follows = False
        else:
            made.envoys["envoy-1"].readable = False
        with pytest.raises(NotFollowed, match=r"has not followed the weight 50 % for 3 s: envoy-1"):
            await traffic.set_weight(50)
        for seconds in (4, 4, 5):
            started = made.clock.monotonic()
            with pytest.raises(NotFollowed, match=rf"has not followed the weight 50 % for {seconds} s: envoy-1"):
                await traffic.set_weight(50)
            assert made.clock.monotonic() - started < 0.6
        made.envoys["envoy-1"].follows = made.envoys["envoy-1"].readable = True
        await made.clock.sleep(0.5)
        assert await traffic.set_weight(50) < 1

    play(scene)


def test_a_process_that_nobody_asks_any_more_holds_nothing_up() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 0)
        made._history = [(-2e9, made._history[-1][1])]
        made.envoys["envoy-1"].follows = False
        with pytest.raises(NotFollowed, match="envoy-1"):
            await traffic.set_weight(20)
        # Its users went to the other one.
        made.envoys["envoy-1"].share = 0.0
        await made.clock.sleep(1)
        with pytest.raises(NotFollowed, match="envoy-1"):
            await traffic.set_weight(20)
        await made.clock.sleep(1.5)
        assert await traffic.set_weight(20) < 0.1

    play(scene)


def test_a_weight_that_an_earlier_controller_gave_must_be_shown_as_well() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 0)
        made._history = [(-2e9, made._history[-1][1])]
        for envoy in made.envoys.values():
            envoy.follows = False
        with pytest.raises(NotFollowed):
            await traffic.set_weight(50)
        again = a_traffic(made)
        with pytest.raises(NotFollowed):
            await again.set_weight(50)
        for envoy in made.envoys.values():
            envoy.follows = True
        made._history.append((made.clock.monotonic(), [("shop-stable", 50.0), ("shop-canary", 50.0)]))
        assert await again.set_weight(50) < 1
        # It is known from here on.
        assert await again.set_weight(50) < 0.1
        await again.close()

    play(scene)


def test_a_rollback_is_drained_when_all_counters_stand_still() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 50)
        started = made.clock.monotonic()
        await traffic.set_weight(0)
        shifted = made.clock.monotonic() - started
        drained = await traffic.wait_until_drained(10)
        before = answered(made)
        await made.clock.sleep(5)
        assert answered(made) == before
        # From the decision to the last request: the time that the gateway took, in its steps of 10 ms.
        assert made.lag - 0.011 <= shifted + drained.received <= made.lag + 0.05
        assert drained.answered is not None

    play(scene)


def test_a_canary_that_was_quiet_before_anybody_looked_needs_two_quiet_seconds() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 50)
        await traffic.set_weight(0)
        await made.clock.sleep(10)
        started = made.clock.monotonic()
        drained = await a_traffic(made).wait_until_drained(10)
        assert 2 < made.clock.monotonic() - started < 2.2
        assert drained.received < 0.1

    play(scene)


def test_requests_under_way_are_waited_for() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 50)
        kept = made.envoys["envoy-0"].counters[cluster("shop-canary")]
        kept["upstream_rq_active"] = 1.0
        await traffic.set_weight(0)
        drained = await traffic.wait_until_drained(3)
        assert drained.received < 0.2
        assert drained.answered is None
        assert made.objects[PATHS.of("deployments", "shop-backend-two")]["spec"]["replicas"] == 2

    play(scene)


def test_without_a_canary_there_is_nothing_to_drain() -> None:
    async def scene(_made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        assert await traffic.wait_until_drained(10) == Drained(0.0, 0.0)

    play(scene)


@pytest.mark.parametrize("lost", ["stuck", "unreadable"])
def test_a_canary_that_keeps_its_requests_is_scaled_to_zero(lost: str) -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 50)
        made._history = [(-2e9, made._history[-1][1])]
        for envoy in made.envoys.values():
            envoy.follows = lost != "stuck"
            envoy.readable = lost != "unreadable"
        seconds = await traffic.set_weight(0)
        assert 10 <= seconds < 11
        assert await traffic.routes.pods("two") == []

    play(scene)


def test_a_gateway_that_followed_neither_the_weight_before_nor_this_one_proves_nothing() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 20)
        made._history = [(-2e9, made._history[-1][1])]
        for envoy in made.envoys.values():
            envoy.follows = False
        # At this rate two seconds cannot tell 20 % from 11 %.
        assert await traffic.set_weight(11) < 3
        # Each request of the canary says that it is not 0 %.
        before = answered(made)
        assert await traffic.set_weight(0) > 10
        assert answered(made) > before
        assert await traffic.routes.pods("two") == []
        assert (await traffic.wait_until_drained(10)).answered is not None

    play(scene, rate=48.0)


@pytest.mark.parametrize("seen", [0, 1], ids=["stale", "taken over"])
def test_of_a_gateway_without_users_its_controller_tells_whether_it_follows(seen: int) -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 20)
        await traffic.set_weight(0)
        found = made.objects[ROUTE]
        generation = found["metadata"]["generation"] - 1 + seen
        found["status"] = {"parents": [{"conditions": [{"type": "Accepted", "observedGeneration": generation}]}]}
        started = made.clock.monotonic()
        await traffic.wait_until_drained(10)
        assert (made.clock.monotonic() - started < 3) is bool(seen)
        assert bool(await traffic.routes.pods("two")) is bool(seen)

    play(scene, rate=0.0)


def test_one_unreadable_process_is_never_still() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 50)
        await traffic.set_weight(0)
        made.envoys["envoy-1"].readable = False
        drained = await traffic.wait_until_drained(4)
        assert drained.received >= 4
        assert await traffic.routes.pods("two") == []

    play(scene)


def test_a_process_of_the_gateway_that_is_gone_is_no_reason_to_wait() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 50)
        made.drop(f"{ENVOYS}/envoy-1")
        await asyncio.sleep(0.01)
        await traffic.set_weight(0)
        assert (await traffic.wait_until_drained(4)).answered is not None
        assert len(await traffic.routes.pods("two")) == 2

    play(scene)


def test_nobody_answers_is_an_error_that_the_controller_tries_again() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 50)
        made.away = True
        with pytest.raises(Unreachable):
            await traffic.set_weight(0)
        made.away = False
        await traffic.set_weight(0)
        assert (await traffic.wait_until_drained(4)).answered is not None

    play(scene)


@pytest.mark.parametrize("gone", [30, 300])
def test_an_api_server_that_goes_away_while_the_gateway_follows_a_rollback_is_waited_for(gone: float) -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 50)
        started, sleep = made.clock.monotonic(), made.clock.sleep

        async def sleeping(seconds: float) -> None:
            await sleep(seconds)
            made.away = made.clock.monotonic() < started + gone
            traffic._pods._watch.current = not made.away

        made.clock.sleep = sleeping  # type: ignore[method-assign]
        if gone < 60:
            assert gone < await traffic.set_weight(0) < gone + 2
        else:
            with pytest.raises(Unreachable):
                await traffic.set_weight(0)
            assert 60 < made.clock.monotonic() - started < 72

    play(scene)


def test_nobody_gives_a_canary_a_weight_while_the_api_server_is_away() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 5)
        made.away = True
        with pytest.raises(NotFollowed, match="nobody answers"):
            await traffic.set_weight(50)
        made.away = False
        assert await traffic.set_weight(50) < 2

    play(scene)


def test_an_api_server_that_is_away_for_a_while_does_not_end_the_proof() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 50)
        await traffic.set_weight(0)
        made.away = True
        back = made.clock.monotonic() + 3
        sleep = made.clock.sleep

        async def sleeping(seconds: float) -> None:
            await sleep(seconds)
            made.away = made.clock.monotonic() < back

        made.clock.sleep = sleeping  # type: ignore[method-assign]
        drained = await traffic.wait_until_drained(10)
        assert drained.received < 0
        assert drained.answered is not None
        made.away, back = True, 1e9
        with pytest.raises(Unreachable):
            await traffic.wait_until_drained(1)

    play(scene)


def test_a_gateway_without_any_pod_proves_nothing() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 50)
        for number in range(2):
            made.drop(f"{ENVOYS}/envoy-{number}")
        await asyncio.sleep(0.01)
        assert await traffic.set_weight(0) >= 10
        assert await traffic.routes.pods("two") == []

    play(scene)


def test_a_promotion_loses_nothing_and_starts_nothing_again() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 100)
        before = await traffic.routes.pods("two")
        await traffic.promote()
        await made.clock.sleep(1)
        assert await traffic.routes.read() == Roles("two", None, "one", 0)
        assert await traffic.routes.pods("two") == before
        assert made.objects[ROUTE]["spec"] == route()["spec"]
        assert unserved(made) == 0
        await traffic.promote()
        assert await traffic.routes.read() == Roles("two", None, "one", 0)

    play(scene)


def test_a_promotion_that_the_gateway_does_not_follow_stops_no_pod() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 100)
        made._history = [(-2e9, made._history[-1][1])]
        for envoy in made.envoys.values():
            envoy.follows = False
        with pytest.raises(InfrastructureError, match="has not followed the weight 0 % for 50 s"):
            await traffic.promote()
        assert len(await traffic.routes.pods("two")) == 2

    play(scene)


def test_what_serves_becomes_the_canary_without_a_lost_request() -> None:
    """``dawsos rollback``: the release before becomes stable, and the one that serves goes with its traffic until that is taken."""

    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 100)
        await made.clock.sleep(1)
        assert answered(made) > 0
        assert await traffic.routes.read() == Roles("one", "two", None, 100)
        before = answered(made, "shop-stable")
        await made.clock.sleep(1)
        assert answered(made, "shop-stable") == before
        await traffic.set_weight(0)
        await made.clock.sleep(1)
        assert unserved(made) == 0

    play(scene, stable="two")


def test_another_canary_gets_no_request_before_its_time() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 50)
        await traffic.route("one", None, 0)
        await made.clock.sleep(1)
        assert answered(made) == 0  # Envoy forgets a cluster with its counters
        await traffic.route("one", "two", 0)
        await made.clock.sleep(1)
        assert answered(made) == 0
        assert unserved(made) == 0

    play(scene)


def test_a_first_release_has_all_traffic_and_becomes_stable() -> None:
    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route(None, "two", 100)
        assert await traffic.routes.read() == Roles(None, "two", None, 100)
        await traffic.promote()
        assert await traffic.routes.read() == Roles("two", None, None, 0)

    play(scene, stable="none")


def test_the_fake_gateway_loses_requests_when_a_service_has_no_pods() -> None:
    """Without this the tests above could not fail."""

    async def scene(made: MemoryCluster, traffic: KubernetesTraffic) -> None:
        await traffic.route("one", "two", 50)
        for number in range(2):
            made.drop(PATHS.of("pods", f"two-{number}"))
        await made.clock.sleep(1)
        assert unserved(made) > 0

    play(scene)
