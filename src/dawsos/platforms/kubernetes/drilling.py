"""The faults of a drill, each with a connection of its own to the cluster; what was killed is noted on its Deployment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dawsos.adapters.kubernetes import Cluster
from dawsos.platforms.faults import FaultKind, WireFault
from dawsos.platforms.kubernetes.connection import Connection
from dawsos.platforms.kubernetes.deployments import look
from dawsos.platforms.kubernetes.faults import KubernetesFaults
from dawsos.platforms.kubernetes.helm import Helm
from dawsos.platforms.kubernetes.names import BACKEND, COMPONENT, CRASHED, DEPLOYMENT, Paths
from dawsos.platforms.kubernetes.state import Seen, killed, label, named, roles_of
from dawsos.platforms.kubernetes.target import Target
from dawsos.ports import Clock

# The tool's own image, which has Envoy, where the chart's values name no other.
_IMAGE = "dawsos-tool:latest"


@dataclass(frozen=True)
class ClusterFaults:
    """Implements ``contract.FaultInjector``.  The Envoy of a fault runs in the image of the guardian, which is the tool's own."""

    connection: Connection
    target: Target
    helm: Helm
    clock: Clock
    # A gateway's connections to a pod, and what a pod's container holds, cannot be had without changing the release.
    able: frozenset[FaultKind] = frozenset({"answers", "processes"})

    async def set_fault(self, fault: WireFault) -> None:
        """Put the fault in front of the canary; does nothing without a canary."""
        async with self.connection.open() as cluster:
            if roles_of(await look(cluster, self.target)).canary is None:
                return
            image = tool_image(await self.helm.values() or {})
            await self._faults(cluster, image).set_fault(fault)

    async def clear(self) -> None:
        """Take the fault away; does nothing when there is none, or no environment yet."""
        async with self.connection.open() as cluster:
            if stands(await look(cluster, self.target)):
                await self._faults(cluster).clear()

    async def crash(self, deployment: str) -> None:
        """Kill the pods of a deployment and note that, because the pods in their place do not know."""
        async with self.connection.open() as cluster:
            seen = await look(cluster, self.target)
            workload = seen.of(BACKEND).get(deployment)
            if workload is None:
                return
            pods = [
                pod for pod in seen.pods if (label(pod, DEPLOYMENT), label(pod, COMPONENT)) == (deployment, BACKEND)
            ]
            now = self.clock.now()
            times = json.dumps([*killed(workload, now), *[now] * len(pods)])
            path = Paths(self.target.namespace).of("deployments", named(workload))
            await cluster.patch(path, {"metadata": {"annotations": {CRASHED: times}}})
            await self._faults(cluster).crash(deployment)

    async def grow(self, deployment: str) -> None:
        """Not among what this platform is able to do."""
        raise NotImplementedError(f"{deployment}: no memory of a pod grows by a drill")

    def _faults(self, cluster: Cluster, image: str = "") -> KubernetesFaults:
        return KubernetesFaults(cluster, self.target.namespace, self.target.release, image, clock=self.clock)


def stands(seen: Seen) -> bool:
    """Return whether the objects that a route needs are there."""
    return bool(seen.routes) and seen.service("stable") is not None and seen.service("canary") is not None


def tool_image(values: Mapping[str, Any]) -> str:
    """Return the image of the guardian as the chart's values name it."""
    image = (values.get("guardian") or {}).get("image") or {}
    if not image.get("repository"):
        return _IMAGE
    if image.get("digest"):
        return f"{image['repository']}@{image['digest']}"
    return f"{image['repository']}:{image.get('tag') or 'latest'}"
