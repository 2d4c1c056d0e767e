"""A cluster in memory: the API server's answers to the calls of ``Cluster``, and a gateway of Envoys that follows the route.

JSON Patch, generations, managers of fields, labels and watches are as Kubernetes has them.  Time is virtual: the gateway sends
``rate`` requests a second, at the weights that the route had ``lag`` seconds ago.
"""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dawsos.adapters.kubernetes import ApiError, Object, PatchKind, Unreachable
from dawsos.platforms.kubernetes.names import COMPONENT, DEPLOYMENT, Paths
from fakes import VirtualClock
from support.memory_objects import MemoryObjects, Objects, has_labels

Names = list[str]
Weights = list[tuple[str, float]]
GATEWAY, NAMESPACE, RELEASE = "projectcontour", "shop", "shop-prod"
PATHS = Paths(NAMESPACE)
_SPEC = re.compile(r"^/spec(/|$)")


@dataclass
class EnvoyPod:
    """The counters of one Envoy: cluster -> counter -> value."""

    counters: dict[str, dict[str, float]] = field(default_factory=dict)
    readable: bool = True
    follows: bool = True
    share: float = 1.0


class MemoryCluster(MemoryObjects):
    """Objects as in ``MemoryObjects``, with watches and a gateway.  ``patches`` are all that were sent.

    Nobody answers who asks for a list of ``unlisted``.
    """

    def __init__(self, clock: VirtualClock, rate: float = 200.0) -> None:
        super().__init__()
        self.clock, self.rate, self.lag = clock, rate, 0.03
        self.envoys: dict[str, EnvoyPod] = {}
        self.slices_lag = 0
        self.patches: list[Sequence[Object] | Object] = []
        self.metrics: dict[str, str] = {}
        self.unlisted: set[str] = set()
        self._watching: list[tuple[str, dict[str, str], asyncio.Queue[tuple[str, Object] | None]]] = []
        self._history: list[tuple[float, list[tuple[str, float]]]] = []
        self._counted = clock.monotonic()
        self._owed: dict[tuple[str, str], float] = {}

    # What a person or another controller does.

    def put(self, path: str, made: Object, manager: str = "helm") -> Object:
        """Put the object itself there, as ``manager``."""
        self._version += 1
        before = self.objects.get(path)
        meta = made.setdefault("metadata", {})
        meta.setdefault("uid", f"uid-{self._version}")
        meta.setdefault("generation", 1)
        if before is not None:
            meta["uid"] = before["metadata"]["uid"]
            meta["generation"] = before["metadata"]["generation"] + (before.get("spec") != made.get("spec"))
        meta["resourceVersion"] = str(self._version)
        fields: Object = {"f:spec": {"f:rules": {}, "f:selector": {}}}
        changed = before is None or before.get("spec") != made.get("spec")
        if changed:
            meta["managedFields"] = [{"manager": manager, "time": str(self._version).zfill(6), "fieldsV1": fields}]
        self.objects[path] = made
        self._tell("MODIFIED" if before is not None else "ADDED", path, made)
        if "/httproutes/" in path:
            self._history.append((self.clock.monotonic(), self._weights(made)))
        return made

    def edit(self, path: str, manager: str = "kubectl-edit") -> Any:
        """Return a copy of an object and what puts it back."""
        return copy.deepcopy(self.objects[path]), lambda made: self.put(path, made, manager)

    def drop(self, path: str) -> None:
        found = self.objects[path]
        super().drop(path)
        self._tell("DELETED", path, found)

    def interrupt(self) -> None:
        """End all watches."""
        for _, _, queue in self._watching:
            queue.put_nowait(None)
        self._watching.clear()

    def _tell(self, event: str, path: str, found: Object) -> None:
        for kind, labels, queue in self._watching:
            if path.rpartition("/")[0] == kind and has_labels(found, labels):
                queue.put_nowait((event, copy.deepcopy(found)))

    # The calls of Cluster.

    async def list(self, path: str, labels: Mapping[str, str] | None = None) -> Objects:
        return (await self.listed(path, labels))[0]

    async def listed(self, path: str, labels: Mapping[str, str] | None = None) -> tuple[Objects, str]:
        self.answering()
        if path in self.unlisted:
            raise Unreachable("nobody answers", fix="")
        if path == PATHS.of("endpointslices"):
            return self._slices((labels or {})["kubernetes.io/service-name"]), ""
        found = [each for where, each in self.objects.items() if where.rpartition("/")[0] == path]
        return copy.deepcopy([each for each in found if has_labels(each, labels or {})]), str(self._version)

    async def watch(
        self, path: str, _version: str, labels: Mapping[str, str] | None = None, *, quiet: float | None = None
    ) -> AsyncGenerator[tuple[str, Object]]:
        self.answering()
        queue: asyncio.Queue[tuple[str, Object] | None] = asyncio.Queue()
        self._watching.append((path, dict(labels or {}), queue))
        while (told := await queue.get()) is not None:
            yield told

    async def patch(self, path: str, body: Object | Sequence[Object], kind: PatchKind = "merge") -> Object:
        self.patches.append(body)
        made = await super().patch(path, body, kind)
        self._after_patch(path, made)
        return made

    def _after_patch(self, path: str, made: Object) -> None:
        if "/deployments/" in path and made["spec"].get("replicas") == 0:
            chosen = {key: made["metadata"]["labels"][key] for key in (DEPLOYMENT, COMPONENT)}
            for where in [w for w, pod in self.objects.items() if "/pods/" in w and has_labels(pod, chosen)]:
                self.drop(where)

    async def page(
        self, namespace: str, pod: str, port: int, path: str, params: Mapping[str, str] | None = None
    ) -> str:
        self.answering()
        if namespace == GATEWAY:
            self._count()
            if not self.envoys[pod].readable:
                raise Unreachable("no route to the pod", fix="")
            return _envoy_page(self.envoys[pod], re.compile((params or {})["filter"]))
        if pod not in self.metrics:
            raise ApiError(404, "NotFound", pod, where=path)
        return self.metrics[pod]

    # Kubernetes' controllers and the gateway.

    def _slices(self, service: str) -> Objects:
        if self.slices_lag:
            self.slices_lag -= 1
            return []
        return [{"endpoints": [{"targetRef": {"name": name}} for name in self._endpoints(service)]}]

    def _endpoints(self, service: str) -> Names:
        selector = self.objects[PATHS.of("services", service)]["spec"]["selector"]
        pods = [pod for where, pod in self.objects.items() if where.startswith(PATHS.of("pods") + "/")]
        return [pod["metadata"]["name"] for pod in pods if has_labels(pod, selector) and _ready(pod)]

    def _weights(self, route: Object) -> Weights:
        return [(ref["name"], float(ref.get("weight", 1))) for ref in route["spec"]["rules"][0]["backendRefs"]]

    def _count(self) -> None:
        """Let the gateway send what it has got since the last look, a hundredth of a second at a time."""
        while self._counted + 0.01 <= self.clock.monotonic():
            self._counted += 0.01
            for name, envoy in self.envoys.items():
                self._send(name, envoy)

    def _send(self, name: str, envoy: EnvoyPod) -> None:
        at = self._counted - (self.lag if envoy.follows else 1e9)
        past = [weights for when, weights in self._history if when <= at] or [self._history[0][1]]
        weights = past[-1]
        routed = [service for service, _ in (self._history[-1][1] if envoy.follows else weights)]
        for gone in envoy.counters.keys() - {cluster(service) for service in (*routed, *(s for s, _ in weights))}:
            del envoy.counters[gone]
        for service in routed:
            known = envoy.counters.setdefault(cluster(service), {})
            members = float(len(self._endpoints(service)))
            chosen = hash(tuple(self._endpoints(service)))
            if known.get("chosen") != chosen:
                known["membership_change"] = known.get("membership_change", 0.0) + 1
            known.update(membership_total=members, chosen=chosen)
        whole = sum(weight for _, weight in weights)
        for service, weight in weights:
            self._owed[name, service] = self._owed.get((name, service), 0.0) + (
                self.rate * 0.01 * envoy.share * weight / whole if whole else 0.0
            )
            sent, kept = int(self._owed[name, service]), envoy.counters[cluster(service)]
            self._owed[name, service] -= sent
            kept["upstream_rq_completed"] = kept.get("upstream_rq_completed", 0.0) + sent
            if kept["membership_total"]:
                kept["upstream_rq_total"] = kept.get("upstream_rq_total", 0.0) + sent
            else:
                kept["upstream_cx_none_healthy"] = kept.get("upstream_cx_none_healthy", 0.0) + sent
                kept["upstream_rq_503"] = kept["upstream_rq_5xx"] = kept["upstream_cx_none_healthy"]


def cluster(service: str) -> str:
    return f"{NAMESPACE}_{service}_80"


def _envoy_page(envoy: EnvoyPod, wanted: re.Pattern[str]) -> str:
    lines = []
    for name, counters in envoy.counters.items():
        for key, value in {"upstream_rq_total": 0.0, "upstream_rq_active": 0.0, **counters}.items():
            if not wanted.search(f"cluster.{name}.{key}"):
                continue
            labels = f'envoy_cluster_name="{name}"'
            if key == "upstream_rq_5xx":
                key, labels = "upstream_rq_xx", f'envoy_response_code_class="5",{labels}'
            elif key == "upstream_rq_503":
                key, labels = "upstream_rq", f'envoy_response_code="503",{labels}'
            lines.append(f"envoy_cluster_{key}{{{labels}}} {value:g}\n")
    return "".join(lines)


def _ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
