"""The further processes of a deployment: a queue's worker, a sidecar.  They are started, judged and stopped with it.

They differ from replicas in two ways.  They may need ports that the other processes must know before anything starts, so ports
are named by variables, chosen once per deployment and given to all of its processes and commands.  And a standby deployment is
kept warm to answer requests, not to do work: its workers are suspended, so that only the serving release works, and they start
again when the standby serves again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dawsos.adapters.loopback import free_ports
from dawsos.model.process import Probe, ProcessSpec
from dawsos.platforms.contract import Roles
from dawsos.platforms.local.state import Desired, spec_from

_PLACEHOLDER = re.compile(r"\{([A-Z][A-Z0-9_]*_PORT)\}")


@dataclass(frozen=True)
class Worker:
    """One kind of further process; ``ports`` are names of variables, ``ready_path`` is asked on the first of them."""

    name: str
    argv: tuple[str, ...]
    replicas: int = 1
    ports: tuple[str, ...] = ()
    ready_path: str | None = None
    keep_on_standby: bool = False


def filled(env: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    """Return ``env`` with the ports in it and ``{NAME}`` replaced by a port; a value that names an unknown one is left out."""
    known = {name: str(port) for name, port in ports.items()}
    whole = {key: value for key, value in env.items() if set(_PLACEHOLDER.findall(value)) <= known.keys()}
    return {key: _PLACEHOLDER.sub(lambda match: known[match[1]], value) for key, value in whole.items()} | known


def with_ports(env: Mapping[str, str], ports: Mapping[str, str]) -> dict[str, str]:
    """Return ``env`` with ``{NAME}`` replaced where ``ports`` has it, and the ports; other names are filled in later."""
    return {key: _PLACEHOLDER.sub(lambda m: ports.get(m[1], m[0]), value) for key, value in env.items()} | dict(ports)


def choose_ports(workers: tuple[Worker, ...], known: Mapping[str, int]) -> dict[str, int]:
    """Return variable -> port for all workers; those chosen before stay."""
    names = [name for worker in workers for name in worker.ports]
    missing = [name for name in names if name not in known]
    chosen = {**known, **dict(zip(missing, free_ports(len(missing)), strict=True))}
    return {name: chosen[name] for name in names}


@dataclass(frozen=True)
class Surroundings:
    """The common settings of the processes of one deployment."""

    deployment: str
    cwd: str
    env: Mapping[str, str]
    stop_grace: float
    logs: Path


def specs(worker: Worker, around: Surroundings, ports: Mapping[str, int]) -> list[ProcessSpec]:
    """Return the processes of one worker."""
    made = []
    for index in range(worker.replicas):
        name = f"{around.deployment}.{worker.name}" + (f"-{index}" if worker.replicas > 1 else "")
        probe = Probe("http", ports[worker.ports[0]], worker.ready_path) if worker.ready_path else None
        made.append(
            ProcessSpec(
                name=name,
                group=around.deployment,
                argv=worker.argv,
                cwd=around.cwd,
                env={**around.env, "HOST": "127.0.0.1"},
                stop_grace=around.stop_grace,
                ready=probe,
                log=str(around.logs / f"{name}.log"),
            )
        )
    return made


def all_specs(
    workers: tuple[Worker, ...], around: Surroundings, ports: Mapping[str, int]
) -> tuple[list[ProcessSpec], list[str]]:
    """Return the processes of all workers, and the names of those that a standby does not run."""
    made = [(worker, spec) for worker in workers for spec in specs(worker, around, ports)]
    return [spec for _, spec in made], [spec.name for worker, spec in made if not worker.keep_on_standby]


def suspend_standby(desired: Desired, roles: Roles) -> bool:
    """Take the workers of the standby out of what should run, put those of all others back in; whether that changed anything."""
    changed = False
    for name, deployment in desired.deployments.items():
        working = name != roles.standby
        suspended: dict[str, dict[str, Any]] = deployment.setdefault("suspended", {})
        if working and suspended:
            desired.processes |= {process: spec_from(raw) for process, raw in suspended.items()}
            deployment["suspended"], changed = {}, True
        elif not working:
            for process in [process for process in deployment.get("suspendable", ()) if process in desired.processes]:
                suspended[process] = asdict(desired.processes.pop(process))
                changed = True
    return changed
