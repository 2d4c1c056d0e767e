"""In the pod of a conductor: takes the files of the commit from the cluster, and finds out whether a rollout can be conducted."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

from dawsos.adapters import commit_pack
from dawsos.adapters.kubernetes import IN_CLUSTER, ApiError, Cluster, Unreachable, connected
from dawsos.errors import DawsosError, InfrastructureError
from dawsos.platforms.kubernetes import access
from dawsos.platforms.kubernetes.job_objects import OF_JOB, kubeconfig, pack_of
from dawsos.platforms.kubernetes.names import Paths
from dawsos.platforms.kubernetes.target import Target

# Where Kubernetes puts the rights of a pod.
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
# Seconds: between two tries, and how long the API server is waited for.
_PAUSE, _PATIENCE = 1.0, 60.0
PROGRAMS = ("git", "helm", "kubectl")


async def receive(target: Target, job: str, commit: str, work: Path) -> None:
    """Make ``work/project`` a repository with ``commit``, and ``work/kubeconfig`` one that is this pod.

    Raises InfrastructureError when the cluster does not have the files.
    """
    async with connected(IN_CLUSTER) as cluster:
        server = cluster.server
        pack = await _pack(cluster, target.namespace, job)
    # A second pod of the Job has a folder of its own.
    shutil.rmtree(work / "project", ignore_errors=True)
    commit_pack.unpack(work / "project", pack, commit)
    told = kubeconfig(target.context, target.namespace, server, ACCOUNT)
    (work / "kubeconfig").write_text(json.dumps(told))
    (work / "kubeconfig").chmod(0o600)


async def _pack(cluster: Cluster, namespace: str, job: str) -> bytes:
    tries = int(_PATIENCE / _PAUSE)
    for left in reversed(range(tries)):
        try:
            pack = pack_of(await cluster.list(Paths(namespace).of("configmaps"), {OF_JOB: job}))
            if pack is not None:
                return pack
        except (Unreachable, ApiError):
            if not left:
                raise
        await asyncio.sleep(_PAUSE)
    raise InfrastructureError(f"the cluster does not have the files of the commit for {job}", fix="dawsos resume")


async def faults(namespace: str, gateway: str | None, wanted: list[str]) -> list[str]:
    """Return what this pod lacks to conduct a rollout: programs, variables, rights."""
    told = [f"its image has no {name}" for name in PROGRAMS if shutil.which(name) is None]
    told += [f"its Secret has no {name}" for name in wanted if not os.environ.get(name)]
    try:
        async with connected(IN_CLUSTER) as cluster:
            lacking = await access.missing(cluster, namespace, gateway)
    except DawsosError as error:
        return [*told, error.message]
    if lacking:
        told.append(f"its ServiceAccount: {access.refusal(lacking, IN_CLUSTER).message}")
    return told
