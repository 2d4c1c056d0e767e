"""The local platform: an environment of processes behind Envoy on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from dawsos.adapters.secret_variables import secrets_in
from dawsos.adapters.services import SERVICES
from dawsos.adapters.toolchain import base_environment
from dawsos.errors import InfrastructureError
from dawsos.model.policy import RolloutPolicy
from dawsos.model.release import Release
from dawsos.platforms.contract import (
    EnvironmentSpec,
    EnvironmentStatus,
    PlatformHost,
)
from dawsos.platforms.local.commands import LocalCommands, app_of, lay_out, module_path, release_argv
from dawsos.platforms.local.environment import Deployment, LocalEnvironment
from dawsos.platforms.local.faults import LocalFaults
from dawsos.platforms.local.observer import observe
from dawsos.platforms.local.stand_ins import stand_in_services
from dawsos.platforms.local.telemetry import EnvoyTelemetry
from dawsos.platforms.local.traffic import EnvoyTraffic
from dawsos.platforms.local.workers import Worker, filled, with_ports
from dawsos.platforms.replicas import HttpReplica


@dataclass(frozen=True)
class _Prepared:
    """The environment once it is prepared: its spec, and the variables of everything that runs in it."""

    spec: EnvironmentSpec
    variables: Mapping[str, str]


class LocalPlatform:
    """Implements ``contract.Platform``.  All state is in files, so any process may hold one of these."""

    def __init__(self, host: PlatformHost) -> None:
        self._host = host
        self._environment = LocalEnvironment(host.folder, host.name)
        self._prepared: _Prepared | None = None

    @property
    def name(self) -> str:
        return self._host.name

    async def check(self) -> None:
        """Nothing: whatever an environment on this machine needs comes with the tool."""

    async def prepare(self, spec: EnvironmentSpec) -> None:
        """Start the supervisor, the services, the stand-ins and the proxy, and teach the redactor the environment's secrets."""
        environment, service = self._environment, spec.service
        await environment.ensure_supervisor()
        services = await environment.start_services([SERVICES[name] for name in spec.settings.services])
        stand_ins = await stand_in_services(spec.stand_ins, environment.folder, self._host.runner)
        ports = await environment.start_services(stand_ins)
        variables = {
            **services,
            **environment.secrets(service.secrets),
            **environment.folders(service.folders),
            **with_ports(spec.settings.env, ports),
            **spec.given,
        }
        declared = [variables[name] for name in service.secrets if name in variables]
        self._host.redactor.add([*declared, *secrets_in(variables)])
        await environment.ensure_proxy()
        self._prepared = _Prepared(spec, variables)

    def _ready(self) -> _Prepared:
        if self._prepared is None:
            raise InfrastructureError(f"the environment {self.name} is not prepared", fix="this is a defect of dawsos")
        return self._prepared

    # Deployments.

    async def deploy(self, deployment: str, release: Release) -> None:
        """Run the processes of ``release`` and wait until all are ready; raises ReleaseFailed."""
        prepared = self._ready()
        service, place = prepared.spec.service, self._environment.folder
        if release.is_folder:
            place = app_of(place, deployment)
            await asyncio.to_thread(lay_out, release, place)
        wanted = Deployment(
            id=deployment,
            release=release.digest,
            argv=release_argv(service.command, release, shell=service.shell),
            cwd=str(place),
            env=self._release_variables(deployment, release),
            replicas=prepared.spec.settings.replicas,
            workers=tuple(
                Worker(
                    w.name,
                    release_argv(w.command, release, shell=service.shell),
                    w.replicas,
                    w.ports,
                    w.ready,
                    w.keep_on_standby,
                )
                for w in service.workers
            ),
            ready_path=service.ready,
            ready_within=service.ready_within,
            stop_grace=service.stop_grace,
        )
        await self._environment.deploy(wanted)

    def _release_variables(self, deployment: str, release: Release) -> dict[str, str]:
        """Return the variables of one deployment of ``release``; the ports of its workers are still to be filled in."""
        place = app_of(self._environment.folder, deployment)
        base = base_environment(self._environment.folder)
        return {
            **base,
            "PATH": ":".join((*release.programs, base["PATH"])),
            **self._ready().variables,
            **module_path(release, place),
            "GIT_SHA": release.commit,
            "DEPLOYMENT_ID": deployment,
        }

    async def remove(self, deployment: str) -> None:
        await self._environment.remove(deployment)

    @asynccontextmanager
    async def replicas(self, deployment: str) -> AsyncIterator[tuple[HttpReplica, ...]]:
        """Give the processes at their own ports."""
        own = [one for one in (await self.status()).processes if one.group == deployment and one.address]
        yield tuple(HttpReplica(f"http://{one.address}") for one in own if one.state == "ready")

    async def variables(self, deployment: str | None) -> Mapping[str, str]:
        ports = self._environment.named_ports(deployment) if deployment else {}
        return filled(self._ready().variables, ports)

    def commands(self, deployment: str, release: Release) -> LocalCommands:
        """Return the runner of the release's commands.

        Workers have no ports before the deployment runs: a variable that names such a port is left out, never half filled in.
        """
        ports = self._environment.named_ports(deployment)
        env = filled(self._release_variables(deployment, release), ports)
        shell = self._ready().spec.service.shell
        return LocalCommands(release, self._environment.folder, env, self._host.runner, deployment, shell)

    # Traffic.

    async def route(self, stable: str | None, canary: str | None, weight: int) -> None:
        await self._environment.route(stable, canary, weight)

    async def promote(self) -> None:
        await self._environment.promote()

    async def withdraw(self) -> None:
        self._environment.withdraw()

    async def renew_lease(self, seconds: float) -> None:
        self._environment.renew_lease(seconds)

    def traffic(self) -> EnvoyTraffic:
        return EnvoyTraffic(self._environment.folder)

    def telemetry(self, policy: RolloutPolicy) -> EnvoyTelemetry:
        counters, page = policy.failure_counters, policy.metrics
        return EnvoyTelemetry(self._environment.folder, counters, policy.crash_loop, page)

    def faults(self) -> LocalFaults:
        return LocalFaults(self._environment)

    # State.

    async def status(self) -> EnvironmentStatus:
        return replace(observe(self._environment.folder), name=self.name)

    async def down(self, *, purge: bool) -> None:
        await self._environment.down(purge)
