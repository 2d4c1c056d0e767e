"""One process at a time moves the traffic of a release, and an earlier one cannot, whenever it wakes up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dawsos.adapters.kubernetes import ApiError
from dawsos.platforms.kubernetes.conducting import HOLD, Conductor
from dawsos.platforms.kubernetes.lease import LeaseHeld
from dawsos.platforms.kubernetes.names import CONTROLLER, DEPLOYMENT, INSTANCE, ROLE, Paths
from dawsos.platforms.kubernetes.routes import Route
from dawsos.platforms.kubernetes.routing import Fenced
from fakes import VirtualClock
from support.memory_objects import MemoryObjects

PATHS = Paths("shop")
ROUTE = PATHS.of("httproutes", "shop")


class World:
    def __init__(self) -> None:
        self.clock, self.objects = VirtualClock(), MemoryObjects()
        labels = {INSTANCE: "shop-prod"}
        for role in ("stable", "canary"):
            made = {"metadata": {"labels": {**labels, ROLE: role}}, "spec": {"selector": {}}}
            self.objects.put(PATHS.of("services", f"shop-{role}"), made)
        rules = [{"backendRefs": [{"name": "shop-stable", "port": 80}]}]
        self.objects.put(ROUTE, {"metadata": {"labels": labels, "generation": 1}, "spec": {"rules": rules}})

    def conductor(self, run: str = "") -> Conductor:
        return Conductor("shop", "shop-prod", self.clock, run)

    def gives(self, weight: int) -> None:
        """Let the deployment ``two`` be the canary, with so much of the traffic."""
        canary, route = PATHS.of("services", "shop-canary"), self.objects.objects[ROUTE]
        self.objects.objects[canary]["spec"]["selector"] = {DEPLOYMENT: "two"}
        names = (("shop-stable", 100 - weight), ("shop-canary", weight))
        refs = [{"name": name, "port": 80, "weight": share} for name, share in names]
        self.objects.put(ROUTE, {**route, "spec": {"rules": [{"backendRefs": refs}]}})

    @property
    def fence(self) -> str:
        return str(self.objects.objects[ROUTE]["metadata"]["annotations"].get(CONTROLLER, ""))


def play(scene: Callable[[World], Awaitable[None]]) -> None:
    async def playing() -> None:
        await scene(World())

    asyncio.run(playing())


def test_whoever_begins_has_the_lease_and_its_token_on_the_route() -> None:
    async def scene(world: World) -> None:
        mine = world.conductor("r1")
        route = mine.fenced(Route(world.objects.cluster, "shop", "shop-prod"))
        assert (mine.token, route.fence) == ("", "")
        await mine.begin(world.objects.cluster)
        assert mine.token.endswith(" run r1 #1")
        assert world.fence == mine.token == route.fence
        await mine.begin(world.objects.cluster)
        assert await mine.renew(world.objects.cluster, 5) is False
        await mine.end(world.objects.cluster)
        assert (mine.token, route.fence) == ("", "")
        theirs = world.conductor("r2")
        await theirs.begin(world.objects.cluster)
        assert world.fence == theirs.token
        assert theirs.token.endswith("#2")

    play(scene)


def test_whoever_begins_to_move_the_traffic_holds_the_lease_for_longer_than_the_policy_says() -> None:
    async def scene(world: World) -> None:
        mine, theirs = world.conductor("r1"), world.conductor("r2")
        await mine.renew(world.objects.cluster, 5)
        await mine.begin(world.objects.cluster)
        started = world.clock.monotonic()
        await theirs.begin(world.objects.cluster)
        assert world.clock.monotonic() - started >= HOLD
        # It lost the lease meanwhile, and is told so instead of going on with a token that is none any more.
        with pytest.raises(LeaseHeld, match="run r2"):
            await mine.begin(world.objects.cluster)

    play(scene)


def test_a_process_that_slept_is_refused_and_its_route_as_well() -> None:
    async def scene(world: World) -> None:
        mine, theirs = world.conductor("r1"), world.conductor("r2")
        route = mine.fenced(Route(world.objects.cluster, "shop", "shop-prod"))
        await mine.renew(world.objects.cluster, 2)
        await theirs.renew(world.objects.cluster, 2)
        assert world.fence == theirs.token
        with pytest.raises(Fenced):
            await route.withdraw()
        with pytest.raises(LeaseHeld, match="run r2"):
            await mine.renew(world.objects.cluster, 2)
        await mine.end(world.objects.cluster)
        assert world.fence == theirs.token

    play(scene)


def test_a_claim_of_before_does_not_fence_the_successor() -> None:
    async def scene(world: World) -> None:
        mine = world.conductor("r1")
        # It has the lease, and sleeps before it claims the route.
        world.objects.before = [lambda: None, lambda: world.objects.put(ROUTE, _with_fence(world, "bob@two 2 #9"))]
        with pytest.raises(Fenced, match="bob@two 2 #9"):
            await mine.renew(world.objects.cluster, 2)

    play(scene)


def _with_fence(world: World, token: str) -> dict[str, object]:
    route = world.objects.objects[ROUTE]
    return {**route, "metadata": {**route["metadata"], "annotations": {CONTROLLER: token}, "uid": "another"}}


def test_an_environment_without_a_route_has_a_lease_all_the_same() -> None:
    async def scene(world: World) -> None:
        del world.objects.objects[ROUTE]
        mine = world.conductor()
        await mine.begin(world.objects.cluster)
        assert mine.token

    play(scene)


def test_what_the_api_server_refuses_for_another_reason_is_an_error() -> None:
    async def scene(world: World) -> None:
        def forbidden() -> None:
            raise ApiError(403, "Forbidden", "no", where="x")

        world.objects.before = [lambda: None, forbidden]
        with pytest.raises(ApiError):
            await world.conductor().begin(world.objects.cluster)

    play(scene)
