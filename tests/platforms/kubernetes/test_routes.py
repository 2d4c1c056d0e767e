"""The route is changed by patches that fail when somebody else changed it, and weight 0 that never does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dawsos.adapters.kubernetes import ApiError, Object, Unreachable
from dawsos.errors import InfrastructureError
from dawsos.platforms.contract import Roles
from dawsos.platforms.kubernetes.names import CONTROLLER
from dawsos.platforms.kubernetes.routes import Route, has_ended, in_slices, is_ready
from dawsos.platforms.kubernetes.routing import ChangedBeside, Fenced
from fakes import VirtualClock
from support.memory_cluster import NAMESPACE, PATHS, RELEASE, MemoryCluster
from support.shop import ROUTE, STABLE, a_shop, pod, route, service

Scene = Callable[[MemoryCluster, Route], Awaitable[None]]


def play(scene: Scene) -> None:
    clock = VirtualClock()
    made = a_shop(clock)
    asyncio.run(scene(made, a_route(made)))  # type: ignore[arg-type]


def a_route(made: MemoryCluster, fence: str = "") -> Route:
    return Route(made, NAMESPACE, RELEASE, fence, made.clock)  # type: ignore[arg-type]


async def promoted(found: Route) -> None:
    """Promote ``two``, so that ``one`` is the standby."""
    await with_canary(found, 100)
    await found.begin_promotion()
    await found.set_weight(0)
    await found.end_promotion()


async def with_canary(found: Route, weight: int = 25) -> None:
    await found.assign("one", "two")
    await found.set_weight(weight)


def edit(made: MemoryCluster, change: Callable[[Object], object], path: str = ROUTE) -> None:
    """Change an object as a person does."""
    changed, put = made.edit(path)
    change(changed)
    put(changed)


def turn(found: Object) -> None:
    """Turn the order of the backends round, which changes where they are and no traffic."""
    found["spec"]["rules"][0]["backendRefs"].reverse()


def rename(found: Object) -> None:
    found["spec"]["hostnames"] = ["x"]


def weights(made: MemoryCluster) -> list[tuple[str, int]]:
    return [(ref["name"], ref["weight"]) for ref in made.objects[ROUTE]["spec"]["rules"][0]["backendRefs"]]


def test_roles_are_given_and_read_again() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await with_canary(found)
        assert await a_route(made).read() == Roles("one", "two", None, 25)
        await found.assign("one", None)
        assert await a_route(made).read() == Roles("one", None, None, 0)
        assert made.objects[ROUTE]["spec"] == route()["spec"]

    play(scene)


def test_the_roles_are_given_when_the_endpoints_are_those_of_the_pods() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        made.slices_lag = 6
        await found.assign("two", None)
        assert made.slices_lag == 0
        assert 0.2 < made.clock.monotonic() < 1

    play(scene)


def test_a_deployment_without_a_ready_pod_gets_no_role_without_an_error() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        for number in range(2):
            made.put(PATHS.of("pods", f"two-{number}"), pod(f"two-{number}", "two", conditions=[]))
        with pytest.raises(InfrastructureError, match="hold no pod after 20 s, and the ready pods of two are none"):
            await found.assign("one", "two")

    play(scene)


def test_a_patch_of_a_route_that_somebody_changed_says_what_differs_and_changes_nothing() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await with_canary(found)
        made.put(ROUTE, route(), "helm")
        with pytest.raises(ChangedBeside, match=r"the canary has 0 % instead of 25 % \(by helm\)"):
            await found.set_weight(50)
        assert weights(made) == [("shop-stable", 1)]

    play(scene)


def test_a_selector_that_somebody_changed_is_told() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await with_canary(found)
        made.put(STABLE, service("stable", "three"), "kubectl-edit")
        edit(made, rename)
        with pytest.raises(ChangedBeside, match="shop-stable selects three instead of one"):
            await found.set_weight(50)

    play(scene)


def test_what_changes_no_traffic_is_taken_over() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await with_canary(found)
        edit(made, rename)
        await found.set_weight(50)
        assert weights(made) == [("shop-stable", 50), ("shop-canary", 50)]
        assert made.objects[ROUTE]["spec"]["hostnames"] == ["x"]

    play(scene)


def test_the_guardian_s_withdrawal_is_no_change_of_somebody_else() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await with_canary(found)
        await a_route(made).withdraw()
        assert weights(made) == [("shop-stable", 100), ("shop-canary", 0)]
        await found.set_weight(25)
        assert weights(made) == [("shop-stable", 75), ("shop-canary", 25)]

    play(scene)


SHAPES: dict[str, Callable[[Object], object]] = {
    "reversed": turn,
    "a rule more": lambda found: found["spec"]["rules"].insert(
        0, {"backendRefs": [{"name": "shop-canary", "port": 80}, {"name": "shop-stable", "port": 80}]}
    ),
    "as the chart renders it": lambda found: found["spec"]["rules"][0]["backendRefs"].pop(),
    "made anew": lambda found: None,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_weight_0_is_given_whatever_the_route_looks_like(shape: str) -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await with_canary(found)
        edit(made, SHAPES[shape])
        if shape == "made anew":
            made.objects[ROUTE]["metadata"]["uid"] = "new"
        await found.set_weight(0)
        assert (await found.read()).weight == 0
        for rule in made.objects[ROUTE]["spec"]["rules"]:
            assert {ref["name"]: ref["weight"] for ref in rule["backendRefs"]}.get("shop-canary", 0) == 0

    play(scene)


def test_a_route_that_changes_all_the_time_is_an_error_and_no_endless_loop() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await with_canary(found)
        made.before = [lambda: edit(made, turn)] * 20
        with pytest.raises(InfrastructureError, match="changes too often"):
            await found.set_weight(0)

    play(scene)


def test_one_change_meanwhile_is_met_with_another_patch() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await with_canary(found)
        made.before = [lambda: edit(made, turn)] * 3
        await found.set_weight(0)
        assert (await found.read()).weight == 0

    play(scene)


def test_nobody_answers_is_an_error_that_may_be_tried_again() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await with_canary(found)
        made.away = True
        for weight in (0, 50):
            with pytest.raises(Unreachable):
                await found.set_weight(weight)
        made.away = False
        await found.set_weight(0)
        assert (await found.read()).weight == 0

    play(scene)


def test_a_refusal_is_raised_as_it_is() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await with_canary(found)

        def refuse() -> None:
            raise ApiError(403, "Forbidden", "no", where="x")

        for weight in (0, 50):
            made.before = [refuse]
            with pytest.raises(ApiError, match="no"):
                await found.set_weight(weight)

    play(scene)


@pytest.mark.parametrize("weight", [0, 50])
def test_who_was_replaced_as_controller_changes_nothing_any_more(weight: int) -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await found.claim("first #1")
        await with_canary(found)
        await a_route(made).claim("second #2")
        with pytest.raises(Fenced, match="is conducted by second #2 now"):
            await found.set_weight(weight)
        assert weights(made) == [("shop-stable", 75), ("shop-canary", 25)]
        with pytest.raises(Fenced):
            await found.assign("one", None)

    play(scene)


@pytest.mark.parametrize("token", ["first #1", "second #2", "third"])
def test_a_controller_that_slept_does_not_take_the_route_back(token: str) -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await found.claim("now #2")
        await found.claim("now #2")
        with pytest.raises(Fenced, match="is conducted by now #2 now"):
            await a_route(made).claim(token)
        await a_route(made).claim("next #3")
        assert (await found.live()).holder == "next #3"

    play(scene)


def test_of_two_that_claim_at_once_the_later_one_has_it() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        def other(found: Object) -> None:
            found["metadata"].setdefault("annotations", {})[CONTROLLER] = "other #5"

        made.before = [lambda: edit(made, other)]
        with pytest.raises(Fenced, match="other #5"):
            await found.claim("me #4")

    play(scene)


def test_a_note_of_the_controller_that_somebody_removed_does_not_stop_a_rollback() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await found.claim("first #1")
        await with_canary(found)
        edit(made, lambda found: found["metadata"]["annotations"].pop(CONTROLLER))
        await found.set_weight(0)
        assert (await found.live()).holder == "first #1"
        assert (await found.read()).weight == 0

    play(scene)


def test_a_promotion_moves_the_selector_and_may_be_repeated_at_each_point() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await with_canary(found, 100)
        assert await found.begin_promotion()
        assert await a_route(made).read() == Roles("two", None, "one", 0)
        again = a_route(made)
        assert await again.begin_promotion()
        await again.set_weight(0)
        await again.end_promotion()
        assert await again.read() == Roles("two", None, "one", 0)
        assert made.objects[ROUTE]["spec"] == route()["spec"]
        assert not await again.begin_promotion()

    play(scene)


def test_the_standby_stays_until_it_gets_a_role_or_is_removed() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await promoted(found)
        await found.assign("two", None)
        assert (await found.read()).standby == "one"
        await found.forget_standby("two")
        assert (await found.read()).standby == "one"
        await found.assign("one", None)
        assert (await found.read()).standby is None
        await found.assign("two", "one")
        await found.assign("two", None)
        assert (await found.read()).standby is None

    play(scene)


def test_a_removed_standby_is_forgotten() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await with_canary(found, 100)
        await found.begin_promotion()
        await found.forget_standby("one")
        assert (await a_route(made).read()).standby is None

    play(scene)


def test_what_must_not_answer_is_scaled_to_zero_and_ends() -> None:
    async def scene(made: MemoryCluster, found: Route) -> None:
        await with_canary(found)
        await found.stop("two")
        assert made.objects[PATHS.of("deployments", "shop-backend-two")]["spec"]["replicas"] == 0
        assert await found.pods("two") == []
        assert len(await found.pods("one")) == 2

    play(scene)


def test_only_what_is_ready_and_stays_gets_requests() -> None:
    made = pod("a", "two")
    assert is_ready(made)
    made["metadata"]["deletionTimestamp"] = "now"
    assert not is_ready(made)
    assert not is_ready(pod("a", "two", conditions=[{"type": "Ready", "status": "False"}]))
    assert has_ended(pod("a", "two", phase="Failed"))
    assert not has_ended(pod("a", "two", phase="Running"))
    endpoints = [
        {"targetRef": {"name": "a"}, "conditions": {"ready": True}},
        {"targetRef": {"name": "b"}, "conditions": {"ready": False}},
        {"targetRef": {"name": "c"}},
    ]
    assert in_slices([{"endpoints": endpoints}, {"endpoints": None}]) == {"a", "c"}
