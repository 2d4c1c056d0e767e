"""Reads the statistics of every pod of the gateway, all at once: a pod that cannot be read is told, never left out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from dawsos.adapters.http import HttpClient, HttpError
from dawsos.adapters.kubernetes import Cluster, Object
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.cluster import Gateway
from dawsos.platforms.kubernetes.gateways.contract import Backend, GatewayAdapter
from dawsos.platforms.kubernetes.gateways.registry import GATEWAYS
from dawsos.platforms.kubernetes.names import BACKEND, COMPONENT, DEPLOYMENT, INSTANCE, Paths
from dawsos.platforms.kubernetes.watching import Watch
from dawsos.platforms.readings import NOTHING, Reading, together

# How long one pod may take to answer.
_WITHIN = 2.0
# Of one process of the gateway: what it has counted of each backend (None for one that it does not know); None when it could
# not be read.
PodReading = Mapping[str, Reading | None] | None


class GatewayPods:
    """The pods of the gateway that ``settings`` name."""

    def __init__(self, cluster: Cluster, namespace: str, release: str, settings: Gateway) -> None:
        self.adapter: GatewayAdapter = GATEWAYS[settings.kind]
        self._cluster, self._direct = cluster, settings.reach == "direct"
        self._namespace = settings.namespace or self.adapter.namespace
        self._labels = dict(settings.selector or self.adapter.selector)
        if self.adapter.of_the_release:
            self._namespace, self._labels = namespace, {INSTANCE: release, COMPONENT: BACKEND}
        self._port = settings.port or self.adapter.port
        self._path = settings.path or self.adapter.path
        self._watch = Watch(cluster, Paths(self._namespace).of("pods"), self._labels)
        self._client = HttpClient(timeout=_WITHIN)

    async def start(self) -> None:
        """Begin to watch the pods.  Raises BadInput when there is none to begin with, ApiError and Unreachable."""
        if self._watch.started:
            return
        await self._watch.start()
        if not self._watch.objects:
            labels = ",".join(f"{key}={value}" for key, value in self._labels.items())
            raise BadInput(
                f"no pod in the namespace {self._namespace} has the labels {labels}: nobody can tell what the gateway does",
                fix="set `gateway` of the environment in pipeline.yaml: kind, namespace, selector",
            )

    async def close(self) -> None:
        await self._watch.close()
        await self._client.close()

    @property
    def current(self) -> bool:
        """Whether the list of pods is up to date."""
        return self._watch.current

    async def read(self, backends: Mapping[str, Backend]) -> dict[str, PodReading]:
        """Return process of the gateway -> role -> reading.  A process is a pod with the number of its restarts."""
        await self.start()
        pods = [pod for pod in self._watch.objects.values() if serves(pod)]
        found = await asyncio.gather(*(self._of(pod, backends) for pod in pods))
        read = {process_of(pod): each for pod, each in zip(pods, found, strict=True)}
        return as_one(read) if self.adapter.of_the_release else read

    async def _of(self, pod: Object, backends: Mapping[str, Backend]) -> PodReading:
        query = self.adapter.query(tuple(backends.values()))
        try:
            async with asyncio.timeout(_WITHIN):
                page = await self._page(pod, query)
        except (InfrastructureError, HttpError, TimeoutError):
            return None
        unknown = NOTHING if self.adapter.unused_is_nothing else None
        if self.adapter.of_the_release:
            mine = pod["metadata"]["labels"].get(DEPLOYMENT)
            return {
                role: self.adapter.read(page, backend) or unknown if backend.deployment == mine else NOTHING
                for role, backend in backends.items()
            }
        return {role: self.adapter.read(page, backend) or unknown for role, backend in backends.items()}

    async def _page(self, pod: Object, query: Mapping[str, str]) -> str:
        if self._direct:
            address = pod.get("status", {}).get("podIP", "")
            return await self._client.page(f"http://{address}:{self._port}{self._path}", query)
        return await self._cluster.page(self._namespace, pod["metadata"]["name"], self._port, self._path, query)


def as_one(found: Mapping[str, PodReading]) -> dict[str, PodReading]:
    """Return pods that each tell of their own requests as one process, which is another one when a pod comes, goes or restarts."""
    name = " ".join(sorted(found))
    parts = list(found.values())
    if not parts or any(part is None for part in parts):
        return {name: None} if parts else {}
    roles = {role for part in parts if part is not None for role in part}
    return {name: {role: _joined(found, role) for role in roles}}


def _joined(found: Mapping[str, PodReading], role: str) -> Reading | None:
    readings = {process: part[role] for process, part in found.items() if part is not None}
    known = {process: reading for process, reading in readings.items() if reading is not None}
    return together(known) if len(known) == len(readings) else None


def serves(pod: Object) -> bool:
    """Return whether a process of the pod runs, ready or not: it may have connections of users."""
    return any("running" in (each.get("state") or {}) for each in _containers(pod))


def process_of(pod: Object) -> str:
    """Return a name of the processes of a pod that changes when one of them is started again."""
    restarts = sum(int(each.get("restartCount", 0)) for each in _containers(pod))
    return f"{pod['metadata']['name']}/{pod['metadata']['uid']}/{restarts}"


def _containers(pod: Object) -> list[Object]:
    return list(pod.get("status", {}).get("containerStatuses") or [])
