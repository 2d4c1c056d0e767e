"""A release comes into the Deployment of a Canary by digest, and can be taken out again by anybody."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from dawsos.adapters.kubernetes import ApiError
from dawsos.errors import BadInput, InfrastructureError
from dawsos.platforms.kubernetes.flagger import CanaryState
from dawsos.platforms.kubernetes.flagger_target import FlaggerTarget, NewTemplate, undo_patch
from support.flagger_world import CANARIES, DEPLOYMENTS, NAME, NAMESPACE, FlaggerWorld

NEW = NewTemplate("d1", "release", "abc", {"backend": "repo/shop@sha256:new"})
BEFORE = CanaryState("Succeeded", applied="a", since="t1")


def a_target() -> tuple[FlaggerWorld, FlaggerTarget]:
    world = FlaggerWorld()
    return world, FlaggerTarget(world.cluster, NAMESPACE, NAME)


def template(world: FlaggerWorld) -> Any:
    return world.objects[DEPLOYMENTS]["spec"]["template"]


def test_the_template_gets_the_image_the_commit_and_a_deployment_id_of_its_own() -> None:
    world, target = a_target()
    asyncio.run(target.change(NEW, BEFORE))
    (container,) = template(world)["spec"]["containers"]
    assert container["image"] == "repo/shop@sha256:new"
    assert container["env"] == [{"name": "GIT_SHA", "value": "abc"}, {"name": "DEPLOYMENT_ID", "value": "d1"}]
    found = asyncio.run(target.state())
    assert found is not None
    assert (found.deployment, found.release, found.before) == ("d1", "release", BEFORE)


def test_a_change_that_is_there_already_is_not_made_again() -> None:
    _, target = a_target()
    asyncio.run(target.change(NEW, BEFORE))
    asyncio.run(target.change(NEW, CanaryState()))
    found = asyncio.run(target.state())
    assert found is not None
    assert found.before == BEFORE


@pytest.mark.parametrize("annotated", [True, False])
def test_undone_the_template_is_byte_for_byte_what_it_was(annotated: bool) -> None:
    world, target = a_target()
    if annotated:
        template(world)["metadata"]["annotations"] = {"mine": "1"}
    template(world)["spec"]["containers"].append({"name": "beside", "image": "other"})
    before = copy.deepcopy(template(world))
    asyncio.run(target.change(NEW, BEFORE))
    assert template(world) != before
    asyncio.run(target.undo("d1"))
    assert template(world) == before


def test_what_somebody_else_brought_meanwhile_is_not_undone() -> None:
    world, target = a_target()
    asyncio.run(target.change(NEW, BEFORE))
    asyncio.run(target.undo("another"))
    assert undo_patch(world.objects[DEPLOYMENTS], "another") == []
    assert template(world)["spec"]["containers"][0]["image"] == "repo/shop@sha256:new"


def test_the_only_container_takes_the_only_image_whatever_they_are_called() -> None:
    world, target = a_target()
    asyncio.run(target.change(NewTemplate("d1", "r", "c", {"shop": "x@sha256:1"}), BEFORE))
    assert template(world)["spec"]["containers"][0]["image"] == "x@sha256:1"


def test_an_image_that_no_container_takes_is_bad_input_with_both_lists() -> None:
    _, target = a_target()
    with pytest.raises(BadInput, match="it has backend, the release api, worker"):
        asyncio.run(target.change(NewTemplate("d1", "r", "c", {"api": "1", "worker": "2"}), BEFORE))


def test_without_a_deployment_there_is_nothing_to_change() -> None:
    world, target = a_target()
    del world.objects[DEPLOYMENTS]
    assert asyncio.run(target.state()) is None
    with pytest.raises(BadInput, match="no Deployment shop"):
        asyncio.run(target.change(NEW, BEFORE))


def test_a_deployment_that_changes_under_it_is_read_again_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    world, target = a_target()
    patch = world.patch
    tries: list[int] = []

    async def conflicts(path: str, body: Any, kind: str = "merge") -> Any:
        tries.append(1)
        if len(tries) < refused:
            raise ApiError(422, "Invalid", "changed", where=path)
        return await patch(path, body, kind)

    monkeypatch.setattr(world, "patch", conflicts)
    refused = 3
    asyncio.run(target.change(NEW, BEFORE))
    assert template(world)["spec"]["containers"][0]["image"] == "repo/shop@sha256:new"
    refused = 99
    with pytest.raises(InfrastructureError, match="changes too often"):
        asyncio.run(target.undo("d1"))


def test_a_note_of_another_form_is_no_state_before() -> None:
    world, target = a_target()
    world.objects[DEPLOYMENTS]["metadata"]["annotations"] = {"dawsos.dev/before": '{"odd": 1}'}
    found = asyncio.run(target.state())
    assert found is not None
    assert found.before == CanaryState()


def test_the_objects_of_the_export_are_applied() -> None:
    world, target = a_target()
    asyncio.run(
        target.apply(
            [{"kind": "Canary", "metadata": {"name": NAME}}, {"kind": "MetricTemplate", "metadata": {"name": "m"}}]
        )
    )
    assert CANARIES in world.objects
    assert any(path.endswith("/metrictemplates/m") for path in world.objects)


def test_a_command_runs_in_a_pod_of_the_release_that_no_service_of_flagger_finds() -> None:
    world, target = a_target()
    template(world)["spec"]["containers"].append({"name": "beside", "image": "other"})
    template(world)["spec"]["volumes"] = [{"name": "data"}]
    before = copy.deepcopy(world.objects)
    found = asyncio.run(target.template(NEW))
    (container,) = found["spec"]["containers"]
    assert (container["name"], container["image"]) == ("backend", "repo/shop@sha256:new")
    assert {"name": "DEPLOYMENT_ID", "value": "d1"} in container["env"]
    assert (found["metadata"], found["spec"]["volumes"]) == ({"labels": {"team": "a"}}, [{"name": "data"}])
    assert world.objects == before


def test_without_a_deployment_there_is_no_pod_for_a_command() -> None:
    world, target = a_target()
    del world.objects[DEPLOYMENTS]
    with pytest.raises(BadInput, match="there is no Deployment shop"):
        asyncio.run(target.template(NEW))


def test_a_worker_is_a_container_of_the_same_pod_with_the_image_of_the_release() -> None:
    world, target = a_target()
    template(world)["spec"]["containers"].append({"name": "worker", "image": "repo/shop@sha256:old"})
    new = NewTemplate("d1", "release", "abc", {"shop": "repo/shop@sha256:new"}, workers=("worker",))
    asyncio.run(target.change(new, BEFORE))
    assert [each["image"] for each in template(world)["spec"]["containers"]] == ["repo/shop@sha256:new"] * 2
    assert [each["name"] for each in asyncio.run(target.template(new))["spec"]["containers"]] == ["backend"]


def test_a_worker_that_would_stay_behind_is_refused() -> None:
    world, target = a_target()
    before = copy.deepcopy(template(world))
    new = NewTemplate("d1", "release", "abc", {"backend": "repo/shop@sha256:new"}, workers=("queue",))
    with pytest.raises(BadInput, match="no container queue") as told:
        asyncio.run(target.change(new, BEFORE))
    assert told.value.fix
    assert template(world) == before
