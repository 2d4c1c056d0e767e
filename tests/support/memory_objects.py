"""The objects of a cluster in memory: versions, conflicts, labels and patches as Kubernetes has them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from dawsos.adapters.kubernetes import ApiError, Cluster, Object, PatchKind, Unreachable

Objects = list[Object]


class MemoryObjects:
    """``objects`` maps a path to an object.  Nobody answers while ``away``; each of ``before`` is called once, before a change."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.away = False
        self.before: list[Callable[[], object]] = []
        self._version = 0

    @property
    def cluster(self) -> Cluster:
        """This as the type that the code asks for."""
        return cast(Cluster, self)

    def put(self, path: str, made: Object, manager: str = "") -> Object:
        """Put a copy of an object there, as ``manager``."""
        self._version += 1
        made = copy.deepcopy(made)
        meta = made.setdefault("metadata", {})
        meta.setdefault("name", path.rpartition("/")[2])
        meta.setdefault("uid", f"uid-{self._version}")
        meta["resourceVersion"] = str(self._version)
        self.objects[path] = made
        return copy.deepcopy(made)

    def drop(self, path: str) -> None:
        """Remove an object, as a person or a controller does."""
        del self.objects[path]

    def answering(self, *, change: bool = False) -> None:
        """Let happen what comes before a change; raises Unreachable while nobody answers."""
        if change and self.before:
            self.before.pop(0)()
        if self.away:
            raise Unreachable("nobody answers", fix="")

    async def get(self, path: str) -> Object:
        self.answering()
        if path not in self.objects:
            raise ApiError(404, "NotFound", path, where=path)
        return copy.deepcopy(self.objects[path])

    async def find(self, path: str) -> Object | None:
        self.answering()
        return copy.deepcopy(self.objects.get(path))

    async def list(self, path: str, labels: Mapping[str, str] | None = None) -> Objects:
        self.answering()
        found = [each for where, each in self.objects.items() if where.rpartition("/")[0] == path]
        return copy.deepcopy([each for each in found if has_labels(each, labels or {})])

    async def create(self, path: str, body: Object) -> Object:
        self.answering(change=True)
        meta = body["metadata"]
        where = f"{path}/{meta.get('name') or meta['generateName'] + str(self._version)}"
        if where in self.objects:
            raise ApiError(409, "AlreadyExists", where, where=where)
        return self.put(where, copy.deepcopy(body), "dawsos")

    async def replace(self, path: str, body: Object) -> Object:
        self.answering(change=True)
        there = await self.get(path)
        if body["metadata"].get("resourceVersion") not in (None, there["metadata"]["resourceVersion"]):
            raise ApiError(409, "Conflict", path, where=path)
        return self.put(path, body, "dawsos")

    async def delete(self, path: str, *, propagation: str = "Background") -> bool:
        self.answering(change=True)
        if path not in self.objects:
            return False
        self.drop(path)
        return True

    async def patch(self, path: str, body: Object | Sequence[Object], kind: PatchKind = "merge") -> Object:
        self.answering(change=True)
        if kind == "apply" and path not in self.objects:
            assert isinstance(body, dict)
            return copy.deepcopy(self.put(path, copy.deepcopy(body), "dawsos"))
        made = await self.get(path)
        if isinstance(body, dict):
            assert kind != "json"
            _merge(made, body)
        else:
            apply_json_patch(made, body, path)
        return copy.deepcopy(self.put(path, made, "dawsos"))


def has_labels(found: Object, labels: Mapping[str, str]) -> bool:
    return labels.items() <= (found["metadata"].get("labels") or {}).items()


def _merge(target: Object, patch: Object) -> None:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


def apply_json_patch(document: Object, operations: Sequence[Object], where: str) -> None:
    """Carry out operations of JSON Patch (RFC 6902) in place; one that cannot be is refused as the API server refuses it."""
    for operation in operations:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        holder: Any = document
        try:
            for part in parts[:-1]:
                holder = holder[int(part)] if isinstance(holder, list) else holder[part]
            last: Any = parts[-1]
            if isinstance(holder, list):
                last = len(holder) if last == "-" else int(last)
            _operate(holder, last, operation)
        except (KeyError, IndexError, AssertionError) as error:
            raise ApiError(422, "Invalid", f"{operation['op']} failed: {operation}", where=where) from error


def _operate(holder: Any, last: Any, operation: Object) -> None:
    kind, value = operation["op"], copy.deepcopy(operation.get("value"))
    if kind == "test":
        assert holder[last] == value
    elif kind == "remove":
        del holder[last]
    elif kind == "add" and isinstance(holder, list):
        holder.insert(last, value)
    elif kind in ("add", "replace"):
        holder[last] = value
    else:
        raise AssertionError(f"{kind} is not used")
