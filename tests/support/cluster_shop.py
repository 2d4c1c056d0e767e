"""A release on a real cluster, as a chart would make it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from dawsos.adapters.kubernetes import Cluster
from dawsos.platforms.kubernetes.names import BACKEND, COMPONENT, DEPLOYMENT, INSTANCE, NOBODY, ROLE, Paths

RELEASE = "shop"
Object = dict[str, Any]


def labels(deployment: str) -> dict[str, str]:
    return {INSTANCE: RELEASE, COMPONENT: BACKEND, DEPLOYMENT: deployment}


def deployment(name: str, image: str, *, memory: str = "96Mi", replicas: int = 2) -> Object:
    """Return a Deployment whose pods answer with the name ``name``."""
    container = {
        "name": "backend",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": "GIT_SHA", "value": name}, {"name": "PORT", "value": "8000"}],
        "ports": [{"name": "http", "containerPort": 8000}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"sleep": {"seconds": 2}}},
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": memory}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"shop-backend-{name}", "labels": labels(name)},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels(name)},
            "template": {
                "metadata": {"labels": labels(name)},
                "spec": {"terminationGracePeriodSeconds": 8, "containers": [container]},
            },
        },
    }


def service(role: str, selected: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"shop-{role}", "labels": {INSTANCE: RELEASE, ROLE: role}},
        "spec": {
            "selector": labels(selected),
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }


def route(host: str, parent: Object) -> Object:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "shop", "labels": {INSTANCE: RELEASE}},
        "spec": {
            "parentRefs": [parent],
            "hostnames": [host],
            "rules": [{"backendRefs": [{"name": "shop-stable", "port": 80}]}],
        },
    }


async def install(cluster: Cluster, namespace: str, parent: Object, *deployments: Object) -> None:
    """Make the objects, the first deployment stable, and wait until all pods are ready."""
    paths, first = Paths(namespace), deployments[0]["metadata"]["labels"][DEPLOYMENT]
    made = [
        *(("deployments", each) for each in deployments),
        ("services", service("stable", first)),
        ("services", service("canary", NOBODY)),
        ("httproutes", route(host_of(namespace), parent)),
    ]
    for kind, each in made:
        await cluster.patch(paths.of(kind, each["metadata"]["name"]), each, "apply")
    for each in deployments:
        await ready(cluster, paths.of("deployments", each["metadata"]["name"]))


async def ready(cluster: Cluster, path: str, within: float = 90.0) -> None:
    """Wait until a Deployment has all its replicas."""
    deadline = time.monotonic() + within
    while True:
        found = await cluster.get(path)
        if found.get("status", {}).get("readyReplicas", 0) >= found["spec"]["replicas"]:
            return
        assert time.monotonic() < deadline, f"{path}: {found.get('status')}"
        await asyncio.sleep(0.2)


def host_of(namespace: str) -> str:
    return f"{namespace}.test"
