"""Moves the traffic of one release: reads its HTTPRoute and its two Services, and changes them by JSON Patch."""

from __future__ import annotations

import asyncio
import contextlib

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.kubernetes import ApiError, Cluster, Objects
from dawsos.errors import InfrastructureError
from dawsos.platforms.contract import Roles
from dawsos.platforms.kubernetes.names import BACKEND, COMPONENT, DEPLOYMENT, INSTANCE, Paths
from dawsos.platforms.kubernetes.routing import (
    Fenced,
    Live,
    Object,
    alone_patch,
    fence_patch,
    live_of,
    may_claim,
    must_be_as,
    named,
    selected,
    service_patch,
    weight_patch,
)
from dawsos.ports import Clock

# How long the EndpointSlices may take to follow a selector.
_SLICES, _PAUSE = 20.0, 0.05
# How long pods may take to end: their grace period, and the kubelet's time.
_STOPPED = 90.0
# A patch that meets another change is made again from what is there.
_TRIES = 8
_CONFLICTS = (409, 422)


class Route:
    """The route of ``release`` in ``namespace``.

    ``fence`` is the token of the controller that conducts the rollout; with it every patch of the route fails with ``Fenced``
    once another controller has claimed the route.  Every call may raise ApiError and Unreachable.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, release: str, fence: str = "", clock: Clock | None = None
    ) -> None:
        self.cluster, self.namespace, self.release, self.fence = cluster, namespace, release, fence
        self._clock = clock or SystemClock()
        self._paths = Paths(namespace)
        self._known: Live | None = None

    async def live(self) -> Live:
        """Return the objects as the cluster has them now; raises BadInput when one is missing."""
        labels = {INSTANCE: self.release}
        routes, services = await asyncio.gather(
            self.cluster.list(self._paths.of("httproutes"), labels),
            self.cluster.list(self._paths.of("services"), labels),
        )
        return live_of(routes, services, self.release)

    async def read(self) -> Roles:
        """Return the roles and the canary's live weight."""
        return (await self.live()).roles

    async def known(self) -> Live:
        """Return the objects as this process read or made them last."""
        if self._known is None:
            self._known = await self.live()
        return self._known

    async def claim(self, token: str) -> None:
        """Note on the route that ``token`` conducts the rollout; the patches of whoever did before fail from now on.

        Raises Fenced when a token with a higher number, or another one with the same, is there.
        """
        for _ in range(_TRIES):
            live = self._known = await self.live()
            if not may_claim(token, live.holder):
                raise self._fenced(live)
            self.fence = token
            try:
                await self._patch_route(fence_patch(live, token))
            except ApiError as error:
                if error.status not in _CONFLICTS:
                    raise
            else:
                return
        raise InfrastructureError(f"the route of {self.release} changes too often", fix="kubectl get httproute -w")

    async def set_weight(self, weight: int) -> Live:
        """Give the canary ``weight`` per cent; return the objects after it.

        Raises ChangedBeside when somebody else changed the route or a Service since this process read them: it says what differs
        and does not change it back.  Weight 0 is given whatever is there.
        """
        if weight == 0:
            return await self._to_stable()
        before = await self.known()
        for _ in range(_TRIES):
            try:
                return await self._patch_route(weight_patch(before, weight, self.fence))
            except ApiError as error:
                if error.status not in _CONFLICTS:
                    raise
                now = await self.live()
                self._must_be_ours(now)
                must_be_as(before, now, f"{self.release} in {self.namespace}")
                before = self._known = now
        raise InfrastructureError(f"the route {named(before.route)} changes too often", fix="kubectl get httproute -w")

    async def _to_stable(self) -> Live:
        """Give stable everything, whatever shape the route has meanwhile."""
        live = await self.known()
        for _ in range(_TRIES):
            try:
                return await self._patch_route(weight_patch(live, 0, self.fence, unchanged=False))
            except ApiError as error:
                if error.status not in (*_CONFLICTS, 404):
                    raise
                live = self._known = await self.live()
                self._must_be_ours(live)
                if self.fence and not live.holder:
                    await self.claim(self.fence)
                    live = await self.known()
        raise InfrastructureError(f"the route {named(live.route)} changes too often", fix="kubectl get httproute -w")

    def _must_be_ours(self, live: Live) -> None:
        if self.fence and live.holder and live.holder != self.fence:
            raise self._fenced(live)

    def _fenced(self, live: Live) -> Fenced:
        where = f"{self.release} in {self.namespace}"
        return Fenced(f"the rollout of {where} is conducted by {live.holder} now", fix="dawsos status")

    async def withdraw(self) -> None:
        """Take the traffic from the canary, without waiting until the gateway follows."""
        await self.set_weight(0)

    async def assign(self, stable: str | None, canary: str | None) -> Live:
        """Let the Services select these deployments, and return when their EndpointSlices do; the weights stay.

        The route has the canary as a backend from then on, or not any more when it is None.  A standby that gets no role stays.
        The caller takes the weight from a Service before its deployment becomes another.
        """
        live = self._known = await self.live()
        self._must_be_ours(live)
        kept = live.roles.standby
        standby = "" if kept in (None, stable, canary) else str(kept)
        await self._select(live.stable, stable, standby)
        await self._select((await self.known()).canary, canary)
        for name, deployment in ((live.names[0], stable), (live.names[1], canary)):
            if deployment is not None:
                await self._wait_for_slices(name, deployment)
        live = await self.known()
        if canary is None:
            patch = alone_patch(live, self.fence)
            return await self._patch_route(patch) if patch else live
        return await self._patch_route(weight_patch(live, live.weight, self.fence))

    async def begin_promotion(self) -> bool:
        """Let the stable Service select the canary, whose pods go on as they are; the release before becomes the standby.

        Returns False when there is no canary.  ``end_promotion`` follows once the gateway has all weight on stable.
        """
        live = self._known = await self.live()
        self._must_be_ours(live)
        roles = live.roles
        if roles.canary is not None:
            await self._select(live.stable, roles.canary, roles.stable or "")
        canary = selected(live.canary)
        if canary is None:
            return False
        await self._wait_for_slices(live.names[0], canary)
        return True

    async def end_promotion(self) -> None:
        """Take the canary's backend from the route; its Service selects nobody."""
        live = await self.known()
        patch = alone_patch(live, self.fence)
        if patch:
            live = await self._patch_route(patch)
        await self._select(live.canary, None)

    async def forget_standby(self, deployment: str) -> None:
        """Note that ``deployment``, which is removed, is nobody's standby any more."""
        live = self._known = await self.live()
        if live.roles.standby == deployment:
            await self._select(live.stable, live.roles.stable, "")

    async def _select(self, service: Object, deployment: str | None, standby: str | None = None) -> None:
        patch = service_patch(service, deployment, standby)
        if not patch:
            return
        made = await self.cluster.patch(self._paths.of("services", named(service)), patch, "json")
        known = await self.known()
        stable = made if named(made) == known.names[0] else known.stable
        canary = made if named(made) == known.names[1] else known.canary
        self._known = Live(known.route, stable, canary)

    async def _patch_route(self, patch: Objects) -> Live:
        live = await self.known()
        route = await self.cluster.patch(self._paths.of("httproutes", named(live.route)), patch, "json")
        self._known = Live(route, live.stable, live.canary)
        return self._known

    async def pods(self, deployment: str) -> Objects:
        """Return the pods of a deployment that answer requests."""
        labels = {INSTANCE: self.release, COMPONENT: BACKEND, DEPLOYMENT: deployment}
        return await self.cluster.list(self._paths.of("pods"), labels)

    async def _wait_for_slices(self, service: str, deployment: str) -> None:
        """Wait until the EndpointSlices of a Service hold the ready pods of the deployment, and no others."""
        deadline = self._clock.monotonic() + _SLICES
        while True:
            slices, pods = await asyncio.gather(
                self.cluster.list(self._paths.of("endpointslices"), {"kubernetes.io/service-name": service}),
                self.pods(deployment),
            )
            there, ready = in_slices(slices), {named(pod) for pod in pods if is_ready(pod)}
            if ready and there == ready:
                return
            if self._clock.monotonic() > deadline:
                raise InfrastructureError(
                    f"the EndpointSlices of {service} hold {', '.join(sorted(there)) or 'no pod'} after {_SLICES:g} s, "
                    f"and the ready pods of {deployment} are {', '.join(sorted(ready)) or 'none'}",
                    fix=f"kubectl -n {self.namespace} get endpointslices,pods",
                )
            await self._clock.sleep(_PAUSE)

    async def stop(self, deployment: str) -> None:
        """Scale the Deployments with the pods of ``deployment`` to zero and wait until no pod runs: the last means of a rollback."""
        labels = {INSTANCE: self.release, COMPONENT: BACKEND, DEPLOYMENT: deployment}
        for found in await self.cluster.list(self._paths.of("deployments"), labels):
            path = self._paths.of("deployments", named(found))
            await self.cluster.patch(path, {"spec": {"replicas": 0}})
        # What is left of them need not end gracefully: it answers requests that it must not get.
        for pod in await self.pods(deployment):
            with contextlib.suppress(ApiError):
                await self.cluster.delete(self._paths.of("pods", named(pod)))
        deadline = self._clock.monotonic() + _STOPPED
        while running := [named(pod) for pod in await self.pods(deployment) if not has_ended(pod)]:
            if self._clock.monotonic() > deadline:
                raise InfrastructureError(
                    f"pods of {deployment} still run {_STOPPED:g} s after they were stopped: {', '.join(running)}",
                    fix=f"kubectl -n {self.namespace} get pods -o wide",
                )
            await self._clock.sleep(_PAUSE)


def in_slices(slices: Objects) -> set[str]:
    """Return the names of the pods that get requests through the EndpointSlices."""
    return {
        str((endpoint.get("targetRef") or {}).get("name", ""))
        for each in slices
        for endpoint in each.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready") is not False
    }


def is_ready(pod: Object) -> bool:
    """Return whether a pod gets requests: it is ready, and nobody has deleted it."""
    conditions = pod.get("status", {}).get("conditions") or []
    ready = any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def has_ended(pod: Object) -> bool:
    """Return whether no process of a pod runs any more."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
