"""The objects of a cluster in memory, for leases, routes and ConfigMaps: versions, conflicts and JSON Patch as Kubernetes has them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from dawsos.adapters.kubernetes import ApiError, Cluster, Object, PatchKind, Unreachable


class MemoryObjects:
    """``objects`` maps a path to an object.  Nobody answers while ``away``; ``before`` is called once, before the next change."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.away = False
        self.before: list[Callable[[], object]] = []
        self._version = 0

    @property
    def cluster(self) -> Cluster:
        """This as the type that the code asks for."""
        return cast(Cluster, self)

    def put(self, path: str, made: Object) -> Object:
        self._version += 1
        made = copy.deepcopy(made)
        meta = made.setdefault("metadata", {})
        meta.setdefault("name", path.rpartition("/")[2])
        meta.setdefault("uid", f"uid-{self._version}")
        meta["resourceVersion"] = str(self._version)
        self.objects[path] = made
        return copy.deepcopy(made)

    def _answering(self, *, change: bool = False) -> None:
        if change and self.before:
            self.before.pop(0)()
        if self.away:
            raise Unreachable("nobody answers", fix="")

    async def get(self, path: str) -> Object:
        self._answering()
        if path not in self.objects:
            raise ApiError(404, "NotFound", path, where=path)
        return copy.deepcopy(self.objects[path])

    async def find(self, path: str) -> Object | None:
        self._answering()
        return copy.deepcopy(self.objects.get(path))

    async def list(self, path: str, labels: Mapping[str, str] | None = None) -> list[Object]:
        self._answering()
        found = [each for where, each in sorted(self.objects.items()) if where.rpartition("/")[0] == path]
        wanted = (labels or {}).items()
        return copy.deepcopy([each for each in found if wanted <= (each["metadata"].get("labels") or {}).items()])

    async def create(self, path: str, body: Object) -> Object:
        self._answering(change=True)
        meta = body["metadata"]
        where = f"{path}/{meta.get('name') or meta['generateName'] + str(self._version)}"
        if where in self.objects:
            raise ApiError(409, "AlreadyExists", where, where=where)
        return self.put(where, body)

    async def replace(self, path: str, body: Object) -> Object:
        self._answering(change=True)
        there = await self.get(path)
        if body["metadata"].get("resourceVersion") not in (None, there["metadata"]["resourceVersion"]):
            raise ApiError(409, "Conflict", path, where=path)
        return self.put(path, body)

    async def delete(self, path: str, *, propagation: str = "Background") -> bool:
        self._answering(change=True)
        return self.objects.pop(path, None) is not None

    async def patch(self, path: str, body: Object | Sequence[Object], kind: PatchKind = "merge") -> Object:
        self._answering(change=True)
        assert kind == "json"
        assert not isinstance(body, dict)
        made = await self.get(path)
        for operation in body:
            _apply(made, operation, path)
        return self.put(path, made)


def _apply(document: Object, operation: Object, where: str) -> None:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    holder: Any = document
    try:
        for part in parts[:-1]:
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        if operation["op"] == "test":
            assert holder[parts[-1]] == operation["value"]
        else:
            holder[parts[-1]] = copy.deepcopy(operation["value"])
    except (KeyError, IndexError, AssertionError) as error:
        raise ApiError(422, "Invalid", f"{operation}: {error!r}", where=where) from error
