"""Says of the pods of a deployment whether they are ready, still coming, or will never be, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dawsos.adapters.kubernetes import Object, Objects
from dawsos.platforms.kubernetes.state import is_ready, named, seconds, statuses

Fault = Literal["release", "cluster"]

# Seconds that a state may last before it counts: an image that is being pulled again, a node that is being added.
_PULL, _CONFIG, _SCHEDULE, _START = 30.0, 15.0, 90.0, 300.0
# So long may pods be refused: a webhook may be away for a moment, and a quota full until old pods are gone.
_REFUSED = 20.0
_CRASHES = 2


@dataclass(frozen=True)
class Verdict:
    """``state`` of a deployment's pods.  ``pod`` and ``container`` say whose log tells more, ``previous`` that it is the log before
    the last start; ``fault`` is whose fault a failure is."""

    state: Literal["ready", "waiting", "failed"]
    reason: str = ""
    fault: Fault = "release"
    pod: str = ""
    container: str = ""
    previous: bool = False


WAITING, READY = Verdict("waiting"), Verdict("ready")


def judge(pods: Objects, wanted: int, now: float, ready_within: float) -> Verdict:
    """Return the verdict on ``wanted`` pods; ``now`` is the cluster's time in seconds since the epoch."""
    live = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    if sum(is_ready(pod) for pod in live) >= wanted:
        return READY
    waiting = ""
    for pod in live:
        verdict = _of_pod(pod, now, ready_within)
        if verdict.state == "failed":
            return verdict
        waiting = waiting or verdict.reason
    return Verdict("waiting", waiting or f"{len(live)} of {wanted} pods are there")


def refused(workload: Object, now: float) -> Verdict | None:
    """Return that the API server refuses to create pods of a Deployment (a quota, an admission policy), None when it does not."""
    for each in (workload.get("status") or {}).get("conditions") or []:
        if each.get("type") == "ReplicaFailure" and each.get("status") == "True":
            age = now - seconds(str(each.get("lastTransitionTime") or ""))
            words = f"pods of {named(workload)} are refused: {each.get('message') or each.get('reason')}"
            return Verdict("failed" if age > _REFUSED else "waiting", words, "cluster")
    return None


def _of_pod(pod: Object, now: float, ready_within: float) -> Verdict:
    if is_ready(pod):
        return READY
    age = now - seconds(str(pod["metadata"].get("creationTimestamp") or ""))
    unscheduled = _unscheduled(pod, age)
    if unscheduled is not None:
        return unscheduled
    for one in statuses(pod):
        verdict = _of_container(pod, one, age)
        if verdict is not None:
            return verdict
    started = _started(pod)
    if started and now - started > ready_within:
        words = f"{named(pod)} runs and is not ready after {ready_within:g} s{_probes(pod)}"
        return Verdict("failed", words, "release", named(pod), _first(pod))
    if not started and age > _START:
        return Verdict("failed", f"{named(pod)} has not started after {_START:g} s", "cluster", named(pod))
    return Verdict("waiting", f"{named(pod)} is not ready yet")


def _unscheduled(pod: Object, age: float) -> Verdict | None:
    for each in pod.get("status", {}).get("conditions") or []:
        if each.get("type") == "PodScheduled" and each.get("status") == "False":
            words = f"{named(pod)} finds no node: {each.get('message') or each.get('reason')}"
            return Verdict("failed" if age > _SCHEDULE else "waiting", words, "cluster")
    return None


def _of_container(pod: Object, one: Object, age: float) -> Verdict | None:
    """Return what is wrong with a container that waits or has ended, None when nothing is."""
    name, state = str(one.get("name", "")), one.get("state") or {}
    waits = state.get("waiting") or {}
    reason, message = str(waits.get("reason", "")), str(waits.get("message", ""))
    if reason in ("ErrImageNeverPull", "InvalidImageName", "ImageInspectError"):
        return Verdict("failed", f"{named(pod)}: {reason}: {message}", "cluster")
    if reason in ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"):
        return Verdict("failed" if age > _PULL else "waiting", f"{named(pod)}: {reason}: {message}", "cluster")
    if reason == "CreateContainerConfigError":
        return Verdict("failed" if age > _CONFIG else "waiting", f"{named(pod)}: {reason}: {message}", "cluster")
    if reason in ("CreateContainerError", "RunContainerError"):
        return Verdict("failed", f"{named(pod)}: {reason}: {message}", "release", named(pod), name)
    ended = state.get("terminated") or (one.get("lastState") or {}).get("terminated") or {}
    if reason == "CrashLoopBackOff" or int(one.get("restartCount", 0)) >= _CRASHES:
        previous = "terminated" not in state
        words = f"{named(pod)} crashes: {ending(ended)} after {one.get('restartCount', 0)} restarts"
        return Verdict("failed", words, "release", named(pod), name, previous)
    return None


def ending(ended: Object) -> str:
    """Return how a container ended, in words."""
    reason = str(ended.get("reason", ""))
    if reason == "OOMKilled":
        return "killed because it took more memory than its limit"
    return f"exit code {ended.get('exitCode', '?')}" + (f" ({reason})" if reason not in ("", "Error") else "")


def _started(pod: Object) -> float:
    """Return when the last of the pod's containers was started, 0 while one is not."""
    times = [
        seconds(str(((one.get("state") or {}).get("running") or {}).get("startedAt") or "")) for one in statuses(pod)
    ]
    return max(times) if times and all(times) else 0.0


def _first(pod: Object) -> str:
    return next((str(one.get("name", "")) for one in statuses(pod) if not one.get("ready")), "")


def _probes(pod: Object) -> str:
    """Return which page is asked, for whoever reads that it does not answer."""
    for one in pod["spec"].get("containers") or []:
        page = (one.get("readinessProbe") or {}).get("httpGet") or {}
        if page:
            return f": its readiness page {page.get('path')} does not answer 200"
    return ""
