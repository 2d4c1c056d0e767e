"""The platform of releases on Kubernetes: deployments by helm, traffic by the route of a gateway, all state in the cluster."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from dawsos.adapters.kubernetes import Cluster, Object
from dawsos.adapters.secret_variables import secrets_in
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.policy import RolloutPolicy
from dawsos.model.release import Release
from dawsos.platforms.contract import EnvironmentSpec, EnvironmentStatus, PlatformHost
from dawsos.platforms.kubernetes import deployments, ending, inside, secrets
from dawsos.platforms.kubernetes.conducting import Conductor
from dawsos.platforms.kubernetes.connection import Connection
from dawsos.platforms.kubernetes.delivering import entry_of, images_of
from dawsos.platforms.kubernetes.deployments import Bed
from dawsos.platforms.kubernetes.drilling import ClusterFaults
from dawsos.platforms.kubernetes.helm import Helm
from dawsos.platforms.kubernetes.images import publish
from dawsos.platforms.kubernetes.names import BACKEND, COMPONENT, DEPLOYMENT
from dawsos.platforms.kubernetes.observer import address_of, gateway_address
from dawsos.platforms.kubernetes.preflight import chart_faults, flagger_must_be_there, must_be_there, refused
from dawsos.platforms.kubernetes.release_commands import ClusterCommands
from dawsos.platforms.kubernetes.rendering import pod_of
from dawsos.platforms.kubernetes.routes import Route
from dawsos.platforms.kubernetes.routing import Fenced
from dawsos.platforms.kubernetes.state import Seen, is_ready, label, live_deployments, named, status_of
from dawsos.platforms.kubernetes.target import Target
from dawsos.platforms.kubernetes.telemetry import KubernetesTelemetry
from dawsos.platforms.kubernetes.traffic import KubernetesTraffic
from dawsos.platforms.kubernetes.tunnels import Tunnels
from dawsos.platforms.kubernetes.variables import filled
from dawsos.platforms.remembered import forget, remember
from dawsos.platforms.replicas import HttpReplica


@dataclass(frozen=True)
class _Prepared:
    """The environment once it is prepared: its spec, what its Secret holds, and the variables of ``settings.env``."""

    spec: EnvironmentSpec
    secret: Mapping[str, str]
    env: Mapping[str, str]


class KubernetesPlatform:
    """Implements ``contract.Platform``.  All state is in the cluster, so any process on any machine may hold one of these."""

    def __init__(self, host: PlatformHost) -> None:
        self._host = host
        self._target = Target.of(host.name, host.settings, host.root)
        self._connection = Connection(self._target.context)
        self._helm = Helm(self._target, host.runner, host.clock, host.folder, frozenset(host.settings.pass_env))
        self._conductor = Conductor(self._target.namespace, self._target.release, host.clock)
        self._tunnels: Tunnels | None = None
        self._prepared: _Prepared | None = None
        self._checked = False

    @property
    def name(self) -> str:
        return self._host.name

    @asynccontextmanager
    async def _bed(self) -> AsyncIterator[Bed]:
        host, settings = self._host, self._host.settings
        fixed = inside.fixed_values(self._target, settings, self._prepared.spec.stand_ins if self._prepared else None)
        log = host.folder / "helm.log"
        async with self._connection.open() as cluster:
            yield Bed(cluster, self._target, self._helm, host.clock, host.redactor, fixed, log)

    async def check(self) -> None:
        """Raise BadInput with everything that is missing: programs, context, namespace, rights, kinds, the chart."""
        if not self._checked:
            async with self._connection.open() as cluster:
                if self._host.settings.driver == "flagger":
                    await flagger_must_be_there(cluster, self._target)
                else:
                    await must_be_there(cluster, self._target, self._host.settings.gateway)
            self._checked = True

    async def prepare(self, spec: EnvironmentSpec) -> None:
        """Check what must be there, complete the Secret, and install the chart with its embedded services and stand-ins.

        Raises BadInput for what is missing, before anything is changed.
        """
        host, target = self._host, self._target
        if host.settings.driver == "flagger":
            raise BadInput(
                f"{self.name} has driver: flagger: its Deployment is yours, and this tool brings it nothing but rollouts",
                fix="deployments, drills and stages that act on an environment need driver: dawsos",
            )
        await self.check()
        async with self._connection.open() as cluster:
            remember(host.folder, spec.settings.model_dump(mode="json", by_alias=True, exclude_unset=True))
            secret = await secrets.ensure(cluster, target, spec)
        host.redactor.add([*secret.values(), *secrets_in({**spec.settings.env, **spec.given})])
        self._prepared = _Prepared(spec, secret, {})
        async with self._bed() as bed:
            seen = await bed.seen()
            if not inside.stands(seen, spec):
                await bed.apply(await bed.values(seen))
                seen = await bed.seen()
            if not await gateway_address(bed.cluster, seen, self._host.settings.url):
                raise BadInput(
                    f"nobody says where users reach {self.name}: the Gateway of its route has no address in its status",
                    fix=f"set `url` of the environment {self.name} in pipeline.yaml",
                )
            await ending.wake(bed, ending.parked_of(seen.deployments))
            await inside.wait_for_services(bed)
            ports = inside.stand_in_ports_of(seen, spec)
        numbers = {name: port for name, (_, port) in ports.items()}
        self._prepared = _Prepared(spec, secret, filled(spec.settings.env, numbers))

    def _ready(self) -> _Prepared:
        if self._prepared is None:
            raise InfrastructureError(f"the environment {self.name} is not prepared", fix="this is a defect of dawsos")
        return self._prepared

    # Deployments.

    async def deploy(self, deployment: str, release: Release) -> None:
        """Run the pods of ``release`` and wait until all are ready; raises ReleaseFailed."""
        service = self._ready().spec.service
        inside.must_be_a_name(deployment)
        async with self._bed() as bed:
            await self._conductor.begin(bed.cluster)
            try:
                seen = await bed.seen()
                entry = await self._entry(bed, seen, release)
                await self._must_be_labelled(bed, seen, deployment, entry)
                await deployments.deploy(bed, deployment, entry, service.ready_within)
            except BaseException:
                await self._conductor.end(bed.cluster)
                raise

    async def _must_be_labelled(self, bed: Bed, seen: Seen, deployment: str, entry: dict[str, Any]) -> None:
        """Raise BadInput when the chart makes objects of the deployment that this tool would not find again."""
        values = await bed.values(seen)
        values["deployments"] = {**values["deployments"], deployment: entry}
        told = chart_faults(await self._helm.template(values), self._target, deployment)
        if told:
            raise refused(told, self._target)

    async def _entry(self, bed: Bed, seen: Seen, release: Release) -> dict[str, Any]:
        prepared, host = self._ready(), self._host
        live = live_deployments(seen, {})
        tools = (host.runner, host.folder / "images.log", host.root)
        images = await images_of(release, prepared.spec.settings, live, tools)
        for image in release.images:
            # Before any pod of it: of the deployment, or of a command.
            await publish(image, bed.cluster, self._target)
        return entry_of(
            release, images, prepared.spec.settings.replicas, bool(prepared.spec.service.workers), prepared.env
        )

    async def remove(self, deployment: str) -> None:
        async with self._bed() as bed:
            await deployments.remove(bed, deployment)
            if (await bed.seen()).routes:
                await Route(bed.cluster, self._target.namespace, self._target.release).forget_standby(deployment)

    def commands(self, deployment: str, release: Release) -> ClusterCommands:
        """Return the runner of the release's commands, in pods like those of the deployment."""

        async def template(cluster: Cluster) -> Object:
            return await self._template(deployment, release)

        env = {"GIT_SHA": release.commit, "DEPLOYMENT_ID": deployment}
        host = self._host
        return ClusterCommands(self._connection, self._target, template, env, host.clock, host.redactor)

    async def _template(self, deployment: str, release: Release) -> Object:
        """Return the pod template of a deployment: of the live one, else as the chart would make it."""
        async with self._bed() as bed:
            seen = await bed.seen()
            live = seen.of(BACKEND).get(deployment)
            if live is not None:
                template: Object = live["spec"]["template"]
                return template
            values = await bed.values(seen)
            entry = await self._entry(bed, seen, release)
            values["deployments"] = {**values["deployments"], deployment: entry}
            return pod_of(await self._helm.template(values), deployment)

    async def variables(self, deployment: str | None) -> Mapping[str, str]:
        """Return the variables of the environment with the addresses of tunnels in them, as steps on this machine use them."""
        prepared = self._ready()
        if self._tunnels is None:
            self._tunnels = self._new_tunnels()
        async with self._bed() as bed:
            seen = await bed.seen()
        return await inside.variables(prepared.spec, prepared.secret, prepared.env, seen, self._tunnels) | (
            self._replica(seen, deployment)
        )

    def _new_tunnels(self) -> Tunnels:
        given = inside.given_to_kubectl(self._host.settings)
        return Tunnels(self._target.kubectl, given, self._host.folder, self._host.clock)

    @asynccontextmanager
    async def replicas(self, deployment: str) -> AsyncIterator[tuple[HttpReplica, ...]]:
        """Give the pods through tunnels, or at their own addresses where this process is in their network."""
        pods = [one for one in (await self.status()).processes if one.group == deployment and one.address]
        ready = [one for one in pods if one.state == "ready"]
        if self._host.settings.gateway.reach == "direct":
            yield tuple(HttpReplica(f"http://{one.address}") for one in ready)
            return
        tunnels = self._new_tunnels()
        try:
            ports = [await tunnels.open(f"pod/{one.name}", int(one.address.rpartition(":")[2])) for one in ready]
            yield tuple(HttpReplica(f"http://127.0.0.1:{port}") for port in ports)
        finally:
            tunnels.close()

    def _replica(self, seen: Seen, deployment: str | None) -> dict[str, str]:
        """Return the beginning of a command that runs in a ready replica, where there is one."""
        own = [pod for pod in seen.pods if deployment and label(pod, DEPLOYMENT) == deployment]
        ready = [pod for pod in own if is_ready(pod) and label(pod, COMPONENT) == BACKEND]
        if not ready:
            return {}
        command = (*self._target.kubectl, "exec", f"pod/{named(ready[0])}", "-c", BACKEND, "--")
        return {"REPLICA_EXEC": shlex.join((*inside.of_the_user(os.environ), *command))}

    # Traffic.

    async def route(self, stable: str | None, canary: str | None, weight: int) -> None:
        await self.faults().clear()
        async with self._conducting() as traffic:
            await traffic.route(stable, canary, weight)
            if canary is None:
                await self._conductor.end(traffic.routes.cluster)

    async def promote(self) -> None:
        await self.faults().clear()
        async with self._conducting() as traffic:
            await traffic.promote()
            await self._conductor.end(traffic.routes.cluster)

    @asynccontextmanager
    async def _conducting(self) -> AsyncIterator[ClusterTraffic]:
        """Give what moves the traffic, once no other process may; raises LeaseHeld with its name."""
        traffic = self.traffic()
        try:
            await self._conductor.begin(traffic.routes.cluster)
            yield traffic
        finally:
            await traffic.close()

    async def withdraw(self) -> None:
        """Take the traffic from the canary that this process conducts.  That of another process is not its to take: a second
        controller that was refused would end the rollout of the first.
        """
        async with self._connection.open() as cluster:
            route = self._conductor.fenced(Route(cluster, self._target.namespace, self._target.release))
            if (await route.read()).weight and not await self._conductor.another(cluster):
                with contextlib.suppress(Fenced):
                    await route.withdraw()
            # Whoever goes on need not wait; as long as the canary has traffic the lease tells the guardian of it.
            await self._conductor.end(cluster)

    async def renew_lease(self, seconds: float) -> None:
        """Renew the lease; whoever gets it anew is from then on the only one whose patches of the route are taken."""
        async with self._connection.open() as cluster:
            await self._conductor.renew(cluster, seconds)

    def traffic(self) -> ClusterTraffic:
        cluster, target = Cluster(self._target.context), self._target
        traffic = ClusterTraffic(cluster, target.namespace, target.release, self._host.settings.gateway)
        self._conductor.fenced(traffic.routes)
        return traffic

    def telemetry(self, policy: RolloutPolicy) -> ClusterTelemetry:
        cluster, target = Cluster(self._target.context), self._target
        return ClusterTelemetry(cluster, target.namespace, target.release, self._host.settings.gateway, policy)

    def faults(self) -> ClusterFaults:
        return ClusterFaults(self._connection, self._target, self._helm, self._host.clock)

    # State.

    async def status(self) -> EnvironmentStatus:
        async with self._connection.open() as cluster:
            seen = await deployments.look(cluster, self._target)
            url = await address_of(cluster, seen, self._host.settings.url)
        return status_of(self.name, seen, url, self._host.clock.now())

    async def down(self, *, purge: bool) -> None:
        if self._tunnels is not None:
            self._tunnels.close()
        async with self._bed() as bed:
            if purge:
                await ending.purge(bed)
                forget(self._host.folder)
            else:
                await ending.park(bed)


class ClusterTraffic(KubernetesTraffic):
    """``contract.Traffic`` with a connection of its own."""

    async def close(self) -> None:
        await super().close()
        await self.routes.cluster.close()


class ClusterTelemetry(KubernetesTelemetry):
    """``contract.Telemetry`` with a connection of its own."""

    async def close(self) -> None:
        await super().close()
        await self._cluster.close()
