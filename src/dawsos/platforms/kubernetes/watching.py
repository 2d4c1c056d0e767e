"""Keeps a picture of the objects of one kind, by a watch, so that nobody asks the API server for them every second."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from contextlib import aclosing

from dawsos.adapters.kubernetes import ApiError, Cluster, Object, Unreachable
from dawsos.errors import InfrastructureError

# A watch that says nothing for so long is asked for anew: the API server sends a bookmark about once a minute.
_QUIET = 90.0
_PAUSE = 0.5


class Watch:
    """The objects at ``path`` with ``labels``, as they are now: uid -> object.

    ``current`` is False while the API server cannot be heard; ``objects`` is then how they were last.  ``changed(event, object)``
    is called for each change: ``ADDED``, ``MODIFIED`` or ``DELETED``.
    """

    def __init__(
        self,
        cluster: Cluster,
        path: str,
        labels: Mapping[str, str],
        changed: Callable[[str, Object], None] = lambda _event, _object: None,
    ) -> None:
        self.objects: dict[str, Object] = {}
        self.current = False
        self._cluster, self._path, self._labels, self._changed = cluster, path, dict(labels), changed
        self._task: asyncio.Task[None] | None = None

    @property
    def started(self) -> bool:
        """Whether it watches, even if nobody can be heard just now."""
        return self._task is not None

    async def start(self) -> None:
        """List the objects and go on watching; does nothing when it watches already.  Raises ApiError and Unreachable."""
        if self._task is None:
            version = await self._list()
            self._task = asyncio.create_task(self._follow(version))

    async def close(self) -> None:
        """Stop watching."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, InfrastructureError):
                await task

    async def _list(self) -> str:
        items, version = await self._cluster.listed(self._path, self._labels)
        found = {str(item["metadata"]["uid"]): item for item in items}
        for uid in self.objects.keys() - found.keys():
            self._apply("DELETED", self.objects[uid])
        for uid, item in found.items():
            self._apply("MODIFIED" if uid in self.objects else "ADDED", item)
        self.current = True
        return version

    async def _follow(self, version: str) -> None:
        try:
            while True:
                try:
                    await self._hear(version)
                except (ApiError, Unreachable):
                    self.current = False
                await asyncio.sleep(_PAUSE)
                version = await self._list_again()
        finally:
            self.current = False

    async def _hear(self, version: str) -> None:
        """Apply what the watch tells until it ends."""
        async with aclosing(self._cluster.watch(self._path, version, self._labels, quiet=_QUIET)) as events:
            async for event, found in events:
                if event != "BOOKMARK":
                    self._apply(event, found)

    async def _list_again(self) -> str:
        while True:
            try:
                return await self._list()
            except (ApiError, Unreachable):
                self.current = False
                await asyncio.sleep(_PAUSE)

    def _apply(self, event: str, found: Object) -> None:
        uid = str(found["metadata"]["uid"])
        if event == "DELETED":
            self.objects.pop(uid, None)
        else:
            self.objects[uid] = found
        self._changed(event, found)
