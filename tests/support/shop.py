"""A release on a cluster as a chart would make it: two Services, one HTTPRoute, and pods of two deployments."""

from __future__ import annotations

from typing import Any

from dawsos.adapters.kubernetes import Object
from dawsos.platforms.kubernetes.names import BACKEND, COMPONENT, DEPLOYMENT, INSTANCE, NOBODY, ROLE
from fakes import VirtualClock
from support.memory_cluster import GATEWAY, NAMESPACE, PATHS, RELEASE, EnvoyPod, MemoryCluster

ROUTE = PATHS.of("httproutes", "shop")
STABLE, CANARY = PATHS.of("services", "shop-stable"), PATHS.of("services", "shop-canary")
ENVOYS = f"/api/v1/namespaces/{GATEWAY}/pods"


def labels_of(deployment: str) -> dict[str, str]:
    return {INSTANCE: RELEASE, COMPONENT: BACKEND, DEPLOYMENT: deployment}


def route(*rules: list[Object]) -> Object:
    refs = rules or ([{"name": "shop-stable", "port": 80, "weight": 1}],)
    made = [{"matches": [{"path": {"value": f"/{number}"}}], "backendRefs": each} for number, each in enumerate(refs)]
    return {
        "metadata": {"name": "shop", "namespace": NAMESPACE, "labels": {INSTANCE: RELEASE}},
        "spec": {"rules": made},
    }


def service(role: str, deployment: str) -> Object:
    return {
        "metadata": {"name": f"shop-{role}", "labels": {INSTANCE: RELEASE, ROLE: role}},
        "spec": {"selector": labels_of(deployment), "ports": [{"port": 80, "targetPort": "http"}]},
    }


def pod(name: str, deployment: str, **status: Any) -> Object:
    return {
        "metadata": {"name": name, "labels": labels_of(deployment)},
        "spec": {"containers": [{"name": "backend", "ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], **status},
    }


def envoy(name: str, restarts: int = 0) -> Object:
    running = {"name": "envoy", "restartCount": restarts, "state": {"running": {}}}
    return {"metadata": {"name": name, "labels": {"app": "envoy"}}, "status": {"containerStatuses": [running]}}


def a_shop(clock: VirtualClock, *, rate: float = 200.0, envoys: int = 1, stable: str = "one") -> MemoryCluster:
    """Return a cluster on which ``stable`` serves, with two pods, and the deployment ``two`` is ready as well."""
    made = MemoryCluster(clock, rate)
    for number in range(envoys):
        made.envoys[f"envoy-{number}"] = EnvoyPod(share=1 / envoys)
        made.put(f"{ENVOYS}/envoy-{number}", envoy(f"envoy-{number}"))
    for deployment in ("one", "two"):
        put_deployment(made, deployment)
    made.put(STABLE, service("stable", stable))
    made.put(CANARY, service("canary", NOBODY))
    made.put(ROUTE, route())
    return made


def put_deployment(made: MemoryCluster, deployment: str) -> None:
    path = PATHS.of("deployments", f"shop-backend-{deployment}")
    meta = {"name": f"shop-backend-{deployment}", "labels": labels_of(deployment)}
    status = {"observedGeneration": 9, "readyReplicas": 2}
    made.put(path, {"metadata": meta, "spec": {"replicas": 2}, "status": status})
    for number in range(2):
        name = f"{deployment}-{number}"
        made.put(PATHS.of("pods", name), pod(name, deployment))
