"""A lease has one holder; it runs out by the clock of whoever looks, and each holder has a higher number than those before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dawsos.adapters.kubernetes import Unreachable
from dawsos.platforms.kubernetes.lease import Lease, LeaseHeld, LeaseState, given_up, holder_name, is_newer, number_of
from dawsos.platforms.kubernetes.names import CONTROLLER, INSTANCE, Paths
from fakes import VirtualClock
from support.memory_objects import MemoryObjects

PATHS = Paths("shop")
PATH = PATHS.of("leases", "shop-prod-rollout")


class World:
    """A cluster and a clock, and leases of several controllers."""

    def __init__(self) -> None:
        self.clock, self.objects = VirtualClock(), MemoryObjects()

    def lease(self, holder: str = "ann@one 1 run a", clock: VirtualClock | None = None) -> Lease:
        return Lease(self.objects.cluster, "shop", "shop-prod", holder, clock=clock or self.clock)

    @property
    def state(self) -> LeaseState:
        return LeaseState.of(self.objects.objects[PATH])


def play(scene: Callable[[World], Awaitable[None]]) -> None:
    async def playing() -> None:
        await scene(World())

    asyncio.run(playing())


def test_the_first_controller_gets_it_and_renews_it() -> None:
    async def scene(world: World) -> None:
        lease = world.lease()
        assert lease.token == ""
        assert await lease.renew(1.5) is True
        assert (world.state.holder, world.state.seconds, world.state.number) == ("ann@one 1 run a", 1.5, 1)
        assert world.objects.objects[PATH]["spec"]["leaseDurationSeconds"] == 2
        before = world.state.version
        await world.clock.sleep(1.0)
        assert await lease.renew(1.5) is False
        assert world.state.version != before
        assert lease.token == world.state.token == "ann@one 1 run a #1"

    play(scene)


def test_a_second_controller_is_refused_with_the_name_of_the_first() -> None:
    async def scene(world: World) -> None:
        first, second = world.lease(), world.lease("bob@two 2")
        await first.renew(5)

        class Renewing(VirtualClock):
            async def sleep(self, seconds: float) -> None:
                await super().sleep(seconds)
                await first.renew(5)

        second = world.lease("bob@two 2", Renewing())
        with pytest.raises(LeaseHeld, match="ann@one 1 run a") as refused:
            await second.acquire(5)
        assert refused.value.holder == "ann@one 1 run a"
        assert (world.state.holder, second.token) == ("ann@one 1 run a", "")

    play(scene)


@pytest.mark.parametrize("ahead", [-1e6, 0.0, 1e6])
def test_one_that_nobody_renews_is_taken_over_whatever_the_clocks_say(ahead: float) -> None:
    async def scene(world: World) -> None:
        await world.lease().renew(5)
        theirs = VirtualClock(1_000_000.0 + ahead)
        await world.lease("bob@two 2", theirs).acquire(3)
        assert 5.0 < theirs.elapsed <= 5.5
        assert (world.state.holder, world.state.number) == ("bob@two 2", 2)

    play(scene)


def test_of_two_that_take_it_over_the_slower_is_refused() -> None:
    async def scene(world: World) -> None:
        await world.lease().renew(1)
        slow = world.lease("bob@two 2")
        taken = {**world.objects.objects[PATH], "spec": {"holderIdentity": "eve@three 3", "leaseDurationSeconds": 60}}
        world.objects.before = [lambda: world.objects.put(PATH, taken)]
        with pytest.raises(LeaseHeld, match="eve@three 3"):
            await slow.acquire(1)
        assert (world.state.holder, slow.token) == ("eve@three 3", "")

    play(scene)


def test_a_controller_that_slept_meets_its_successor() -> None:
    async def scene(world: World) -> None:
        first, second = world.lease(), world.lease("bob@two 2", VirtualClock())
        await first.renew(5)
        await second.acquire(5)
        with pytest.raises(LeaseHeld, match="bob@two 2"):
            await first.renew(5)
        assert first.token == ""
        assert is_newer(second.token, "ann@one 1 run a #1")
        assert not is_newer("ann@one 1 run a #1", second.token)

    play(scene)


def test_what_the_guardian_ended_is_acquired_anew_with_a_higher_number() -> None:
    async def scene(world: World) -> None:
        lease = world.lease()
        await lease.renew(5)
        there = world.objects.objects[PATH]
        there["metadata"]["annotations"]["dawsos.dev/number"] = "2"
        world.objects.put(PATH, given_up(there))
        assert await lease.renew(5) is True
        assert (lease.token, world.state.number) == ("ann@one 1 run a #3", 3)

    play(scene)


def test_a_guardian_that_gives_the_traffic_back_is_waited_for() -> None:
    async def scene(world: World) -> None:
        lease = world.lease()
        await lease.renew(5)
        there = world.objects.objects[PATH]
        there["spec"]["holderIdentity"] = "guardian g"
        world.objects.put(PATH, there)
        assert await lease.renew(5) is True
        assert world.clock.elapsed > 5
        assert world.state.holder == "ann@one 1 run a"

    play(scene)


def test_an_answer_that_was_lost_is_no_loss_of_the_lease() -> None:
    async def scene(world: World) -> None:
        lease = world.lease()
        await lease.renew(5)
        # The renewal came to pass, and its answer did not come.
        world.objects.put(PATH, world.objects.objects[PATH])
        assert await lease.renew(5) is False

    play(scene)


def test_an_api_server_that_is_away_for_a_while_is_waited_for_and_one_that_stays_away_is_not() -> None:
    async def scene(world: World) -> None:
        lease = world.lease()
        await lease.renew(5)

        class Away(VirtualClock):
            async def sleep(self, seconds: float) -> None:
                await super().sleep(seconds)
                world.objects.away = self.elapsed < 20

        lease._clock, world.objects.away = Away(), True
        assert await lease.renew(5) is False
        lease._clock, world.objects.away = VirtualClock(), True
        with pytest.raises(Unreachable):
            await lease.renew(5)

    play(scene)


def test_a_lease_that_was_given_up_is_free_at_once_and_one_of_another_is_left_alone() -> None:
    async def scene(world: World) -> None:
        first, second = world.lease(), world.lease("bob@two 2")
        await first.renew(60)
        await first.release()
        assert (world.state.holder, world.state.number, first.token) == ("", 1, "")
        await second.acquire(60)
        assert world.clock.elapsed == 0
        first._held = world.objects.objects[PATH]
        await first.release()
        await first.release()
        assert world.state.holder == "bob@two 2"

    play(scene)


def test_a_lease_that_was_deleted_goes_on_with_the_number_on_the_route() -> None:
    async def scene(world: World) -> None:
        route = {"metadata": {"labels": {INSTANCE: "shop-prod"}, "annotations": {CONTROLLER: "bob@two 2 #7"}}}
        world.objects.put(PATHS.of("httproutes", "shop"), route)
        lease = world.lease()
        await lease.acquire(5)
        assert lease.token == "ann@one 1 run a #8"
        del world.objects.objects[PATH]
        assert await lease.renew(5) is True

    play(scene)


@pytest.mark.parametrize(
    ("notes", "whole", "seconds"),
    [({}, 5, 5.0), ({"dawsos.dev/seconds": "1.5"}, 2, 1.5), ({"dawsos.dev/seconds": "x"}, 2, 2.0),
     ({"dawsos.dev/seconds": "inf"}, 2, 2.0), ({"dawsos.dev/seconds": "900"}, 2, 2.0), ({}, None, 0.0)],
)  # fmt: skip
def test_the_exact_length_counts_only_when_it_fits_the_field_of_kubernetes(
    notes: dict[str, str], whole: int | None, seconds: float
) -> None:
    found = {"metadata": {"annotations": notes, "resourceVersion": "1"}, "spec": {"leaseDurationSeconds": whole}}
    assert LeaseState.of(found).seconds == seconds


def test_a_token_has_a_number_and_a_holder_says_who_where_and_for_which_run() -> None:
    assert (number_of("a@b 1 run x #12"), number_of("a@b 1"), number_of("")) == (12, 0, 0)
    assert holder_name("r1").endswith(" run r1")
    assert " run" not in holder_name()
