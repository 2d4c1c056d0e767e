"""One connection to the cluster for whoever uses it at the same moment, closed when the last has ended.

A connection belongs to one event loop, and nobody tells a platform that its loop ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dawsos.adapters.kubernetes import Cluster


class Connection:
    """The cluster of one context, opened when it is needed; ``cluster`` is for what is used while it is open."""

    def __init__(self, context: str) -> None:
        self.context = context
        self.cluster = Cluster(context)
        self._users = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Cluster]:
        """Give the cluster; its connections are closed when nobody uses it any more."""
        self._users += 1
        try:
            yield self.cluster
        finally:
            self._users -= 1
            if not self._users:
                await self.cluster.close()
