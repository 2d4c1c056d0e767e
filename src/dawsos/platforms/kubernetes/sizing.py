"""Keeps the sizes of stable and canary right while the traffic moves between them.

The canary gets as many replicas as stable has before it gets any weight, because a promotion must not wait for pods, and as many as
stable grows to meanwhile.  Stable keeps its size: its HorizontalPodAutoscaler would take away pods that a rollback needs back at
once.  After a promotion the autoscaler scales the release that serves.  A PodDisruptionBudget needs nothing: it counts pods by their
labels, whatever their number.

A release that does not serve any more keeps its replicas, for a way back without new pods, but not its worker: that would go on
with the work of the service in the code of another release.
"""

from __future__ import annotations

from typing import Any

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.kubernetes import Cluster, Object
from dawsos.errors import InfrastructureError
from dawsos.platforms.kubernetes.names import BACKEND, COMPONENT, DEPLOYMENT, INSTANCE, WORKER, WORKERS, Paths
from dawsos.platforms.kubernetes.routing import annotations_of, named
from dawsos.ports import Clock

# On an autoscaler: the smallest size that it had before the rollout.
BEFORE = "dawsos.dev/min-replicas"
_READY, _PAUSE = 120.0, 0.25


class Sizing:
    """The Deployments and the autoscaler of one release."""

    def __init__(self, cluster: Cluster, namespace: str, release: str, clock: Clock | None = None) -> None:
        self._cluster, self._release, self._clock = cluster, release, clock or SystemClock()
        self._paths = Paths(namespace)

    async def begin(self, stable: str, canary: str) -> None:
        """Hold stable's size, give the canary as many replicas, and wait until they are ready.  Raises InfrastructureError."""
        await self._hold(stable)
        await self._workers(stable, canary)
        await self.match(stable, canary)
        deadline = self._clock.monotonic() + _READY
        while True:
            found = await self._deployment(canary)
            if found is None or is_full(found):
                return
            if self._clock.monotonic() > deadline:
                ready = (found.get("status") or {}).get("readyReplicas", 0)
                raise InfrastructureError(
                    f"{ready} of the {found['spec']['replicas']} replicas of {canary} are ready after {_READY:g} s; "
                    f"it needs as many as {stable} has",
                    fix="see whether the nodes have room: kubectl get pods, kubectl describe nodes",
                )
            await self._clock.sleep(_PAUSE)

    async def match(self, stable: str, canary: str) -> None:
        """Give the canary as many replicas as stable has, without waiting for them; it never gets fewer."""
        serving, next_ = await self._deployment(stable), await self._deployment(canary)
        if serving is None or next_ is None:
            return
        wanted = size_of(serving)
        if wanted > size_of(next_):
            await self._cluster.patch(self._paths.of("deployments", named(next_)), {"spec": {"replicas": wanted}})

    async def end(self, serving: str | None) -> None:
        """Let the autoscaler scale the release that serves, give it its smallest size back, and its worker alone runs."""
        if serving is not None:
            await self._workers(serving)
        for found in await self._autoscalers():
            changes: Object = {}
            before = annotations_of(found).get(BEFORE)
            if before is not None:
                changes = {"metadata": {"annotations": {BEFORE: None}}, "spec": {"minReplicas": int(before)}}
            deployment = None if serving is None else await self._deployment(serving)
            target = found["spec"]["scaleTargetRef"]
            if deployment is not None and target["name"] != named(deployment):
                changes.setdefault("spec", {})["scaleTargetRef"] = {**target, "name": named(deployment)}
            if changes:
                await self._cluster.patch(self._paths.of("horizontalpodautoscalers", named(found)), changes)

    async def _workers(self, *running: str) -> None:
        """Scale the workers of these deployments to what they had, and all others to zero."""
        for found in await self._cluster.list(
            self._paths.of("deployments"), {INSTANCE: self._release, COMPONENT: WORKER}
        ):
            noted, size = annotations_of(found).get(WORKERS, ""), size_of(found)
            serves = found["metadata"]["labels"].get(DEPLOYMENT) in running
            if serves and noted.isdigit():
                # Whoever scaled it meanwhile is not corrected.
                changes: Object = {"metadata": {"annotations": {WORKERS: None}}}
                changes |= {} if size else {"spec": {"replicas": int(noted)}}
            elif not serves and size:
                changes = {"metadata": {"annotations": {WORKERS: str(size)}}, "spec": {"replicas": 0}}
            else:
                continue
            await self._cluster.patch(self._paths.of("deployments", named(found)), changes)

    async def _hold(self, stable: str) -> None:
        deployment = await self._deployment(stable)
        for found in await self._autoscalers():
            if deployment is None or found["spec"]["scaleTargetRef"]["name"] != named(deployment):
                continue
            least = int(found["spec"].get("minReplicas", 1))
            size = min(size_of(deployment), int(found["spec"]["maxReplicas"]))
            if size <= least:
                continue
            noted = annotations_of(found).get(BEFORE, str(least))
            changes: Object = {"metadata": {"annotations": {BEFORE: noted}}, "spec": {"minReplicas": size}}
            await self._cluster.patch(self._paths.of("horizontalpodautoscalers", named(found)), changes)

    async def _deployment(self, deployment: str) -> Object | None:
        labels = {INSTANCE: self._release, COMPONENT: BACKEND, DEPLOYMENT: deployment}
        found = await self._cluster.list(self._paths.of("deployments"), labels)
        return found[0] if found else None

    async def _autoscalers(self) -> list[dict[str, Any]]:
        labels = {INSTANCE: self._release, COMPONENT: BACKEND}
        return await self._cluster.list(self._paths.of("horizontalpodautoscalers"), labels)


def size_of(deployment: Object) -> int:
    """Return how many replicas a Deployment wants."""
    return int(deployment["spec"].get("replicas", 1))


def is_full(deployment: Object) -> bool:
    """Return whether all wanted replicas are ready, as seen by the controller after the last change."""
    status, meta = deployment.get("status") or {}, deployment["metadata"]
    seen = int(status.get("observedGeneration", 0)) >= int(meta.get("generation", 0))
    return seen and int(status.get("readyReplicas", 0)) >= size_of(deployment)
