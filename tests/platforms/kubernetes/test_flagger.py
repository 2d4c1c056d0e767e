"""What Flagger says of a Canary, the route that it made, and the one request that takes the traffic away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dawsos.adapters.kubernetes import ApiError
from dawsos.errors import InfrastructureError
from dawsos.model.status import Cause
from dawsos.platforms.kubernetes.flagger import (
    VERDICT,
    CanaryState,
    FlaggerCanary,
    Verdict,
    cut_patch,
    route_of,
    state_of,
    told,
)
from support.flagger_world import CANARIES, NAME, NAMESPACE, ROUTES, FlaggerWorld
from support.memory_objects import apply_json_patch

REJECTED = Verdict("a//t1", "7 of 7 requests failed", Cause.WORSE_THAN_STABLE, "evidence", 400.0, 100.0, 12.5)


def a_canary(weight: int = 25) -> tuple[FlaggerWorld, FlaggerCanary]:
    world = FlaggerWorld()
    world.initialise()
    world.route(weight)
    return world, FlaggerCanary(world.cluster, NAMESPACE, NAME)


def test_the_state_is_what_the_status_says() -> None:
    condition = {"type": "Promoted", "status": "Unknown", "lastTransitionTime": "t1"}
    status = {
        "phase": "Progressing", "canaryWeight": 5, "failedChecks": 1, "lastAppliedSpec": "a", "lastPromotedSpec": "b",
        "trackedConfigs": {"configmap/x": "1"}, "conditions": [{"type": "Other"}, condition],
    }  # fmt: skip
    found = state_of({"status": status})
    assert found == CanaryState("Progressing", 5, 1, "a", "b", found.configs, "t1")
    assert found.configs
    assert state_of({"metadata": {}}) == CanaryState()


def test_a_run_is_another_one_for_each_revision_each_config_and_each_time() -> None:
    runs = {
        CanaryState(applied=applied, configs=configs, since=since).run
        for applied in ("a", "b") for configs in ("", "c") for since in ("t1", "t2")
    }  # fmt: skip
    assert len(runs) == 8


def test_what_is_not_there_is_none() -> None:
    world = FlaggerWorld()
    canary = FlaggerCanary(world.cluster, NAMESPACE, NAME)
    assert asyncio.run(canary.state()) is None
    assert asyncio.run(canary.route()) is None
    asyncio.run(canary.cut(REJECTED))


def test_a_cut_gives_the_primary_everything_and_notes_the_verdict_in_the_same_request() -> None:
    world, canary = a_canary()
    asyncio.run(canary.cut(REJECTED))
    assert world.weight == 0
    route = asyncio.run(canary.route())
    assert route is not None
    assert (route.weight, route.verdict) == (0, REJECTED)
    version = world.objects[ROUTES]["metadata"]["resourceVersion"]
    asyncio.run(canary.cut(REJECTED))
    assert world.objects[ROUTES]["metadata"]["resourceVersion"] == version


def test_other_annotations_stay_and_no_label_is_set() -> None:
    # A label that Flagger does not know would make it write the route anew at each tick.
    world, canary = a_canary()
    world.objects[ROUTES]["metadata"]["annotations"] = {"mine": "1"}
    asyncio.run(canary.cut(REJECTED))
    metadata = world.objects[ROUTES]["metadata"]
    assert metadata["annotations"].keys() == {"mine", VERDICT}
    assert "labels" not in metadata


def test_a_cut_without_a_verdict_leaves_the_one_that_is_there() -> None:
    world, canary = a_canary()
    asyncio.run(canary.cut(REJECTED))
    world.route(25)
    asyncio.run(canary.cut())
    route = asyncio.run(canary.route())
    assert route is not None
    assert (route.weight, route.verdict) == (0, REJECTED)


def test_every_rule_with_both_services_is_cut_so_that_users_who_stick_to_the_canary_leave_it_too() -> None:
    world, canary = a_canary()
    sticky = [{"name": "shop-primary", "weight": 0}, {"name": "shop-canary", "weight": 100}]
    alone = [{"name": "shop-primary"}]
    world.objects[ROUTES]["spec"]["rules"] += [{"backendRefs": sticky}, {"backendRefs": alone}, {}]
    found = asyncio.run(canary.route())
    assert found is not None
    assert (found.weight, len(found.places)) == (100, 2)
    asyncio.run(canary.cut())
    rules = world.objects[ROUTES]["spec"]["rules"]
    assert [backend.get("weight") for rule in rules for backend in rule.get("backendRefs", [])] == [
        100,
        0,
        100,
        0,
        None,
    ]


def test_a_route_that_changes_under_the_cut_is_read_again_and_one_that_never_rests_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, canary = a_canary()
    patch = world.patch
    tries: list[int] = []

    async def conflicts(path: str, body: Any, kind: str = "merge") -> Any:
        tries.append(1)
        if len(tries) < refused:
            raise ApiError(409, "Conflict", "changed", where=path)
        return await patch(path, body, kind)

    monkeypatch.setattr(world, "patch", conflicts)
    refused = 3
    asyncio.run(canary.cut(REJECTED))
    assert (world.weight, len(tries)) == (0, 3)
    world.route(25)
    refused = 99
    with pytest.raises(InfrastructureError, match="changes too often"):
        asyncio.run(canary.cut(REJECTED))


def test_a_refusal_that_is_no_conflict_is_told() -> None:
    world, canary = a_canary()
    world.reachable = False
    with pytest.raises(ApiError):
        asyncio.run(canary.cut())


def test_the_patch_fails_on_another_route() -> None:
    world, canary = a_canary()
    world.objects[ROUTES]["spec"]["rules"][0]["backendRefs"].reverse()
    before = route_of({"metadata": {"uid": "u2"}, "spec": world.objects[ROUTES]["spec"]}, "shop-primary", "shop-canary")
    with pytest.raises(ApiError, match="test failed"):
        apply_json_patch(world.objects[ROUTES], cut_patch(before, (canary.primary, canary.canary), None), "here")


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", '{"run": "a", "reason": "b", "cause": "nonsense"}'])
def test_an_annotation_that_cannot_be_read_is_no_verdict(text: str) -> None:
    route = {"metadata": {"uid": "u", "annotations": {VERDICT: text}}, "spec": {}}
    assert route_of(route, "a", "b").verdict is None


def test_flagger_fails_its_run_when_its_threshold_is_reached() -> None:
    world, canary = a_canary()
    asyncio.run(canary.fail(5))
    assert world.objects[CANARIES]["status"]["failedChecks"] == 5


def test_the_events_of_this_canary_come_in_the_order_of_time() -> None:
    def event(name: str, at: str, message: str, kind: str = "Canary") -> dict[str, Any]:
        return {"involvedObject": {"kind": kind, "name": name}, "lastTimestamp": at, "message": message}

    found = [event("shop", "2", "b"), event("shop", "1", "a"), event("other", "1", "x"), event("shop", "1", "y", "Pod")]
    assert told(found, "shop") == ["a", "b"]
