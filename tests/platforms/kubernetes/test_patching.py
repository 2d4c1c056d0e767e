"""A patch is repeated when somebody else changed the object meanwhile, and for no other reason."""

from __future__ import annotations

import asyncio

import pytest

from dawsos.adapters.kubernetes import ApiError, Object
from dawsos.errors import InfrastructureError
from dawsos.platforms.kubernetes.patching import patched
from support.memory_objects import MemoryObjects

PATH = "/api/v1/namespaces/shop/configmaps/one"


def raised(found: Object | None) -> list[Object]:
    """Add one to the number, which must be as it was read."""
    assert found is not None
    number = found["data"]["number"]
    return [
        {"op": "test", "path": "/data/number", "value": number},
        {"op": "replace", "path": "/data/number", "value": number + 1},
    ]


def made() -> MemoryObjects:
    objects = MemoryObjects()
    objects.put(PATH, {"data": {"number": 1}})
    return objects


def test_it_is_repeated_with_what_somebody_else_made_meanwhile() -> None:
    objects = made()
    objects.before = [lambda: objects.put(PATH, {"data": {"number": 10}})] * 2
    asyncio.run(patched(objects.cluster, PATH, raised))
    assert objects.objects[PATH]["data"] == {"number": 11}


def test_an_empty_patch_ends_it_and_an_object_that_is_not_there_is_told() -> None:
    objects = MemoryObjects()
    seen: list[Object | None] = []

    def nothing(found: Object | None) -> list[Object]:
        seen.append(found)
        return []

    asyncio.run(patched(objects.cluster, PATH, nothing))
    assert (seen, objects.objects) == ([None], {})


def test_an_object_that_changes_all_the_time_is_an_error_and_no_endless_loop() -> None:
    objects = made()
    numbers = iter(range(2, 100))
    objects.before = [lambda: objects.put(PATH, {"data": {"number": next(numbers)}})] * 50
    with pytest.raises(InfrastructureError, match="one of configmaps changes too often"):
        asyncio.run(patched(objects.cluster, PATH, raised))


def test_a_refusal_is_raised_at_once() -> None:
    objects, tries = made(), []

    def refuse() -> None:
        tries.append(1)
        raise ApiError(403, "Forbidden", "no", where=PATH)

    objects.before = [refuse] * 3
    with pytest.raises(ApiError, match="no"):
        asyncio.run(patched(objects.cluster, PATH, raised))
    assert len(tries) == 1
