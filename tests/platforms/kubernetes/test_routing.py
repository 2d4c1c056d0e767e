"""The route and the Services as plain values: roles, weights, patches, and what somebody else changed."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from dawsos.adapters.kubernetes import ApiError
from dawsos.errors import BadInput
from dawsos.platforms.contract import Roles
from dawsos.platforms.kubernetes.names import CONTROLLER, NOBODY, STANDBY
from dawsos.platforms.kubernetes.routing import (
    ChangedBeside,
    Live,
    Object,
    alone_patch,
    changer,
    differences,
    fence_patch,
    live_of,
    must_be_as,
    pointer,
    selected,
    service_patch,
    weight_of,
    weight_patch,
)
from fakes import VirtualClock
from support.memory_cluster import MemoryCluster
from support.shop import CANARY, ROUTE, STABLE, a_shop, route, service


def ref(name: str, weight: int | None = None) -> Object:
    return {"name": name, "port": 80, **({} if weight is None else {"weight": weight})}


def live(made: MemoryCluster) -> Live:
    return Live(*(copy.deepcopy(made.objects[path]) for path in (ROUTE, STABLE, CANARY)))


@pytest.fixture
def shop() -> MemoryCluster:
    return a_shop(VirtualClock())


def patched(made: MemoryCluster, path: str, patch: list[Object]) -> Object:
    asyncio.run(made.patch(path, patch, "json"))
    return made.objects[path]


def refs(found: Object) -> list[list[tuple[str, Any]]]:
    return [[(each["name"], each.get("weight")) for each in rule["backendRefs"]] for rule in found["spec"]["rules"]]


# What is there.


def test_as_the_chart_renders_it_stable_has_everything(shop: MemoryCluster) -> None:
    assert live(shop).roles == Roles("one", None, None, 0)
    assert live(shop).port == 80


@pytest.mark.parametrize(
    ("refs", "weight"),
    [
        ([ref("s")], 0),
        ([ref("s", 95), ref("c", 5)], 5),
        ([ref("c", 1), ref("s", 3)], 25),
        ([ref("s"), ref("c")], 50),
        ([ref("s", 0), ref("c", 100)], 100),
        ([ref("s", 0), ref("c", 0)], 0),
        ([ref("s", 999), ref("c", 1)], 1),
        ([ref("s", 50), ref("other", 25), ref("c", 50)], 50),
    ],
)
def test_the_weight_is_the_canary_s_share_in_per_cent(refs: list[Object], weight: int) -> None:
    assert weight_of(route(refs), "s", "c") == weight


def test_the_rule_that_gives_the_canary_most_counts() -> None:
    assert weight_of(route([ref("s", 100), ref("c", 0)], [ref("s", 90), ref("c", 10)]), "s", "c") == 10


def test_a_rule_without_backends_counts_for_nothing() -> None:
    made = route([ref("s", 90), ref("c", 10)])
    made["spec"]["rules"].insert(0, {"filters": [{"type": "RequestRedirect"}]})
    assert weight_of(made, "s", "c") == 10
    assert weight_of({"spec": {}}, "s", "c") == 0


def test_a_canary_has_the_weight_of_its_service(shop: MemoryCluster) -> None:
    shop.put(CANARY, service("canary", "two"))
    shop.put(ROUTE, route([ref("shop-stable", 75), ref("shop-canary", 25)]))
    assert live(shop).roles == Roles("one", "two", None, 25)


def test_what_both_services_select_is_stable_and_no_canary(shop: MemoryCluster) -> None:
    shop.put(CANARY, service("canary", "one"))
    shop.put(ROUTE, route([ref("shop-stable", 75), ref("shop-canary", 25)]))
    assert live(shop).roles == Roles("one", None, None, 0)
    assert live(shop).weight == 25


def test_a_first_release_has_no_stable_one(shop: MemoryCluster) -> None:
    shop.put(STABLE, service("stable", NOBODY))
    shop.put(CANARY, service("canary", "two"))
    shop.put(ROUTE, route([ref("shop-stable", 0), ref("shop-canary", 100)]))
    assert live(shop).roles == Roles(None, "two", None, 100)


@pytest.mark.parametrize("selector", [{}, None, {"app": "x"}])
def test_a_service_without_a_deployment_selects_nobody(selector: dict[str, str] | None) -> None:
    assert selected({"spec": {"selector": selector}}) is None


@pytest.mark.parametrize("gone", [ROUTE, STABLE, CANARY])
def test_what_is_missing_is_named_with_the_fix(gone: str, shop: MemoryCluster) -> None:
    found = {path: made for path, made in shop.objects.items() if path != gone}
    with pytest.raises(BadInput, match=r"must have one (Service|HTTPRoute).*none"):
        live_of([found[ROUTE]] if ROUTE in found else [], [m for p, m in found.items() if "/services/" in p], "r")


def test_a_route_that_only_redirects_is_none_of_the_release(shop: MemoryCluster) -> None:
    redirect = {"metadata": {"name": "redirect"}, "spec": {"rules": [{"filters": []}]}}
    found = live_of([redirect, shop.objects[ROUTE]], [shop.objects[STABLE], shop.objects[CANARY]], "r")
    assert found.route is shop.objects[ROUTE]
    again = {**shop.objects[ROUTE], "metadata": {"name": "again"}}
    with pytest.raises(BadInput, match="shop, again"):
        live_of([shop.objects[ROUTE], again], [shop.objects[STABLE], shop.objects[CANARY]], "r")


# Patches.


def test_a_weight_puts_the_canary_into_every_rule_that_leads_to_stable(shop: MemoryCluster) -> None:
    filtered = {**ref("shop-stable", 1), "filters": [{"type": "X"}]}
    shop.put(ROUTE, route([filtered], [ref("elsewhere")], [ref("other", 7), ref("shop-stable")]))
    found = patched(shop, ROUTE, weight_patch(live(shop), 5))
    assert refs(found) == [
        [("shop-stable", 95), ("shop-canary", 5)],
        [("elsewhere", None)],
        [("other", 7), ("shop-stable", 95), ("shop-canary", 5)],
    ]
    assert found["spec"]["rules"][0]["backendRefs"][1]["filters"] == [{"type": "X"}]
    assert found["spec"]["rules"][0]["backendRefs"][1]["port"] == 80


def test_a_second_weight_changes_both_numbers(shop: MemoryCluster) -> None:
    patched(shop, ROUTE, weight_patch(live(shop), 5))
    assert refs(patched(shop, ROUTE, weight_patch(live(shop), 100))) == [[("shop-stable", 0), ("shop-canary", 100)]]
    assert refs(patched(shop, ROUTE, weight_patch(live(shop), 0))) == [[("shop-stable", 100), ("shop-canary", 0)]]


def test_at_the_end_the_route_is_as_the_chart_renders_it(shop: MemoryCluster) -> None:
    before = copy.deepcopy(shop.objects[ROUTE]["spec"])
    patched(shop, ROUTE, weight_patch(live(shop), 25))
    assert patched(shop, ROUTE, alone_patch(live(shop)))["spec"] == before
    assert alone_patch(live(shop)) == []


@pytest.mark.parametrize("change", ["spec", "name", "made anew", "fence"])
@pytest.mark.parametrize("weight", [25, 0])
def test_a_patch_fails_when_the_route_is_another_one(change: str, weight: int, shop: MemoryCluster) -> None:
    patched(shop, ROUTE, fence_patch(live(shop), "me"))
    patched(shop, ROUTE, weight_patch(live(shop), 5))
    known = live(shop)
    made, put = shop.edit(ROUTE)
    if change == "spec":
        made["spec"]["hostnames"] = ["other"]
    elif change == "name":
        made["spec"]["rules"][0]["backendRefs"].reverse()
    elif change == "fence":
        made["metadata"]["annotations"][CONTROLLER] = "another"
    put(made)
    if change == "made anew":
        shop.objects[ROUTE]["metadata"]["uid"] = "new"
    patch = weight_patch(known, weight, "me", unchanged=weight > 0)
    if change == "spec" and weight == 0:
        assert refs(patched(shop, ROUTE, patch)) == [[("shop-stable", 100), ("shop-canary", 0)]]
        return
    with pytest.raises(ApiError, match="test failed"):
        patched(shop, ROUTE, patch)


def test_a_service_selects_another_deployment_and_notes_the_standby(shop: MemoryCluster) -> None:
    found = patched(shop, STABLE, service_patch(shop.objects[STABLE], "two", "one"))
    assert (selected(found), found["metadata"]["annotations"]) == ("two", {STANDBY: "one"})
    assert service_patch(found, "two", "one") == []
    found = patched(shop, STABLE, service_patch(found, None, ""))
    assert (selected(found), found["metadata"]["annotations"]) == (None, {STANDBY: ""})
    assert live(shop).roles.standby is None
    assert service_patch(shop.objects[CANARY], None, "") == []


def test_who_conducts_is_noted_and_forgotten(shop: MemoryCluster) -> None:
    assert live(shop).holder == ""
    patched(shop, ROUTE, fence_patch(live(shop), "me"))
    assert live(shop).holder == "me"
    patched(shop, ROUTE, fence_patch(live(shop), ""))
    assert live(shop).holder == ""


def test_a_key_with_a_slash_is_one_part_of_a_pointer() -> None:
    assert pointer("dawsos.dev/a~b") == "dawsos.dev~1a~0b"


# What somebody else changed.


def with_canary(shop: MemoryCluster, weight: int) -> Live:
    patched(shop, CANARY, service_patch(shop.objects[CANARY], "two"))
    patched(shop, ROUTE, weight_patch(live(shop), weight))
    return live(shop)


def test_the_last_manager_of_the_rules_is_who_changed_them(shop: MemoryCluster) -> None:
    assert changer(shop.objects[ROUTE]) == "helm"
    with_canary(shop, 5)
    assert changer(shop.objects[ROUTE]) == "dawsos"
    assert changer({"metadata": {}}) == ""


def test_a_helm_rollback_by_hand_is_told_with_what_differs(shop: MemoryCluster) -> None:
    before = with_canary(shop, 25)
    shop.put(ROUTE, route(), "helm")
    found = differences(before, live(shop))
    assert found == ["in the HTTPRoute shop the canary has 0 % instead of 25 % (by helm)"]
    with pytest.raises(ChangedBeside, match=r"shop in x was changed beside dawsos: in the HTTPRoute"):
        must_be_as(before, live(shop), "shop in x")


def test_an_edited_service_is_told(shop: MemoryCluster) -> None:
    before = with_canary(shop, 25)
    shop.put(STABLE, service("stable", "three"), "kubectl-edit")
    found = differences(before, live(shop))
    assert found == ["the Service shop-stable selects three instead of one (by kubectl-edit)"]


def test_another_rule_is_told(shop: MemoryCluster) -> None:
    before = with_canary(shop, 25)
    pair = [ref("shop-stable", 75), ref("shop-canary", 25)]
    shop.put(ROUTE, route(pair, [ref("shop-stable")]), "kubectl-edit")
    assert differences(before, live(shop)) == ["the rules of the HTTPRoute shop are not as they were (by kubectl-edit)"]


def test_a_change_of_this_tool_or_of_what_has_no_weight_is_none(shop: MemoryCluster) -> None:
    before = with_canary(shop, 25)
    patched(shop, ROUTE, weight_patch(live(shop), 0))
    assert differences(before, live(shop)) == []
    without = live(shop)
    shop.put(ROUTE, route(), "helm")
    assert differences(without, live(shop)) == []
