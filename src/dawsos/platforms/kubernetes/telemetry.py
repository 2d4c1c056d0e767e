"""What the judge sees of a release on a cluster: the counters of every process of the gateway, the canary's pods, its own counters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.http import HttpClient, HttpError
from dawsos.adapters.kubernetes import ApiError, Cluster, Object, Unreachable
from dawsos.errors import InfrastructureError
from dawsos.model.cluster import Gateway
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Counts, Sample
from dawsos.platforms.exposition import total
from dawsos.platforms.kubernetes.ends import Ends
from dawsos.platforms.kubernetes.gateway_pods import GatewayPods, PodReading
from dawsos.platforms.kubernetes.names import BACKEND, COMPONENT, DEPLOYMENT, INSTANCE, Paths
from dawsos.platforms.kubernetes.pods import PodHistory
from dawsos.platforms.kubernetes.routes import is_ready
from dawsos.platforms.kubernetes.routing import Live, live_of, must_be_as, named, selected
from dawsos.platforms.kubernetes.traffic import CANARY, STABLE, backends_of
from dawsos.platforms.kubernetes.watching import Watch
from dawsos.platforms.readings import NOTHING, added, difference, restarted
from dawsos.ports import Clock

_WITHIN = 2.0


class KubernetesTelemetry:
    """Implements ``contract.Telemetry``: one sample a call, from every process of the gateway at once.

    ``policy.failure_counters`` are read from the pages of metrics of the canary's pods.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        release: str,
        gateway: Gateway,
        policy: RolloutPolicy,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._cluster, self._namespace, self._release = cluster, namespace, release
        self._gateway, self._direct = GatewayPods(cluster, namespace, release, gateway), gateway.reach == "direct"
        self._names, self._metrics = policy.failure_counters, policy.metrics
        self._client = HttpClient(timeout=_WITHIN)
        self._history = PodHistory(policy.crash_loop, self._clock.monotonic)
        labels, paths = {INSTANCE: release}, Paths(namespace)
        self._routes = Watch(cluster, paths.of("httproutes"), labels)
        self._services = Watch(cluster, paths.of("services"), labels)
        self._pods: Watch | None = None
        self._stable_pods: Watch | None = None
        self._ends, self._stable_ends = Ends(), Ends()
        self._live: Live | None = None
        self._before: dict[str, PodReading] = {}
        self._counters_before: dict[str, float] = {}
        self._last = self._clock.monotonic()

    async def close(self) -> None:
        await self._gateway.close()
        await self._client.close()
        for watch in (self._routes, self._services, self._pods, self._stable_pods):
            if watch is not None:
                await watch.close()

    @property
    def out_of_memory(self) -> int:
        """How many processes of the canary were killed for their memory."""
        return self._history.out_of_memory

    @property
    def blind(self) -> str:
        """What this kind of gateway cannot see, in a sentence; empty when it sees all."""
        return self._gateway.adapter.blind

    async def sample(self, at: float, weight: int) -> Sample:
        """Return what happened since the last call.

        Not ``complete`` when a process of the gateway is missing, was started again or could not be read, when the API server
        cannot be heard, or when the canary had another weight.  Raises ChangedBeside when somebody else changed the route or
        the Services.
        """
        now = self._clock.monotonic()
        seconds, self._last = now - self._last, now
        try:
            live = await self._look()
            found, counters = await asyncio.gather(self._gateway.read(backends_of(live)), self._failures(live))
        except (ApiError, Unreachable):
            self._before = {}
            return self._sample(at, seconds, weight, {}, {}, complete=False)
        before, self._before = self._before, found
        parts = compared(before, found, live)
        # A first release has all traffic while its weight climbs.
        as_asked = live.roles.stable is None or live.roles.weight == weight
        complete = parts is not None and as_asked and self._current
        return self._sample(at, seconds, weight, parts or {}, counters, complete=complete)

    def _sample(
        self,
        at: float,
        seconds: float,
        weight: int,
        parts: Mapping[str, Counts],
        counters: dict[str, float],
        *,
        complete: bool,
    ) -> Sample:
        nothing = Counts()
        return Sample(
            at,
            seconds,
            weight,
            canary=parts.get(CANARY, nothing) if complete else nothing,
            stable=parts.get(STABLE, nothing) if complete else nothing,
            restarts=self._history.restarts,
            crash_looping=self._history.crash_looping,
            counters=counters,
            complete=complete,
            deaths=_taken(self._pods, self._ends),
            stable_deaths=_taken(self._stable_pods, self._stable_ends),
        )

    @property
    def _current(self) -> bool:
        pods = self._pods is None or self._pods.current
        return pods and self._routes.current and self._services.current and self._gateway.current

    async def _look(self) -> Live:
        """Return the route and the Services as the watches have them, and watch the pods of the canary."""
        await asyncio.gather(self._routes.start(), self._services.start(), self._gateway.start())
        live = live_of(self._routes.objects.values(), self._services.objects.values(), self._release)
        before, self._live = self._live, live
        if before is not None:
            must_be_as(before, live, f"{self._release} in {self._namespace}")
        if before is None or selected(before.canary) != selected(live.canary) or self._pods is None:
            await self._follow_canary(selected(live.canary))
        if before is None or selected(before.stable) != selected(live.stable) or self._stable_pods is None:
            await self._follow_stable(selected(live.stable))
        return live

    async def _follow_canary(self, canary: str | None) -> None:
        """Watch the pods of this canary; what was seen of another one is forgotten."""
        self._counters_before = {}
        self._history.begin([])
        self._ends.begin([])
        old, self._pods = self._pods, None
        self._pods = await self._follow(old, canary, self._history.observe, self._ends.observe)
        if self._pods is not None:
            self._history.begin(list(self._pods.objects.values()))
            self._ends.begin(self._pods.objects.values())

    async def _follow_stable(self, stable: str | None) -> None:
        """Watch the pods of this stable release: where they end as well, the canary is not to blame."""
        self._stable_ends.begin([])
        old, self._stable_pods = self._stable_pods, None
        self._stable_pods = await self._follow(old, stable, self._stable_ends.observe)
        if self._stable_pods is not None:
            self._stable_ends.begin(self._stable_pods.objects.values())

    async def _follow(
        self, old: Watch | None, deployment: str | None, *told: Callable[[str, Object], None]
    ) -> Watch | None:
        """Watch the pods of ``deployment`` instead of those before.  Raises ApiError and Unreachable, and is tried again then."""
        if old is not None:
            await old.close()
        if deployment is None:
            return None

        def changed(event: str, pod: Object) -> None:
            for each in told:
                each(event, pod)

        labels = {INSTANCE: self._release, COMPONENT: BACKEND, DEPLOYMENT: deployment}
        watch = Watch(self._cluster, Paths(self._namespace).of("pods"), labels, changed)
        await watch.start()
        return watch

    async def _failures(self, live: Live) -> dict[str, float]:
        """Return how far each named counter rose on the canary since the first sample that could read it."""
        if not self._names or self._pods is None:
            return {}
        ready = [pod for pod in self._pods.objects.values() if is_ready(pod)]
        pages = await asyncio.gather(*(self._page(pod, target_port(pod, live.canary)) for pod in ready))
        totals: dict[str, float] = {}
        for page in pages:
            for name in self._names if page is not None else ():
                # Every replica reads the same store, so the largest is the truth, not the sum.
                totals[name] = max(totals.get(name, 0.0), total(page or "", name))
        self._counters_before = totals | self._counters_before
        return {name: value - self._counters_before[name] for name, value in totals.items()}

    async def _page(self, pod: Object, port: int) -> str | None:
        try:
            async with asyncio.timeout(_WITHIN):
                if self._direct:
                    return await self._client.page(f"http://{pod['status']['podIP']}:{port}{self._metrics}")
                return await self._cluster.page(self._namespace, named(pod), port, self._metrics)
        except (InfrastructureError, HttpError, TimeoutError):
            return None


def _taken(watch: Watch | None, ends: Ends) -> int | None:
    """Return how many processes ended since the last sample; None while nobody can be heard, and the next one tells."""
    return ends.take() if watch is not None and watch.current else None


def target_port(pod: Object, service: Object) -> int:
    """Return the port of the pod to which a Service leads; its target may be a number or the name of a container's port."""
    first = service["spec"]["ports"][0]
    target = first.get("targetPort", first["port"])
    if isinstance(target, int):
        return target
    ports = (port for container in pod["spec"]["containers"] for port in container.get("ports") or [])
    return next((int(port["containerPort"]) for port in ports if port.get("name") == target), int(first["port"]))


def compared(before: Mapping[str, PodReading], after: Mapping[str, PodReading], live: Live) -> dict[str, Counts] | None:
    """Return role -> what all processes of the gateway counted between two readings.

    None when they cannot be compared: not the same processes, one that could not be read or whose counters went backwards, or
    one that does not know a backend that has a role.
    """
    if not after or before.keys() != after.keys():
        return None
    steps: dict[str, list[Counts]] = {STABLE: [], CANARY: []}
    for process, reading in after.items():
        earlier = before[process]
        if reading is None or earlier is None:
            return None
        for role in roles_of(live):
            then, now = earlier[role] or NOTHING, reading[role]
            if now is None or restarted(then, now):
                return None
            steps[role].append(difference(then, now))
    return {role: added(parts) for role, parts in steps.items()}


def roles_of(live: Live) -> list[str]:
    """Return the roles that a deployment has."""
    return [role for role, who in ((STABLE, live.roles.stable), (CANARY, live.roles.canary)) if who is not None]
