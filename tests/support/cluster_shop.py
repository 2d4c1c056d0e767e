"""A release on a real cluster, as a chart would make it, and a client that knows which version answered each request."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

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


@dataclass
class Users:
    """``answers`` are (time, status, text), in the order in which they came."""

    answers: list[tuple[float, int, str]] = field(default_factory=list)

    @property
    def lost(self) -> list[tuple[float, int, str]]:
        return [answer for answer in self.answers if answer[1] != 200]

    def seen(self, since: float = 0.0, until: float = 1e18) -> Counter[tuple[int, str]]:
        return Counter((status, text) for at, status, text in self.answers if since <= at < until)

    def last(self, text: str, since: float, until: float) -> float:
        """Return when ``text`` was answered last, in seconds after ``since``; 0 when it was not."""
        times = [at for at, _, answer in self.answers if answer == text and since <= at < until]
        return max(times) - since if times else 0.0


@asynccontextmanager
async def users(address: str, host: str, rate: float, senders: int = 4) -> AsyncIterator[Users]:
    """Send ``rate`` requests a second over ``senders`` connections; an answer that is none has status 0."""
    made, over, where = Users(), threading.Event(), urlsplit(address)

    def send(number: int) -> None:
        connection = HTTPConnection(where.hostname or "", where.port or 80, timeout=10)
        due = time.monotonic() + number / rate
        while not over.wait(max(0.0, due - time.monotonic())):
            due = max(due + senders / rate, time.monotonic() - 0.2)
            try:
                connection.request("GET", "/", headers={"Host": host})
                answer = connection.getresponse()
                made.answers.append((time.monotonic(), answer.status, answer.read().decode()))
            except (OSError, HTTPException) as error:
                made.answers.append((time.monotonic(), 0, repr(error)))
                connection.close()
        connection.close()

    threads = [threading.Thread(target=send, args=(number,), daemon=True) for number in range(senders)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        over.set()
        for thread in threads:
            await asyncio.to_thread(thread.join)
