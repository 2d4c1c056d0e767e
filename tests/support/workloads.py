"""Objects of a release on a cluster as plain values, and a cluster in memory that has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dawsos.adapters.kubernetes import ApiError, Object, Objects
from dawsos.model.service import Service
from dawsos.platforms.kubernetes.names import (
    BACKEND,
    COMMIT,
    COMPONENT,
    DEPLOYMENT,
    INSTANCE,
    RELEASE,
    ROLE,
    STANDBY,
    Paths,
)
from dawsos.platforms.kubernetes.state import Seen
from dawsos.platforms.kubernetes.target import Target
from fakes import VirtualClock
from support.memory_cluster import NAMESPACE, MemoryCluster
from support.memory_cluster import RELEASE as INSTALLED

SERVICE = Service.model_validate({"project": ".", "requirements": "requirements.txt", "command": "python -m shop"})
TARGET = Target("c", NAMESPACE, INSTALLED, Path("charts/shop"), (), f"{INSTALLED}-env")
# 2001-09-09T01:46:40Z.
NOW = 1_000_000_000.0


def workload(deployment: str, image: str, replicas: int = 2, component: str = BACKEND, **annotations: str) -> Object:
    """Return a Deployment as the chart makes it; ``annotations`` are release and commit."""
    labels = {INSTANCE: INSTALLED, COMPONENT: component, DEPLOYMENT: deployment}
    told = {RELEASE: annotations.get("release", ""), COMMIT: annotations.get("commit", "")}
    container = {"name": component, "image": image, "env": [{"name": "DEPLOYMENT_ID", "value": deployment}]}
    return {
        "kind": "Deployment",
        "metadata": {"name": f"shop-{component}-{deployment}", "labels": labels, "annotations": told, "generation": 1},
        "spec": {
            "replicas": replicas,
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
        "status": {"observedGeneration": 1, "updatedReplicas": replicas},
    }


def pod(
    name: str,
    deployment: str,
    state: Mapping[str, Any] | None = None,
    *,
    ready: bool = False,
    component: str = BACKEND,
    restarts: int = 0,
    last: Mapping[str, Any] | None = None,
    image: str = "shop@sha256:1",
    age: float = 1.0,
) -> Object:
    """Return a pod that was made ``age`` seconds before NOW."""
    from datetime import UTC, datetime

    made = datetime.fromtimestamp(NOW - age, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    status: Object = {"name": component, "restartCount": restarts, "ready": ready}
    status["state"] = dict(state if state is not None else {"running": {"startedAt": made}})
    status["lastState"] = {"terminated": dict(last)} if last else {}
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": made,
            "labels": {INSTANCE: INSTALLED, COMPONENT: component, DEPLOYMENT: deployment},
        },
        "spec": {"containers": [{"name": component, "image": image, "ports": [{"containerPort": 8000}]}]},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.7",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [status],
        },
    }


def service(role: str, deployment: str, standby: str = "") -> Object:
    """Return one of the two Services."""
    return {
        "metadata": {
            "name": f"shop-{role}",
            "labels": {INSTANCE: INSTALLED, ROLE: role},
            "annotations": {STANDBY: standby} if standby else {},
        },
        "spec": {"selector": {DEPLOYMENT: deployment}, "ports": [{"port": 80}], "clusterIP": "10.96.1.2"},
    }


def route(canary: int | None = None) -> Object:
    """Return the route; with a weight the canary is one of its backends."""
    refs: Objects = [{"name": "shop-stable", "port": 80}]
    if canary is not None:
        refs = [{"name": "shop-stable", "weight": 100 - canary}, {"name": "shop-canary", "weight": canary}]
    return {
        "metadata": {"name": "shop", "namespace": NAMESPACE, "labels": {INSTANCE: INSTALLED}},
        "spec": {"parentRefs": [{"name": "contour", "namespace": "projectcontour"}], "rules": [{"backendRefs": refs}]},
    }


def serving(standby: str = "") -> Seen:
    """Return an environment whose release ``a`` serves with two ready pods."""
    return Seen(
        deployments=[workload("a", "shop@sha256:1", release="d" * 64, commit="c" * 40)],
        services=[service("stable", "a", standby), service("canary", "none")],
        pods=[pod("a-1", "a", ready=True), pod("a-2", "a", ready=True)],
        routes=[route()],
    )


class PaperCluster(MemoryCluster):
    """``MemoryCluster`` with the other calls; ``rights`` answers questions about them, ``raw`` answers single requests."""

    def __init__(self, clock: VirtualClock, seen: Seen | None = None) -> None:
        super().__init__(clock)
        self.raw: dict[str, bytes | ApiError] = {}
        self.refused: set[tuple[str, str, str]] = set()
        self.asked: list[tuple[str, str, str]] = []
        self.given: list[Object] = []
        kinds = ("deployments", "statefulsets", "services", "pods", "httproutes")
        listed = (seen.deployments, seen.sets, seen.services, seen.pods, seen.routes) if seen else ([],) * 5
        for kind, objects in zip(kinds, listed, strict=True):
            for one in objects:
                self.put(Paths(NAMESPACE).of(kind, one["metadata"]["name"]), one)

    async def find(self, path: str) -> Object | None:
        try:
            return await self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def request(self, method: str, path: str, *, params: Mapping[str, str] | None = None) -> bytes:
        self.answering()
        found = self.raw.get(path, ApiError(404, "NotFound", path, where=path))
        if isinstance(found, ApiError):
            raise found
        return found

    async def allowed(self, namespace: str, verb: str, resource: str, *, group: str = "", name: str = "") -> bool:
        self.asked.append((namespace, verb, resource))
        return (namespace, verb, resource) not in self.refused

    async def rules(self, _namespace: str) -> list[Object]:
        return self.given

    async def close(self) -> None: ...
