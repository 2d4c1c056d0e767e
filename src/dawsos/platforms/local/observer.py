"""Reads the status of an environment on this machine from its files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dawsos.platforms.contract import DeploymentStatus, EnvironmentStatus
from dawsos.platforms.local.locking import supervisor_runs
from dawsos.platforms.local.state import Desired, SupervisorStatus, read_desired, read_roles, read_status


def observe(folder: Path) -> EnvironmentStatus:
    """Return the status of the environment ``folder``; an empty one for an environment that was never started."""
    seen, desired = read_status(folder, supervisor_runs(folder)), read_desired(folder)
    deployments = {name: _deployment(name, desired, seen) for name in desired.deployments}
    addresses = {
        f"{name}.{index}": f"127.0.0.1:{port}"
        for name, deployment in desired.deployments.items()
        for index, port in enumerate(deployment.get("ports", ()))
    }
    shown = tuple(replace(one.status(), address=addresses.get(one.name, "")) for one in seen.processes)
    return EnvironmentStatus(folder.name, seen.running, seen.url, read_roles(folder), deployments, shown)


def _deployment(name: str, desired: Desired, seen: SupervisorStatus) -> DeploymentStatus:
    known = desired.deployments[name]
    processes = [process for process in seen.processes if process.group == name]
    replicas = [process for process in processes if is_replica(process.name)]
    return DeploymentStatus(
        id=name,
        release=str(known.get("release", "")),
        replicas=len(known.get("ports", ())),
        ready_replicas=sum(process.state == "ready" for process in replicas),
        workers_not_ready=tuple(sorted(p.name for p in processes if p not in replicas and p.state != "ready")),
        restarts=sum(len(process.restarts) for process in processes),
        crash_looping=any(process.crash_looping for process in processes),
    )


def is_replica(process: str) -> bool:
    """Return whether a process of this name answers requests: replicas have a number, workers a name."""
    return process.rpartition(".")[2].isdigit()
