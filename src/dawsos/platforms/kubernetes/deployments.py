"""Brings deployments into the cluster and out again by helm, and waits until their pods are ready or gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawsos.adapters.kubernetes import ApiError, Cluster, Objects, Unreachable
from dawsos.errors import DawsosError, InfrastructureError, ReleaseFailed
from dawsos.platforms.kubernetes.helm import Helm
from dawsos.platforms.kubernetes.names import COMPONENT, DEPLOYMENT, INSTANCE, NOBODY, Paths
from dawsos.platforms.kubernetes.state import Seen, label, live_deployments, replicas, roles_of
from dawsos.platforms.kubernetes.target import Target
from dawsos.platforms.kubernetes.waiting import Verdict, judge, refused
from dawsos.ports import Clock, Redactor

_PAUSE = 0.4
# How long pods may take to end: their grace period, and the kubelet's time.
_GONE = 120.0
# How long the API server may be away while pods are waited for.
_AWAY = 60.0
_LINES = 12


@dataclass(frozen=True)
class Bed:
    """What the deployments of one environment lie in: the cluster, helm, and what every revision of the chart is given.

    ``fixed`` are the values that do not change with the deployments: the Secret's name, the embedded services, the stand-ins.
    """

    cluster: Cluster
    target: Target
    helm: Helm
    clock: Clock
    redactor: Redactor
    fixed: Mapping[str, Any]
    log: Path

    @property
    def paths(self) -> Paths:
        """The paths of the objects."""
        return Paths(self.target.namespace)

    @property
    def labels(self) -> dict[str, str]:
        """The label that all objects of the release have."""
        return {INSTANCE: self.target.release}

    async def seen(self) -> Seen:
        """Return the live objects."""
        return await look(self.cluster, self.target)

    async def values(self, seen: Seen) -> dict[str, Any]:
        """Return the values that leave everything as it is now."""
        kept = await self.helm.values() or {}
        roles = roles_of(seen)
        return {
            **self.fixed,
            "deployments": live_deployments(seen, kept),
            "stable": roles.stable or NOBODY,
            "canary": roles.canary or "",
        }

    async def apply(self, values: Mapping[str, Any]) -> None:
        """Let helm make what ``values`` say.

        Raises InfrastructureError while a canary has traffic: each revision gives it all to stable.
        """
        roles = roles_of(await self.seen())
        if roles.weight:
            raise InfrastructureError(
                f"the canary {roles.canary} has {roles.weight} % of the traffic: the chart must not change meanwhile",
                fix="dawsos resume, or dawsos rollback",
            )
        await self.helm.upgrade(values, self.log)


async def look(cluster: Cluster, target: Target) -> Seen:
    """Return the live objects of the release; a kind that the cluster does not have has none."""
    paths, labels = Paths(target.namespace), {INSTANCE: target.release}

    async def listed(kind: str) -> Objects:
        try:
            return await cluster.list(paths.of(kind), labels)
        except ApiError as error:
            if error.status == 404:
                return []
            raise

    kinds = ("deployments", "statefulsets", "services", "pods", "httproutes")
    return Seen(*await asyncio.gather(*(listed(kind) for kind in kinds)))


async def deploy(bed: Bed, deployment: str, entry: Mapping[str, Any], ready_within: float) -> None:
    """Add ``entry`` of the values as ``deployment`` and wait until its pods are ready.

    Raises ReleaseFailed when they do not become ready and InfrastructureError when the cluster is to blame; a deployment without
    a role is removed again then.
    """
    seen = await bed.seen()
    values = await bed.values(seen)
    values["deployments"] = {**values["deployments"], deployment: dict(entry)}
    roles = roles_of(seen)
    try:
        await bed.apply(values)
        await wait_until_ready(bed, deployment, ready_within)
    except DawsosError:
        if deployment not in (roles.stable, roles.canary, roles.standby):
            with contextlib.suppress(DawsosError):
                await remove(bed, deployment, wait=False)
        raise


async def wait_until_ready(bed: Bed, deployment: str, ready_within: float) -> None:
    """Wait until all pods of the deployment are ready; raises ReleaseFailed or InfrastructureError with the reason."""
    away = 0.0
    while True:
        try:
            seen, away = await bed.seen(), 0.0
        except Unreachable:
            away += _PAUSE
            if away > _AWAY:
                raise
            await bed.clock.sleep(_PAUSE)
            continue
        verdict = verdict_of(seen, deployment, bed.clock.now(), ready_within)
        if verdict.state == "ready":
            return
        if verdict.state == "failed":
            raise await _failed(bed, deployment, verdict)
        await bed.clock.sleep(_PAUSE)


def verdict_of(seen: Seen, deployment: str, now: float, ready_within: float) -> Verdict:
    """Return the verdict on the pods of all workloads of a deployment."""
    workloads = [one for one in seen.deployments if label(one, DEPLOYMENT) == deployment]
    if not workloads:
        return Verdict("failed", f"the chart made no Deployment with the label {DEPLOYMENT}={deployment}")
    for one in workloads:
        mine = (deployment, label(one, COMPONENT))
        pods = [pod for pod in seen.pods if (label(pod, DEPLOYMENT), label(pod, COMPONENT)) == mine]
        if not rolled_out(one):
            pods = [pod for pod in pods if _newest(pod, one)]
        verdict = judge(pods, replicas(one), now, ready_within)
        if verdict.state == "waiting":
            return refused(one, now) or verdict
        if verdict.state == "failed":
            return verdict
    return Verdict("ready")


def rolled_out(workload: Mapping[str, Any]) -> bool:
    """Return whether the controller has seen the newest form of a Deployment and has brought all its pods up to it."""
    status = workload.get("status") or {}
    if int(status.get("observedGeneration", 0)) < int(workload["metadata"].get("generation", 0)):
        return False
    return int(status.get("updatedReplicas", 0)) >= int(workload["spec"].get("replicas", 1))


def _newest(pod: Mapping[str, Any], workload: Mapping[str, Any]) -> bool:
    """Return whether a pod has the image that its Deployment has now: others are on their way out."""
    have = {str(one.get("image")) for one in pod["spec"].get("containers") or []}
    want = {str(one.get("image")) for one in workload["spec"]["template"]["spec"].get("containers") or []}
    return have == want


async def _failed(bed: Bed, deployment: str, verdict: Verdict) -> DawsosError:
    kind = ReleaseFailed if verdict.fault == "release" else InfrastructureError
    lines = await _end_of_log(bed, verdict) if verdict.pod else []
    said = "".join(f"\n    {line}" for line in lines)
    where = f"kubectl --context {bed.target.context} -n {bed.target.namespace}"
    return kind(
        f"{deployment} is not ready: {verdict.reason}{said}",
        fix=f"{where} describe pods -l {DEPLOYMENT}={deployment} while it runs; its events say more",
    )


async def _end_of_log(bed: Bed, verdict: Verdict) -> list[str]:
    """Return the last lines of the pod's log, masked; none when they cannot be read."""
    params = {"tailLines": str(_LINES), **({"container": verdict.container} if verdict.container else {})}
    for previous in (verdict.previous, not verdict.previous):
        with contextlib.suppress(ApiError, Unreachable):
            asked = {**params, "previous": "true"} if previous else params
            text = await bed.cluster.request("GET", bed.paths.of("pods", verdict.pod, "log"), params=asked)
            lines = bed.redactor.clean(text.decode(errors="replace")).splitlines()
            if lines:
                return lines
    return []


async def remove(bed: Bed, deployment: str, *, wait: bool = True) -> None:
    """Take a deployment away and wait until its pods are gone; does nothing when it is not there."""
    seen = await bed.seen()
    values = await bed.values(seen)
    if values["deployments"].pop(deployment, None) is not None:
        await bed.apply(values)
    if wait:
        await wait_until_gone(bed, {**bed.labels, DEPLOYMENT: deployment})


async def wait_until_gone(bed: Bed, labels: Mapping[str, str]) -> None:
    """Wait until no pod with these labels is left; raises InfrastructureError after two minutes."""
    started = bed.clock.monotonic()
    while pods := await bed.cluster.list(bed.paths.of("pods"), labels):
        if bed.clock.monotonic() - started > _GONE:
            names = ", ".join(pod["metadata"]["name"] for pod in pods)
            raise InfrastructureError(
                f"pods have not ended after {_GONE:g} s: {names}",
                fix=f"kubectl -n {bed.target.namespace} describe pods, and see their nodes",
            )
        await bed.clock.sleep(_PAUSE)
