"""Kills parts of a cluster and of what rolls a release out on it, at moments that the caller chooses, and knows what that may cost.

Several rollouts may go on side by side: what stops a part of the cluster hits all of them, and only one part is away at a time.
"""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dawsos.model.release import Release
from support.cluster import Cluster
from support.conductor import Scene
from support.sender import Answer

GONE = 20.0
# So long a part of the cluster may need to be back on a machine with other work.
BACK = 90.0
# So long after Contour was away an Envoy may need to hear of it (measured: 22 s), and after the API server was: each Contour ends
# when it cannot renew its own lease, and its restarts come later and later (measured: 45 s).
_FOLLOWS = {"contour": 30.0, "api server": 75.0}
_TRIES = 6
Answered = TypeVar("Answered")


@dataclass
class Hit:
    """A part was killed at ``began`` (epoch), and could come back at ``ended``."""

    name: str
    began: float
    ended: float = float("inf")


@dataclass
class Parts:
    """What was stopped of the cluster itself; one part at a time."""

    hits: list[Hit] = field(default_factory=list)
    busy: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Life:
    """A rollout of ``release`` by ``policy`` from its beginning to its end, however many processes conduct it.

    ``hits`` are those on what is its own, ``struck`` counts those that it made.
    """

    scene: Scene
    release: Release
    run: str
    policy: Mapping[str, Any]
    parts: Parts
    chance: random.Random
    began: float = field(default_factory=time.time)
    hits: list[Hit] = field(default_factory=list)
    struck: int = 0
    tries: int = 0

    def __post_init__(self) -> None:
        self.process = self.scene.roll_out(self.release, self.run, self.policy)

    def has_ended(self, within: float) -> bool:
        """Wait so long for the end; a conductor that gave up because something was away goes on from its journal."""
        if self.process.poll():
            self.tries += 1
            assert self.tries < _TRIES, f"the conductor gave up {self.tries} times: {self.scene.said(self.run)}"
            # Whoever begins while the API server is away is refused at once.
            self.kubectl("version")
            self.again()
        try:
            return self.process.wait(max(0.0, within)) == 0
        except subprocess.TimeoutExpired:
            return False

    def again(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = self.scene.roll_out(self.release, self.run, self.policy)

    def hit(self, name: str) -> bool:
        """Kill ``name`` and let it come back; return whether there was anything to kill, and no other part of the cluster away."""
        victim = VICTIMS[name]
        if victim.shared and not self.parts.busy.acquire(blocking=False):
            return False
        made = Hit(name, time.time())
        hits = self.parts.hits if victim.shared else self.hits
        hits.append(made)
        try:
            if not victim.kill(self):
                hits.remove(made)
                return False
            made.ended = time.time()
        finally:
            if victim.shared:
                self.parts.busy.release()
        self.struck += 1
        print(f"{self.run}: {name} at {made.began - self.began:.1f} s", flush=True)
        return True

    def kubectl(self, *words: str) -> str:
        """Return what kubectl prints; a part of the cluster that was killed may need a moment."""
        return until(lambda: self.scene.cluster.kubectl(*words), BACK)

    def items(self, kind: str, *words: str) -> list[dict[str, Any]]:
        return until(lambda: self.scene.cluster.items(kind, *words), BACK)

    def end(self) -> dict[str, Any]:
        """Wait for the end and return how it was."""
        deadline = time.monotonic() + 240
        while not self.has_ended(deadline - time.monotonic()):
            assert time.monotonic() < deadline, f"no end: {self.scene.said(self.run)}"
        return self.scene.ended(self.process, 10)

    @property
    def suffered(self) -> list[Hit]:
        """What was killed while it went on, by itself or beside it, and shortly before."""
        shared = [hit for hit in self.parts.hits if hit.ended + max(_FOLLOWS.values()) >= self.began]
        return sorted([*self.hits, *shared], key=lambda hit: hit.began)

    def excuses(self, answer: Answer, told: Mapping[str, Any]) -> bool:
        """Return whether ``answer`` was lost on something that was killed, or on the way to it."""
        for hit in self.suffered:
            loses = VICTIMS[hit.name].loses
            if loses and hit.began - 1 <= answer.at <= hit.ended + loses:
                return True
            # Envoys that nobody tells of a rollback send requests to a canary whose pods were taken away.
            stopped = hit.name in _FOLLOWS and told["outcome"] != "promoted" and told["decided"]
            if stopped and answer.status == 503 and told["decided"] <= answer.at <= hit.ended + _FOLLOWS[hit.name]:
                return True
        return False


@dataclass(frozen=True)
class Victim:
    """``kill`` ends it and waits until it may come back; ``loses`` is for how long after that requests may fail which were under
    way on it or on their way to it.  A ``shared`` one is a part of the cluster that every rollout on it needs.
    """

    kill: Callable[[Life], bool]
    loses: float = 0.0
    shared: bool = False


def _controller(life: Life) -> bool:
    if life.process.poll() is not None:
        return False
    life.process.kill()
    life.process.wait()
    if life.chance.random() < 0.5:
        # Nobody comes back: the guardian takes the traffic, also one that was killed itself a moment ago.
        until(life.scene.is_withdrawn, float(str(life.policy["lease"]).removesuffix("s")) + BACK)
    life.again()
    return True


def _kill_pod(life: Life, namespace: str, labels: str) -> bool:
    """Kill the process of one pod, at once: who deletes a pod leaves it to the kubelet when its process ends."""
    statuses = [
        each
        for pod in life.items("pods", "-n", namespace, "-l", labels)
        for each in pod["status"].get("containerStatuses") or []
        if "running" in each["state"]
    ]
    if not statuses:
        return False
    chosen = life.chance.choice(sorted(each["containerID"].removeprefix("containerd://") for each in statuses))
    try:
        life.scene.cluster.node("in", "ctr", "-n", "k8s.io", "task", "kill", "--signal", "SIGKILL", chosen)
    except AssertionError:
        # It ended a moment ago.
        return False
    return True


def _guardian(life: Life) -> bool:
    return _kill_pod(life, life.scene.namespace, "app.kubernetes.io/component=guardian")


def _envoy(life: Life) -> bool:
    # One of two: who kills the last one has no gateway.
    both = life.items("pods", "-n", "projectcontour", "-l", "app=envoy")
    return sum(is_ready(pod) for pod in both) >= 2 and _kill_pod(life, "projectcontour", "app=envoy")


def _canary_pod(life: Life) -> bool:
    chosen = canary_of(life)
    return bool(chosen) and _kill_pod(life, life.scene.namespace, f"dawsos.dev/deployment={chosen}")


def _contour(life: Life) -> bool:
    scale = ("scale", "-n", "projectcontour", "deployment/contour")
    life.kubectl(*scale, "--replicas=0")
    time.sleep(GONE)
    life.kubectl(*scale, "--replicas=2")
    return True


def _api_server(life: Life) -> bool:
    stopped(life.scene.cluster, "apiserver", GONE)
    life.kubectl("version")
    return True


def _kubelet(life: Life) -> bool:
    stopped(life.scene.cluster, "kubelet", 3.0)
    return True


def stopped(cluster: Cluster, part: str, seconds: float) -> None:
    """Stop a part of the cluster for so long."""
    cluster.node("stop", part)
    time.sleep(seconds)
    cluster.node("start", part)


VICTIMS: dict[str, Victim] = {
    "controller": Victim(_controller),
    "guardian": Victim(_guardian),
    "envoy": Victim(_envoy, 15.0, shared=True),
    "contour": Victim(_contour, shared=True),
    "canary pod": Victim(_canary_pod, 15.0),
    "api server": Victim(_api_server, shared=True),
    "kubelet": Victim(_kubelet, shared=True),
}


def until(ask: Callable[[], Answered], within: float) -> Answered:
    """Return what ``ask`` gives as soon as nothing that it asserts fails."""
    deadline = time.monotonic() + within
    while True:
        try:
            return ask()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def canary_of(life: Life) -> str:
    """Return the deployment that is the canary now, empty for none."""
    (service,) = life.items("services", "-n", life.scene.namespace, "-l", "dawsos.dev/role=canary")
    chosen = str((service["spec"].get("selector") or {}).get("dawsos.dev/deployment", ""))
    return "" if chosen == "none" else chosen
