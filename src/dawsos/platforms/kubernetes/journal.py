"""The journals of rollouts as ConfigMaps beside the release: parts of compressed events, and a signed head for each run."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from dawsos.adapters.kubernetes import ApiError, Cluster, Object
from dawsos.platforms.contract import KeptHead
from dawsos.platforms.kubernetes.conducting import HOLD
from dawsos.platforms.kubernetes.lease import Lease, LeaseHeld, holder_name
from dawsos.platforms.kubernetes.names import INSTANCE, Paths

if TYPE_CHECKING:
    from dawsos.ports import Clock

RUN, PART = "dawsos.dev/run", "dawsos.dev/journal"
HEAD = "head"
# So many runs stay; a ConfigMap must be smaller than 1 MiB.
_KEPT = 5


class ClusterJournal:
    """Implements ``contract.RolloutJournal`` for ``release`` in ``namespace``."""

    def __init__(self, cluster: Cluster, namespace: str, release: str, clock: Clock | None = None) -> None:
        self._cluster, self._namespace, self._release = cluster, namespace, release
        self._kind = Paths(namespace).of("configmaps")
        self._clock = clock

    @classmethod
    def of(cls, context: str, namespace: str, release: str) -> ClusterJournal:
        """Return the journal in the cluster of the kubeconfig's ``context``."""
        return cls(Cluster(context), namespace, release)

    async def put(self, run: str, part: int, content: bytes) -> None:
        await self._put(run, str(part), {"binaryData": {"events": base64.b64encode(content).decode()}})

    async def put_head(self, head: KeptHead) -> None:
        await self._put(head.run, HEAD, {"data": {"statement": head.statement, "parts": str(head.parts)}})
        for old in (await self.heads())[_KEPT:]:
            await self._forget(old)

    async def _put(self, run: str, part: str, content: Object) -> None:
        name = f"{self._release}-run-{run}-{part}"
        labels = {INSTANCE: self._release, "app.kubernetes.io/managed-by": "dawsos", RUN: run, PART: part}
        body: Object = {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, **content,
        }  # fmt: skip
        try:
            await self._cluster.replace(f"{self._kind}/{name}", body)
        except ApiError as error:
            if error.status != 404:
                raise
            await self._cluster.create(self._kind, body)

    async def heads(self) -> tuple[KeptHead, ...]:
        found = await self._cluster.list(self._kind, {INSTANCE: self._release, PART: HEAD})
        heads = [
            KeptHead(each["metadata"]["labels"][RUN], str(data.get("statement", "")), int(data.get("parts", 0)))
            for each in found
            if RUN in each["metadata"]["labels"] and (data := each.get("data") or {}).get("parts", "0").isdecimal()
        ]
        # The name of a run begins with its time.
        return tuple(sorted(heads, key=lambda head: head.run, reverse=True))

    async def read(self, head: KeptHead) -> tuple[bytes, ...]:
        found = []
        for part in range(head.parts):
            kept = await self._cluster.get(f"{self._kind}/{self._release}-run-{head.run}-{part}")
            found.append(base64.b64decode((kept.get("binaryData") or {}).get("events", "")))
        return tuple(found)

    async def claim(self) -> str:
        lease = Lease(self._cluster, self._namespace, self._release, holder_name(), clock=self._clock)
        try:
            await lease.acquire(HOLD)
        except LeaseHeld as held:
            return held.holder
        return ""

    async def _forget(self, head: KeptHead) -> None:
        # The head last: what is killed in between is found, and removed, the next time.
        for part in range(head.parts):
            await self._cluster.delete(f"{self._kind}/{self._release}-run-{head.run}-{part}")
        await self._cluster.delete(f"{self._kind}/{self._release}-run-{head.run}-{HEAD}")

    async def close(self) -> None:
        await self._cluster.close()
