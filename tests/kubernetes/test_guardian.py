"""On a real cluster: a guardian with the chart's rights takes the traffic back, and controllers fence one another.

The guardian runs here with the token of its ServiceAccount, so that it can be killed, and as the chart's pod.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.kubernetes import Cluster
from dawsos.platforms.kubernetes.lease import WITHDRAWN, Lease, LeaseHeld, LeaseState
from dawsos.platforms.kubernetes.names import INSTANCE, ROLE
from dawsos.platforms.kubernetes.routes import Route
from dawsos.platforms.kubernetes.routing import Fenced

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
LEASE = 2.0
# Conducts a rollout as a process that can be killed: claims the route, gives the canary 25 %, and renews until it is ended.
CONTROLLER = """
import asyncio, sys
from dawsos.adapters.kubernetes import connected
from dawsos.platforms.kubernetes.lease import Lease, holder_name
from dawsos.platforms.kubernetes.routes import Route
async def conduct(context, namespace, seconds):
    async with connected(context) as cluster:
        lease, route = Lease(cluster, namespace, "shop-prod", holder_name("r1")), Route(cluster, namespace, "shop-prod")
        while True:
            if await lease.renew(seconds):
                await route.claim(lease.token)
                await route.set_weight(25)
                print(lease.token, flush=True)
            await asyncio.sleep(seconds / 5)
asyncio.run(conduct(sys.argv[1], sys.argv[2], float(sys.argv[3])))
"""


@dataclass
class Shop:
    """A release with a route and no pods, in a namespace of its own."""

    context: str
    namespace: str
    folder: Path
    children: list[subprocess.Popen[str]] = field(default_factory=list)

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        argv = ["kubectl", "--context", self.context, "--namespace", self.namespace, *arguments]
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def object(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    @property
    def weights(self) -> dict[str, int]:
        refs = self.object("httproute", "shop")["spec"]["rules"][0]["backendRefs"]
        return {ref["name"]: ref["weight"] for ref in refs}

    @property
    def lease(self) -> dict[str, Any]:
        return self.object("lease", "shop-prod-rollout")

    def process(self, *words: str, **env: str) -> subprocess.Popen[str]:
        made = subprocess.Popen(
            [sys.executable, *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **env},
        )  # fmt: skip
        self.children.append(made)
        return made

    def guardian(self) -> subprocess.Popen[str]:
        """Start the guardian with the rights of the chart's ServiceAccount; return when it looks."""
        named = [f"--{name}={value}" for name, value in (("namespace", self.namespace), ("release", "shop-prod"),
                 ("route", "shop"), ("stable", "shop-stable"), ("canary", "shop-canary"), ("context", "guardian"))]  # fmt: skip
        made = self.process("-m", "dawsos.platforms.kubernetes.guardian", *named, KUBECONFIG=self._rights())
        assert made.stdout is not None
        assert made.stdout.readline().startswith("looking after")
        return made

    def _rights(self) -> str:
        config = json.loads(self.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        token = self.kubectl("create", "token", "shop-guardian").strip()
        config["users"] = [{"name": "guardian", "user": {"token": token}}]
        cluster = config["clusters"][0]["name"]
        config["contexts"] = [{"name": "guardian", "context": {"cluster": cluster, "user": "guardian"}}]
        path = self.folder / "guardian.kubeconfig"
        path.write_text(json.dumps({**config, "current-context": "guardian"}))
        return str(path)

    def controller(self) -> subprocess.Popen[str]:
        """Start a controller; return when its canary has 25 %."""
        made = self.process("-c", CONTROLLER, self.context, self.namespace, str(LEASE))
        assert made.stdout is not None
        assert " run r1 #" in made.stdout.readline()
        return made

    @property
    def unrenewed(self) -> float:
        """How long the guardian had seen no renewal when it gave the traffic back: kubectl, which is asked here, is slow."""
        for _ in range(50):
            told = (self.lease["metadata"].get("annotations") or {}).get(WITHDRAWN)
            if told:
                return float(json.loads(told)["seconds"])
            time.sleep(0.1)
        raise AssertionError("the Lease does not say that the traffic was given back")

    def until_told(self, within: float) -> list[dict[str, Any]]:
        """Wait until there are Events: the traffic and the Lease come first."""
        deadline = time.monotonic() + within
        while True:
            found: list[dict[str, Any]] = json.loads(self.kubectl("get", "events", "-o", "json"))["items"]
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    def until_withdrawn(self, within: float) -> float:
        """Wait until stable has everything; return the seconds that it took."""
        started = time.monotonic()
        while self.weights != {"shop-stable": 100, "shop-canary": 0}:
            assert time.monotonic() - started < within, self.weights
            time.sleep(0.05)
        return time.monotonic() - started


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    if not os.environ.get("DAWSOS_KUBERNETES") or shutil.which("kubectl") is None or shutil.which("helm") is None:
        pytest.skip("DAWSOS_KUBERNETES and a kubeconfig with a cluster are needed")
    asked = subprocess.run(["kubectl", "config", "current-context"], capture_output=True, text=True, check=True)
    made = Shop(asked.stdout.strip(), f"guardian-{secrets.token_hex(3)}", tmp_path)
    made.kubectl("create", "namespace", made.namespace)
    try:
        made.kubectl("label", "namespace", made.namespace, "pod-security.kubernetes.io/enforce=restricted")
        made.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": _objects()}))
        made.kubectl("apply", "-f", "-", text=_rendered(made.namespace, pod=False))
        yield made
    finally:
        for child in made.children:
            child.kill()
            child.communicate()
        made.kubectl("delete", "namespace", made.namespace, "--wait=false")


def _objects() -> list[dict[str, Any]]:
    labels = {INSTANCE: "shop-prod"}
    services: list[dict[str, Any]] = [
        {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": f"shop-{role}", "labels": {**labels, ROLE: role}},
            "spec": {"selector": {"dawsos.dev/deployment": role}, "ports": [{"port": 80}]},
        }
        for role in ("stable", "canary")
    ]  # fmt: skip
    return [*services, {
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "shop", "labels": labels},
        "spec": {"parentRefs": [{"name": "none"}], "rules": [{"backendRefs": [{"name": "shop-stable", "port": 80}]}]},
    }]  # fmt: skip


def _rendered(namespace: str, *, pod: bool) -> str:
    """Return the chart's guardian, with or without its pod."""
    repository, _, tag = os.environ.get("DAWSOS_TOOL_IMAGE", "none:x").rpartition(":")
    given = ("image.tag=x", "fullnameOverride=shop", "guardian.enabled=true",
             f"guardian.image.repository={repository}", f"guardian.image.tag={tag}")  # fmt: skip
    chosen = [word for value in given for word in ("--set", value)]
    argv = ["helm", "template", "shop-prod", str(ROOT / "charts" / "dawsos"), "--namespace", namespace, *chosen]
    text = subprocess.run(
        [*argv, "--show-only", "templates/guardian.yaml"], capture_output=True, text=True, check=True
    ).stdout
    documents = [part for part in text.split("\n---\n") if "kind:" in part]
    return "\n---\n".join(part for part in documents if pod or "\nkind: Deployment" not in part)


def test_a_killed_controllers_canary_loses_its_traffic_within_the_lease_and_a_second(shop: Shop) -> None:
    shop.guardian()
    controller = shop.controller()
    time.sleep(1.5 * LEASE)
    assert shop.weights == {"shop-stable": 75, "shop-canary": 25}
    controller.kill()
    shop.until_withdrawn(LEASE + 10)
    assert shop.unrenewed <= LEASE + 1
    told = json.loads(shop.lease["metadata"]["annotations"][WITHDRAWN])
    assert (told["weight"], LEASE <= told["seconds"] <= LEASE + 1) == (25, True)
    (event,) = shop.until_told(10)
    assert event["reason"] == "TrafficWithdrawn"
    assert "run r1 had not renewed" in event["message"]
    # The next one need not wait.
    started = time.monotonic()
    shop.controller()
    assert time.monotonic() - started < LEASE + 3


def test_a_controller_that_was_suspended_cannot_give_its_canary_traffic_again(shop: Shop) -> None:
    shop.guardian()

    async def scene() -> None:
        with_closing = Cluster(shop.context)
        try:
            lease = Lease(with_closing, shop.namespace, "shop-prod", "ann@one 1 run a")
            route = Route(with_closing, shop.namespace, "shop-prod")
            await lease.renew(LEASE)
            await route.claim(lease.token)
            await route.set_weight(25)
            await asyncio.to_thread(shop.until_withdrawn, LEASE + 10)
            with pytest.raises(Fenced):
                await route.set_weight(50)
            assert shop.weights["shop-canary"] == 0
            # It may take the lease again, and then go on.
            assert await lease.renew(LEASE) is True
            await route.claim(lease.token)
            await route.set_weight(25)
            assert shop.weights["shop-canary"] == 25
            await lease.release()
        finally:
            await with_closing.close()

    asyncio.run(scene())


def test_a_suspended_process_meets_its_successor(shop: Shop) -> None:
    first = shop.controller()
    first.send_signal(signal.SIGSTOP)
    second = shop.controller()
    first.send_signal(signal.SIGCONT)
    assert first.wait(10) != 0
    assert first.stdout is not None
    assert f"is conducted by {LeaseState.of(shop.lease).holder}" in first.stdout.read()
    assert second.poll() is None


def test_of_two_controllers_the_second_is_refused_with_the_name_of_the_first(shop: Shop) -> None:
    shop.controller()
    holder = LeaseState.of(shop.lease).holder

    async def acquire() -> None:
        cluster = Cluster(shop.context)
        try:
            await Lease(cluster, shop.namespace, "shop-prod", "bob@two 2").acquire(LEASE)
        finally:
            await cluster.close()

    with pytest.raises(LeaseHeld, match=holder.replace("@", ".")):
        asyncio.run(acquire())
    assert LeaseState.of(shop.lease).holder == holder


def test_a_guardian_that_was_killed_acts_when_it_is_back(shop: Shop) -> None:
    guardian, controller = shop.guardian(), shop.controller()
    guardian.kill()
    controller.kill()
    time.sleep(LEASE + 1)
    assert shop.weights["shop-canary"] == 25
    shop.guardian()
    shop.until_withdrawn(LEASE + 10)
    assert shop.unrenewed <= LEASE + 1


def test_it_has_no_other_right(shop: Shop) -> None:
    account = f"--as=system:serviceaccount:{shop.namespace}:shop-guardian"

    def may(*words: str) -> bool:
        argv = ["kubectl", "--context", shop.context, "-n", shop.namespace, "auth", "can-i", *words, account]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0

    assert may("patch", "httproutes.gateway.networking.k8s.io/shop")
    assert may("update", "leases.coordination.k8s.io/shop-prod-rollout")
    for verb, what in (("get", "secrets"), ("list", "pods"), ("patch", "httproutes.gateway.networking.k8s.io/other"),
                       ("update", "leases.coordination.k8s.io/other"), ("delete", "leases.coordination.k8s.io/shop-prod-rollout"),
                       ("patch", "services/shop-stable"), ("create", "pods")):  # fmt: skip
        assert not may(verb, what), (verb, what)


@pytest.mark.usefixtures("tool_image")
def test_the_charts_pod_does_it_too(shop: Shop) -> None:
    shop.kubectl("apply", "-f", "-", text=_rendered(shop.namespace, pod=True))
    shop.kubectl("rollout", "status", "deployment/shop-guardian", "--timeout=50s")
    controller = shop.controller()
    controller.kill()
    shop.until_withdrawn(LEASE + 10)
    assert shop.unrenewed <= LEASE + 1
    assert "went back to stable" in shop.kubectl("logs", "deployment/shop-guardian")
