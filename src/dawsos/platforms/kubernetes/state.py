"""An environment on a cluster as plain values: what its live objects say, and what was done to them beside this tool.

Nothing here sends a request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dawsos.adapters.kubernetes import Object, Objects
from dawsos.platforms.contract import DeploymentStatus, EnvironmentStatus, ProcessStatus, Roles
from dawsos.platforms.kubernetes.names import (
    BACKEND,
    COMMIT,
    COMPONENT,
    CRASHED,
    DEPLOYMENT,
    GUARDIAN,
    MAIN,
    NOBODY,
    RELEASE,
    REPLICAS,
    ROLE,
    STANDBY,
    WORKER,
)

# As the policy has it where nothing else is said: so many restarts within so many seconds are a crash loop.
CRASH_RESTARTS, CRASH_WINDOW = 3, 300.0


@dataclass(frozen=True)
class Seen:
    """The live objects of one release of the chart, of one moment."""

    deployments: Objects = field(default_factory=list)
    sets: Objects = field(default_factory=list)
    services: Objects = field(default_factory=list)
    pods: Objects = field(default_factory=list)
    routes: Objects = field(default_factory=list)

    @property
    def there(self) -> bool:
        """Whether anything of the release is there."""
        return bool(self.deployments or self.services or self.sets)

    def of(self, component: str) -> dict[str, Object]:
        """Return deployment id -> its Deployment with this component."""
        return {
            label(each, DEPLOYMENT): each
            for each in self.deployments
            if label(each, COMPONENT) == component and label(each, DEPLOYMENT)
        }

    def service(self, role: str) -> Object | None:
        """Return the Service with this role."""
        return next((each for each in self.services if label(each, ROLE) == role), None)


def label(found: Object, key: str) -> str:
    """Return a label of an object, an empty text when it has it not."""
    return str((found["metadata"].get("labels") or {}).get(key, ""))


def annotation(found: Object, key: str) -> str:
    """Return an annotation of an object, an empty text when it has it not."""
    return str((found["metadata"].get("annotations") or {}).get(key, ""))


def named(found: Object) -> str:
    """Return the name of an object."""
    return str(found["metadata"]["name"])


def containers(found: Object) -> Objects:
    """Return the containers of the pods that a workload makes."""
    listed: Objects = found["spec"]["template"]["spec"].get("containers") or []
    return listed


def image_of(found: Object, component: str) -> str:
    """Return the image that a workload runs, that of the container named like the component, else of the first."""
    listed = containers(found)
    one = next((each for each in listed if each.get("name") == component), listed[0] if listed else {})
    return str(one.get("image", ""))


def selected(service: Object | None) -> str | None:
    """Return the deployment that a Service selects, None when it is nobody."""
    chosen = str(((service or {}).get("spec", {}).get("selector") or {}).get(DEPLOYMENT, ""))
    return None if chosen in ("", NOBODY) else chosen


def roles_of(seen: Seen) -> Roles:
    """Return the roles that the Services give, and the weight that the route has."""
    stable, canary = seen.service("stable"), seen.service("canary")
    first, second = selected(stable), selected(canary)
    standby = annotation(stable, STANDBY) or None if stable is not None else None
    if second is None or second == first or canary is None:
        return Roles(first, None, standby)
    return Roles(first, second, standby, weight_of(seen.routes, named(stable) if stable else "", named(canary)))


def weight_of(routes: Objects, stable: str, canary: str) -> int:
    """Return the canary's share in per cent of the first rule that leads to the stable Service; 0 when none names the canary."""
    for route in routes:
        for rule in route["spec"].get("rules") or []:
            refs = rule.get("backendRefs") or []
            weights = {str(ref.get("name")): int(ref.get("weight", 1)) for ref in refs}
            if stable in weights or canary in weights:
                total = sum(weights.values())
                return round(100 * weights.get(canary, 0) / total) if total else 0
    return 0


def status_of(name: str, seen: Seen, url: str, now: float, notes: tuple[str, ...] = ()) -> EnvironmentStatus:
    """Return the status of the environment ``name``, whose address is ``url``."""
    backends, workers = seen.of(BACKEND), seen.of(WORKER)
    deployments = {one: _deployment(one, backends[one], workers.get(one), seen.pods, now) for one in backends}
    processes = tuple(
        sorted((process_of(pod, now) for pod in seen.pods if label(pod, DEPLOYMENT)), key=lambda each: each.name)
    )
    up = [each for each in backends.values() if replicas(each)]
    running = bool(up) if backends else seen.there
    return EnvironmentStatus(name, running, url, roles_of(seen), deployments, processes, notes)


def unguarded(seen: Seen) -> tuple[str, ...]:
    """Return the sentence that no guardian is ready where a release serves; nothing where one is."""
    ready = [
        one
        for one in seen.deployments
        if label(one, COMPONENT) == GUARDIAN and int(one.get("status", {}).get("readyReplicas", 0))
    ]
    if ready or not seen.of(BACKEND):
        return ()
    return (
        "no guardian is ready: a canary keeps its traffic when the tool dies in a rollout (guardian.enabled of the chart)",
    )


def replicas(found: Object) -> int:
    """Return how many pods a workload should have."""
    return int(found["spec"].get("replicas", 1))


def _deployment(name: str, backend: Object, worker: Object | None, pods: Objects, now: float) -> DeploymentStatus:
    own = [pod for pod in pods if label(pod, DEPLOYMENT) == name]
    ready = sum(is_ready(pod) for pod in own if label(pod, COMPONENT) == BACKEND)
    restarts = sum(len(restarts_of(pod, now)) for pod in own) + len(killed(backend, now))
    lacking: tuple[str, ...] = ()
    if worker is not None:
        there = sum(is_ready(pod) for pod in own if label(pod, COMPONENT) == WORKER)
        lacking = (named(worker),) if there < replicas(worker) else ()
    wanted = replicas(backend)
    return DeploymentStatus(
        id=name,
        release=annotation(backend, RELEASE),
        replicas=wanted,
        ready_replicas=min(ready, wanted),
        workers_not_ready=lacking,
        restarts=restarts,
        crash_looping=any(crash_loops(pod, now) for pod in own),
    )


def killed(workload: Object, now: float) -> tuple[float, ...]:
    """Return when a drill killed pods of a Deployment within the window of a crash loop; those in their place do not know."""
    try:
        times = [float(at) for at in json.loads(annotation(workload, CRASHED) or "[]")]
    except (TypeError, ValueError):
        return ()
    return tuple(at for at in times if now - at <= CRASH_WINDOW)


def process_of(pod: Object, now: float) -> ProcessStatus:
    """Return a pod as people see it; it has no pid that means anything here."""
    address = str(pod.get("status", {}).get("podIP", ""))
    port: Object = next((port for one in pod["spec"].get("containers") or [] for port in one.get("ports") or []), {})
    at = f"{address}:{port['containerPort']}" if address and port and label(pod, COMPONENT) == BACKEND else ""
    return ProcessStatus(
        name=named(pod),
        group=label(pod, DEPLOYMENT),
        pid=0,
        state=pod_state(pod),
        restarts=restarts_of(pod, now),
        crash_looping=crash_loops(pod, now),
        address=at,
    )


def pod_state(pod: Object) -> str:
    """Return the state of a pod in one word: ``ready``, ``stopping``, why it waits, or ``starting``."""
    if "deletionTimestamp" in pod["metadata"]:
        return "stopping"
    if is_ready(pod):
        return "ready"
    waits = [one["state"]["waiting"] for one in statuses(pod) if "waiting" in (one.get("state") or {})]
    reasons = [str(one.get("reason", "")) for one in waits]
    bad = next((reason for reason in reasons if reason not in ("", "ContainerCreating", "PodInitializing")), "")
    if bad:
        return bad
    phase = str(pod.get("status", {}).get("phase", ""))
    return "starting" if phase in ("", "Pending", "Running") else phase.lower()


def statuses(pod: Object) -> Objects:
    """Return what the kubelet says of a pod's containers."""
    return list(pod.get("status", {}).get("containerStatuses") or [])


def is_ready(pod: Object) -> bool:
    """Return whether a pod gets requests: it is ready, and nobody has deleted it."""
    conditions = pod.get("status", {}).get("conditions") or []
    ready = any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def restarts_of(pod: Object, now: float) -> tuple[float, ...]:
    """Return when the containers of a pod were started again within the window of a crash loop.

    Kubernetes counts them all and says the time of the last one only: the others are taken to be as late, unless that one is
    older than the window.
    """
    found: list[float] = []
    for one in statuses(pod):
        count = int(one.get("restartCount", 0))
        ended = (one.get("lastState") or {}).get("terminated") or {}
        at = seconds(str(ended.get("finishedAt") or ""))
        if count and now - at <= CRASH_WINDOW:
            found += [at] * count
    return tuple(found)


def crash_loops(pod: Object, now: float) -> bool:
    """Return whether the kubelet waits before it starts a container of the pod again, or had to do so too often."""
    waits = any(
        (one.get("state") or {}).get("waiting", {}).get("reason") == "CrashLoopBackOff" for one in statuses(pod)
    )
    return waits or len(restarts_of(pod, now)) >= CRASH_RESTARTS


def seconds(text: str) -> float:
    """Return a time of Kubernetes in seconds since the epoch, 0 for none."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def live_deployments(seen: Seen, kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value ``deployments`` for what is live, so that helm changes none of it.

    ``kept`` are all values of the newest revision: of a deployment that it has the variables and the names of the images are
    taken.  Everything else is what the objects say, also where somebody changed it beside this tool.
    """
    before = kept.get("deployments") or {}
    named_by = {
        component: str((kept.get(component) or {}).get("imageName") or component) for component in (BACKEND, WORKER)
    }
    workers, made = seen.of(WORKER), {}
    for one, backend in seen.of(BACKEND).items():
        entry = dict(before.get(one) or {})
        images = dict(entry.get("images") or {})
        images[named_by[BACKEND]] = image_of(backend, BACKEND)
        if one in workers:
            images[named_by[WORKER]] = image_of(workers[one], WORKER)
        parked = int(annotation(backend, REPLICAS) or 0)
        made[one] = {
            "images": images,
            "release": annotation(backend, RELEASE),
            "commit": annotation(backend, COMMIT),
            "replicas": replicas(backend) or parked,
            "workers": bool(entry.get("workers", one in workers)),
            "env": dict(entry.get("env") or {}),
        }
    return made


def done_beside(seen: Seen, kept: Mapping[str, Any], history: Objects) -> tuple[str, ...]:
    """Return a sentence for each thing that was done to the environment beside this tool.

    ``kept`` are the values of the newest revision and ``history`` the revisions, where they are known.
    """
    told = []
    for one, backend in seen.of(BACKEND).items():
        wanted = (kept.get("deployments") or {}).get(one, {}).get("images") or {}
        image = image_of(backend, BACKEND)
        if wanted and image not in wanted.values():
            told.append(f"{named(backend)} runs the image {image}, which dawsos did not deploy: kubectl set image")
        elif one == MAIN and selected(seen.service("stable")) == MAIN:
            told.append(
                f"{named(backend)} serves, made by `helm upgrade` and not by dawsos: no evidence is known for it"
            )
    roles = roles_of(seen)
    for role, chosen in (("stable", roles.stable), ("canary", roles.canary)):
        if chosen is not None and chosen not in seen.of(BACKEND):
            told.append(f"the {role} Service selects {chosen}, which is not there: no pod answers")
    newest = history[-1] if history else {}
    if str(newest.get("description", "")).lower().startswith("rollback to"):
        told.append(f"helm rollback made revision {newest.get('revision')}: {newest['description']}")
    return tuple(told)
