"""Injects the faults of a drill on the canary: errors and latency by an Envoy in front of its pods, crashes by killing them."""

from __future__ import annotations

import contextlib

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.kubernetes import ApiError, Cluster
from dawsos.errors import InfrastructureError
from dawsos.platforms.faults import WireFault
from dawsos.platforms.kubernetes import fault_objects
from dawsos.platforms.kubernetes.names import BACKEND, COMPONENT, DEPLOYMENT, INSTANCE, Paths
from dawsos.platforms.kubernetes.routes import Route, in_slices, is_ready
from dawsos.platforms.kubernetes.routing import Object, named, pointer, selected
from dawsos.ports import Clock

# Seconds: the fault's Envoy gets ready, the Service follows; the gateway follows the Service.
_READY, _FOLLOWS, _PAUSE = 60.0, 2.0, 0.1


class KubernetesFaults:
    """Injects on the wire and by deleting pods.  ``image`` has Envoy, as the tool's own image; ``command`` starts it there."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        release: str,
        image: str,
        command: tuple[str, ...] = fault_objects.COMMAND,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._cluster, self._release, self._image, self._command = cluster, release, image, command
        self._paths = Paths(namespace)
        self._routes = Route(cluster, namespace, release, clock=self._clock)

    async def set_fault(self, fault: WireFault) -> None:
        """Put an Envoy with the fault between the canary's Service and its pods, and return when the gateway sends requests there.

        Raises InfrastructureError when there is no canary, or Envoy does not get ready.
        """
        await self.clear()
        service = (await self._routes.live()).canary
        owner = await self._owner(service)
        try:
            await self._put(service, owner, fault)
        except BaseException:
            await self.clear()
            raise

    async def _put(self, service: Object, owner: Object, fault: WireFault) -> None:
        made = await self._cluster.create(self._paths.of("services"), fault_objects.origin(service, owner))
        ports = (fault_objects.listens_on(service), int(made["spec"]["ports"][0]["port"]))
        config = fault_objects.envoy_config(str(made["spec"]["clusterIP"]), ports, fault)
        await self._cluster.create(self._paths.of("configmaps"), fault_objects.config_map(service, owner, config))
        await self._cluster.create(
            self._paths.of("pods"), fault_objects.pod(service, owner, self._image, self._command)
        )
        await self._wait_until_ready(fault_objects.fault_name(service))
        await self._lead(service, fault_objects.FAULT)

    async def _owner(self, service: Object) -> Object:
        canary = selected(service)
        labels = {INSTANCE: self._release, COMPONENT: BACKEND, DEPLOYMENT: canary or ""}
        found = await self._cluster.list(self._paths.of("deployments"), labels) if canary else []
        if not found:
            raise InfrastructureError(f"{self._release} has no canary to inject a fault on", fix="dawsos status")
        return found[0]

    async def _wait_until_ready(self, name: str) -> None:
        deadline = self._clock.monotonic() + _READY
        while True:
            found = await self._cluster.get(self._paths.of("pods", name))
            if is_ready(found):
                return
            if self._clock.monotonic() > deadline:
                raise InfrastructureError(
                    f"the Envoy of the fault is not ready after {_READY:g} s: {_state(found)}",
                    fix=f"its image is {self._image}; kubectl describe pod {name}",
                )
            await self._clock.sleep(_PAUSE)

    async def _lead(self, service: Object, component: str) -> None:
        """Let the canary's Service select the pods of ``component``, and wait until the gateway does."""
        path = f"/spec/selector/{pointer(COMPONENT)}"
        patch = [{"op": "add", "path": path, "value": component}]
        await self._cluster.patch(self._paths.of("services", named(service)), patch, "json")
        deadline = self._clock.monotonic() + _READY
        wanted = fault_objects.fault_name(service)
        while True:
            slices = await self._cluster.list(
                self._paths.of("endpointslices"), {"kubernetes.io/service-name": named(service)}
            )
            there = in_slices(slices)
            if there == {wanted} if component == fault_objects.FAULT else wanted not in there:
                break
            if self._clock.monotonic() > deadline:
                raise InfrastructureError(
                    f"the EndpointSlices of {named(service)} do not follow its selector",
                    fix="kubectl get endpointslices",
                )
            await self._clock.sleep(_PAUSE)
        await self._clock.sleep(_FOLLOWS)

    async def clear(self) -> None:
        """Let the canary's Service lead to the canary again and remove the fault; does nothing when there is none."""
        service = (await self._routes.live()).canary
        name = fault_objects.fault_name(service)
        if service["spec"]["selector"].get(COMPONENT) == fault_objects.FAULT:
            await self._lead(service, BACKEND)
        for kind, each in (("pods", name), ("configmaps", name), ("services", f"{name}-origin")):
            await self._cluster.delete(self._paths.of(kind, each))
        deadline = self._clock.monotonic() + _READY
        while await self._cluster.find(self._paths.of("pods", name)) is not None:
            if self._clock.monotonic() > deadline:
                raise InfrastructureError(f"the pod {name} of the fault does not end", fix=f"kubectl delete pod {name}")
            await self._clock.sleep(_PAUSE)

    async def crash(self, deployment: str) -> None:
        """Kill the processes of all pods of the deployment once; the cluster starts others."""
        for pod in await self._routes.pods(deployment):
            if "deletionTimestamp" in pod["metadata"]:
                continue
            with contextlib.suppress(ApiError):  # it may be gone meanwhile
                await self._cluster.request(
                    "DELETE", self._paths.of("pods", named(pod)), body={"gracePeriodSeconds": 0}
                )


def _state(pod: Object) -> str:
    states = (each.get("state") or {} for each in pod.get("status", {}).get("containerStatuses") or [])
    reasons = [str((state.get("waiting") or {}).get("reason", "")) for state in states]
    return ", ".join(filter(None, reasons)) or str(pod.get("status", {}).get("phase", "no status"))
