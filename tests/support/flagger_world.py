"""A cluster in memory with a Flagger that walks one Canary, tick by tick, as fluxcd/flagger at 15bd6ad does (provider gatewayapi:v1).

Time is virtual: whoever sleeps on ``clock`` lets Flagger's ticks and ``beside`` happen.
"""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

from dawsos.adapters.kubernetes import ApiError, Cluster
from dawsos.adapters.pages import Page
from fakes import VirtualClock
from support.memory_objects import apply_json_patch

NAMESPACE, NAME = "shop-ns", "shop"
CANARIES = f"/apis/flagger.app/v1beta1/namespaces/{NAMESPACE}/canaries/{NAME}"
ROUTES = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes/{NAME}"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}"
EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"
STEPS = (5, 25, 50, 100)
Answer = Callable[[str, bytes], Page]
Ended = tuple[int, list[str]]


class WorldClock(VirtualClock):
    """Virtual time in which the world goes on."""

    def __init__(self, world: FlaggerWorld) -> None:
        super().__init__()
        self._world = world

    async def sleep(self, seconds: float) -> None:
        end = self.elapsed + seconds
        while self.elapsed < end - 1e-9:
            await super().sleep(min(0.1, end - self.elapsed))
            await self._world.passed(self.elapsed)


class FlaggerWorld:
    """``answer`` is asked as a webhook (None: there is no webhook), ``healthy`` is what Flagger's own metrics say.

    ``jobs`` are the Jobs that were made, by name; each ends at once as ``ends`` says of its command: (exit code, lines of its log).
    ``alive``: Flagger runs.  ``weights`` are all weights that the route ever had, with the time.
    """

    context = "here"

    def __init__(self, *, interval: float = 10.0, threshold: int = 2) -> None:
        self.clock = WorldClock(self)
        self.interval, self.threshold = interval, threshold
        self.objects: dict[str, Any] = {"/apis/flagger.app/v1beta1": {"kind": "APIResourceList"}}
        self.answer: Answer | None = None
        self.healthy = self.alive = self.reachable = True
        self.ready_after = 0.0
        self.beside: Callable[[float], Awaitable[None]] | None = None
        self.weights: list[tuple[float, int]] = []
        self.asked: list[tuple[str, int]] = []
        self.jobs: dict[str, Any] = {}
        self.ends: dict[str, Ended] = {}
        self._next, self._version = interval, 0
        self.put(DEPLOYMENTS, _deployment())

    @property
    def cluster(self) -> Cluster:
        return cast(Cluster, self)

    def put(self, path: str, value: Any) -> None:
        self._version += 1
        value.setdefault("metadata", {})["resourceVersion"] = str(self._version)
        self.objects[path] = value

    # --- the API server ---

    async def find(self, path: str) -> Any:
        self._must_answer(path)
        return copy.deepcopy(self.objects.get(path))

    async def get(self, path: str) -> Any:
        found = await self.find(path)
        if found is None:
            raise ApiError(404, "NotFound", "", where=path)
        return found

    async def list(self, path: str, labels: Any = None) -> list[Any]:
        self._must_answer(path)
        return copy.deepcopy(self.objects.get(path, []))

    async def create(self, path: str, body: Any) -> Any:
        self._must_answer(path)
        assert path.endswith("/jobs")
        self.jobs[body["metadata"]["name"]] = copy.deepcopy(body)
        code, _ = self._end(body["metadata"]["name"])
        state = {"terminated": {"exitCode": code, "reason": "Completed" if code == 0 else "Error"}}
        status = {"containerStatuses": [{"state": state}]}
        pod = {"metadata": {"name": body["metadata"]["name"]}, "status": status}
        self.objects[path.replace("/apis/batch/v1", "/api/v1").replace("/jobs", "/pods")] = [pod]
        return body

    def _end(self, job: str) -> Ended:
        (container,) = self.jobs[job]["spec"]["template"]["spec"]["containers"]
        return self.ends.get(" ".join(container["command"]), (0, []))

    async def delete(self, path: str, *, propagation: str = "Background") -> bool:
        self._must_answer(path)
        return True

    async def lines(self, path: str, params: Any = None) -> AsyncIterator[str]:
        self._must_answer(path)
        for line in self._end(path.split("/")[-2])[1]:
            yield line

    async def patch(self, path: str, body: Any, kind: str = "merge") -> Any:
        self._must_answer(path)
        where = path.removesuffix("/status")
        if kind == "apply":
            self.put(where, {**copy.deepcopy(body), "status": (self.objects.get(where) or {}).get("status", {})})
            return body
        found = copy.deepcopy(self.objects.get(where))
        if found is None:
            raise ApiError(404, "NotFound", "", where=path)
        if kind == "json":
            apply_json_patch(found, body, path)
        else:
            found["status"] = {**found.get("status", {}), **body["status"]}
        self.put(where, found)
        self._note()
        return found

    def _must_answer(self, path: str) -> None:
        if not self.reachable:
            raise ApiError(503, "", "away", where=path)

    # --- Flagger ---

    async def passed(self, now: float) -> None:
        if self.beside is not None:
            await self.beside(now)
        if now >= self._next:
            self._next += self.interval
            if self.alive:
                self.tick()

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.objects[CANARIES].setdefault("status", {})
        return found

    @property
    def weight(self) -> int:
        return int(self.objects[ROUTES]["spec"]["rules"][0]["backendRefs"][1]["weight"])

    def route(self, weight: int) -> None:
        found = self.objects.get(ROUTES) or {"metadata": {"uid": "u1"}}
        names = (("shop-primary", 100 - weight), ("shop-canary", weight))
        backends = [{"name": name, "port": 80, "weight": share} for name, share in names]
        self.put(ROUTES, {**found, "spec": {"rules": [{"backendRefs": backends}]}})
        self._note()

    def _note(self) -> None:
        if ROUTES in self.objects and (not self.weights or self.weights[-1][1] != self.weight):
            self.weights.append((self.clock.elapsed, self.weight))

    def template(self) -> str:
        template = self.objects[DEPLOYMENTS]["spec"]["template"]
        return f"{hash(json.dumps(template, sort_keys=True)) & 0xFFFF:x}"

    def say(self, message: str) -> None:
        at = f"{self.clock.elapsed:012.3f}"
        event = {"involvedObject": {"kind": "Canary", "name": NAME}, "lastTimestamp": at, "message": message}
        self.objects.setdefault(EVENTS, []).append(event)

    def phase(self, phase: str, **changes: Any) -> None:
        word = {"Initialized": "True", "Succeeded": "True", "Failed": "False"}.get(phase, "Unknown")
        (before,) = self.status.get("conditions") or [{"status": "", "lastTransitionTime": ""}]
        since = before["lastTransitionTime"] if before["status"] == word else f"t{self.clock.elapsed:.1f}"
        condition = {"type": "Promoted", "status": word, "reason": phase, "lastTransitionTime": since}
        self.status.update(phase=phase, conditions=[condition], **changes)

    def hook(self, path: str) -> bool:
        if self.answer is None:
            return path != "/rollback"
        body = json.dumps({"name": NAME, "namespace": NAMESPACE, "phase": self.status["phase"]}).encode()
        status = self.answer(path, body).status
        self.asked.append((path, status))
        return status <= 202

    def initialise(self) -> None:
        """Make the Canary, as after a first release."""
        self.objects[CANARIES] = {"metadata": {"name": NAME}}
        self.tick()

    def tick(self) -> None:
        if CANARIES not in self.objects:
            return
        status = self.status
        if not status.get("phase"):
            self.route(0)
            self.phase("Initialized", lastAppliedSpec=self.template(), lastPromotedSpec=self.template())
            return
        running = status["phase"] in ("Progressing", "WaitingPromotion", "Promoting", "Finalising")
        if not running:
            changed = self.template() not in (status["lastAppliedSpec"], status["lastPromotedSpec"])
            if status["phase"] == "Failed":
                status["lastAppliedSpec"] = self.template()
            if changed:
                self.say("New revision detected! Scaling up shop")
                self.phase("Progressing", lastAppliedSpec=self.template(), failedChecks=0, canaryWeight=0)
            return
        self._advance(status)

    def _advance(self, status: dict[str, Any]) -> None:
        if status["phase"] == "Progressing" and self.template() not in (
            status["lastAppliedSpec"],
            status["lastPromotedSpec"],
        ):
            self.route(0)
            self.phase("Progressing", lastAppliedSpec=self.template(), failedChecks=0)
            return
        if self.clock.elapsed < self.ready_after:
            self.say("canary deployment shop not ready: waiting for rollout to finish")
            return
        if status["phase"] == "Promoting":
            self.route(0)
            self.phase("Finalising")
        elif status["phase"] == "Finalising":
            self.phase("Succeeded", lastPromotedSpec=status["lastAppliedSpec"])
        elif self.hook("/rollback") or status.get("failedChecks", 0) >= self.threshold:
            self.route(0)
            self.say("Canary failed! Scaling down shop")
            self.phase("Failed", failedChecks=0, canaryWeight=0)
        elif self.weight and not self.healthy:
            self.say("Halt shop advancement success-rate 50.00 < 99")
            status["failedChecks"] = status.get("failedChecks", 0) + 1
        elif not self.hook("/confirm-traffic-increase"):
            self.say("Halt shop advancement waiting for traffic increase approval judge-step")
        elif self.weight >= STEPS[-1]:
            self.phase("Promoting")
        else:
            self.route(next(step for step in STEPS if step > self.weight))
            self.say(f"Advance shop canary weight {self.weight}")


def _deployment() -> dict[str, Any]:
    container = {"name": "backend", "image": "repo/shop@sha256:old", "env": [{"name": "GIT_SHA", "value": "old"}]}
    return {
        "metadata": {"name": NAME},
        "spec": {
            "selector": {"matchLabels": {"app": NAME}},
            "template": {"metadata": {"labels": {"app": NAME, "team": "a"}}, "spec": {"containers": [container]}},
        },
    }
