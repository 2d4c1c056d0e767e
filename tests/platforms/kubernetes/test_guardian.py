"""The guardian gives the traffic back within the lease and a second, and never while a controller renews."""

from __future__ import annotations

import asyncio
import faulthandler
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dawsos.adapters.kubernetes import ApiError
from dawsos.platforms.kubernetes.guardian import Guardian, Watched, main
from dawsos.platforms.kubernetes.lease import WITHDRAWN, Lease, LeaseState, last_withdrawal
from dawsos.platforms.kubernetes.names import CONTROLLER, Paths
from fakes import VirtualClock
from support.memory_objects import MemoryObjects

PATHS = Paths("shop")
ROUTE, LEASE = PATHS.of("httproutes", "shop"), PATHS.of("leases", "shop-prod-rollout")
POINTER = "/metadata/annotations/" + CONTROLLER.replace("/", "~1")


class World:
    """A route with a canary, a controller's lease, and a guardian that looks every quarter of a second."""

    def __init__(self) -> None:
        self.clock, self.objects = VirtualClock(), MemoryObjects()
        self.lease = Lease(self.objects.cluster, "shop", "shop-prod", "ann@one 1 run a", clock=self.clock)
        self.guardian = self.another()
        self.route(25)

    def another(self, name: str = "g-1") -> Guardian:
        watched = Watched("shop", "shop-prod", "shop", "shop-stable", "shop-canary")
        return Guardian(self.objects.cluster, watched, self.clock, name)

    def route(self, weight: int, **meta: Any) -> None:
        refs = [{"name": "shop-stable", "port": 80, "weight": 100 - weight}]
        refs += [{"name": "shop-canary", "port": 80, "weight": weight}]
        other = {"backendRefs": [{"name": "elsewhere", "port": 80}]}
        spec = {"rules": [{"matches": []}, other, {"backendRefs": refs}]}
        head = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute"}
        self.objects.put(ROUTE, {**head, "metadata": meta, "spec": spec})

    @property
    def weights(self) -> list[int]:
        return [ref["weight"] for ref in self.objects.objects[ROUTE]["spec"]["rules"][2]["backendRefs"]]

    @property
    def fence(self) -> str:
        return str((self.objects.objects[ROUTE]["metadata"].get("annotations") or {}).get(CONTROLLER, ""))

    async def claim(self) -> str:
        made = {"op": "add", "path": "/metadata/annotations", "value": {CONTROLLER: self.lease.token}}
        await self.objects.patch(ROUTE, [made], "json")
        return self.lease.token

    async def watched(self, seconds: float, guardian: Guardian | None = None) -> bool:
        """Let the guardian look for ``seconds``; return whether it took the traffic back."""
        until, acted = self.clock.elapsed + seconds, False
        while self.clock.elapsed < until:
            acted = await (guardian or self.guardian).look() or acted
            await self.clock.sleep(0.25)
        return acted


def play(scene: Callable[[World], Awaitable[None]]) -> None:
    async def playing() -> None:
        await scene(World())

    asyncio.run(playing())


def test_a_dead_controllers_canary_loses_its_traffic_within_the_lease_and_a_second(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def scene(world: World) -> None:
        await world.lease.renew(5)
        token = await world.claim()
        assert not await world.watched(5)
        assert world.weights == [75, 25]
        assert await world.watched(1)
        assert world.weights == [100, 0]
        assert world.fence.startswith("guardian g-1 #2")
        with pytest.raises(ApiError):
            await world.objects.patch(ROUTE, [{"op": "test", "path": POINTER, "value": token}], "json")
        lease = world.objects.objects[LEASE]
        told = json.loads(lease["metadata"]["annotations"][WITHDRAWN])
        assert (told["holder"], told["weight"], LeaseState.of(lease).holder) == ("ann@one 1 run a", 25, "")
        assert 5 < told["seconds"] <= 5.5
        assert "ann@one 1 run a had not renewed" in last_withdrawal(lease)
        # It is told until somebody conducts again.
        await world.lease.renew(5)
        assert last_withdrawal(world.objects.objects[LEASE]) == ""
        event = next(each for path, each in world.objects.objects.items() if "/events/" in path)
        assert event["involvedObject"]["name"] == "shop"
        assert "ann@one 1 run a had not renewed the lease" in event["message"]

    play(scene)
    assert "the canary's 25 % of the traffic went back to stable" in capsys.readouterr().err


def test_it_never_acts_while_a_controller_renews() -> None:
    async def scene(world: World) -> None:
        for _ in range(20):
            await world.lease.renew(1)
            assert not await world.watched(0.75)
        assert world.weights == [75, 25]

    play(scene)


def test_a_renewal_in_the_last_moment_wins() -> None:
    async def scene(world: World) -> None:
        await world.lease.renew(1)
        await world.watched(1.25)
        # Between the guardian's look and its first change the lease is renewed.
        world.objects.before = [lambda: world.objects.put(LEASE, world.objects.objects[LEASE])]
        assert not await world.guardian.look()
        assert world.weights == [75, 25]
        assert await world.lease.renew(1) is False

    play(scene)


def test_a_controller_that_comes_back_goes_on_with_a_new_token() -> None:
    async def scene(world: World) -> None:
        await world.lease.renew(1)
        old = await world.claim()
        await world.watched(2)
        assert await world.lease.renew(1) is True
        assert world.lease.token != old
        assert not await world.watched(0.75)

    play(scene)


def test_a_canary_without_traffic_a_lease_without_a_holder_and_no_lease_at_all_are_left_alone() -> None:
    async def scene(world: World) -> None:
        assert not await world.watched(5)
        await world.lease.renew(1)
        await world.lease.release()
        assert not await world.watched(5)
        assert (world.weights, world.fence) == ([75, 25], "")
        world.route(0)
        await world.lease.renew(1)
        assert not await world.watched(5)
        # The next controller need not wait for a dead one.
        assert LeaseState.of(world.objects.objects[LEASE]).holder == ""

    play(scene)


def test_it_tries_on_when_the_api_server_is_away_and_then_waits_a_moment_for_the_controller(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def scene(world: World) -> None:
        await world.lease.renew(5)
        await world.watched(1)
        world.objects.away = True
        assert not await world.watched(20)
        world.objects.away = False
        assert not await world.watched(0.75)
        await world.lease.renew(5)
        assert not await world.watched(4)
        world.objects.away = True
        await world.watched(20)
        world.objects.away = False
        assert await world.watched(1.5)
        assert world.weights == [100, 0]

    play(scene)
    said = capsys.readouterr().err
    assert said.count("nobody answers") == 2
    assert "the API server answers again" in said


def test_an_api_server_that_answers_every_other_time_does_not_put_it_off() -> None:
    async def scene(world: World) -> None:
        await world.lease.renew(2)
        for _ in range(20):
            world.objects.away = not world.objects.away
            if await world.guardian.look():
                break
            await world.clock.sleep(0.25)
        assert world.weights == [100, 0]
        assert world.clock.elapsed <= 3.5

    play(scene)


def test_what_failed_is_tried_again_by_it_and_by_the_guardian_after_it() -> None:
    async def scene(world: World) -> None:
        await world.lease.renew(1)
        world.route(25, uid="one")

        def changed() -> None:
            world.route(40, uid="two")

        await world.watched(1.25)
        world.objects.before = [lambda: None, changed]
        assert not await world.guardian.look()
        assert world.weights == [60, 40]
        assert LeaseState.of(world.objects.objects[LEASE]).holder == "guardian g-1"
        assert await world.watched(7, world.another("g-2"))
        assert world.weights == [100, 0]
        told = json.loads(world.objects.objects[LEASE]["metadata"]["annotations"][WITHDRAWN])
        assert told["holder"] == "ann@one 1 run a"

    play(scene)


def test_it_repeats_its_own_attempt_at_once() -> None:
    async def scene(world: World) -> None:
        await world.lease.renew(1)
        await world.watched(1.25)

        def gone() -> None:
            world.objects.away = True

        world.objects.before = [lambda: None, gone]
        assert not await world.guardian.look()
        world.objects.away = False
        assert await world.guardian.look()
        assert world.weights == [100, 0]

    play(scene)


def test_a_guardian_that_was_away_acts_from_its_start() -> None:
    async def scene(world: World) -> None:
        await world.lease.renew(2)
        await world.clock.sleep(600)
        started = world.clock.elapsed
        while not await world.guardian.look():
            await world.clock.sleep(0.25)
        assert 2 < world.clock.elapsed - started <= 2.5

    play(scene)


def test_a_route_that_is_gone_is_no_reason_to_hold_the_lease() -> None:
    async def scene(world: World) -> None:
        await world.lease.renew(1)
        del world.objects.objects[ROUTE]
        assert not await world.watched(2)
        assert LeaseState.of(world.objects.objects[LEASE]).holder == ""

    play(scene)


def test_it_looks_again_and_again_until_it_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(world: World) -> None:
        monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda *_, **__: None)
        await world.lease.renew(1)
        task = asyncio.ensure_future(world.guardian.run())
        while world.clock.elapsed < 3:
            await asyncio.sleep(0)
        task.cancel()
        assert world.weights == [100, 0]

    play(scene)


def test_outside_of_a_pod_it_says_what_it_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--namespace", "n", "--release", "r", "--route", "r", "--stable", "s", "--canary", "c"]
    assert main(given) == 2
    assert "is for a pod with a service account" in capsys.readouterr().err
