"""What the judge beside Flagger sees: the gateway's counters of the two Services of a Canary, and the pods of its Deployment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from dawsos.adapters.kubernetes import ApiError, Cluster, Object, Unreachable
from dawsos.errors import InfrastructureError
from dawsos.model.cluster import Gateway
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Counts, Sample
from dawsos.platforms.exposition import total
from dawsos.platforms.kubernetes.gateway_pods import GatewayPods, PodReading
from dawsos.platforms.kubernetes.gateways.contract import Backend
from dawsos.platforms.kubernetes.names import Paths
from dawsos.platforms.kubernetes.pods import PodHistory
from dawsos.platforms.kubernetes.routes import is_ready
from dawsos.platforms.kubernetes.watching import Watch
from dawsos.platforms.readings import added, difference, restarted
from dawsos.ports import Clock

PRIMARY, CANARY = "primary", "canary"
_WITHIN = 2.0


class FlaggerTelemetry:
    """Implements ``contract.Telemetry`` for the Canary ``name`` of ``namespace``.

    ``ports`` are that of the Services and that of a replica; ``policy.failure_counters`` are read from the canary's pods.
    """

    def __init__(
        self,
        cluster: Cluster,
        canary: tuple[str, str],
        gateway: Gateway,
        ports: tuple[int, int],
        policy: RolloutPolicy,
        clock: Clock,
    ) -> None:
        self._cluster, (self._namespace, name) = cluster, canary
        self._gateway = GatewayPods(cluster, *canary, gateway)
        self._backends = {
            role: Backend(self._namespace, f"{name}-{role}", ports[0], name, index)
            for index, role in enumerate((PRIMARY, CANARY))
        }
        self._name, self._port, self._counters = name, ports[1], policy.failure_counters
        self._metrics = policy.metrics
        self._history = PodHistory(policy.crash_loop, clock.monotonic)
        self._clock = clock
        self._pods: Watch | None = None
        self._template = ""
        self._before: dict[str, PodReading] = {}
        self._first: dict[str, float] = {}
        self._last = self._clock.monotonic()

    async def close(self) -> None:
        await self._gateway.close()
        if self._pods is not None:
            await self._pods.close()

    @property
    def blind(self) -> str:
        """What Flagger's checks do not see is theirs to say."""
        return ""

    async def sample(self, at: float, weight: int) -> Sample:
        """Return what happened since the last call; not ``complete`` when a pod of the gateway or the API server was not read."""
        now = self._clock.monotonic()
        seconds, self._last = now - self._last, now
        try:
            await self._follow()
            found, counters = await asyncio.gather(self._gateway.read(self._backends), self._failures())
        except (ApiError, Unreachable):
            self._before = {}
            return Sample(at, seconds, weight, complete=False)
        before, self._before = self._before, found
        parts = compared(before, found)
        known = self._pods is not None and self._pods.current and self._gateway.current
        complete = parts is not None and known
        canary, stable = (parts or {}).get(CANARY, Counts()), (parts or {}).get(PRIMARY, Counts())
        history = self._history
        return Sample(
            at, seconds, weight,
            canary if complete else Counts(), stable if complete else Counts(),
            history.restarts, history.crash_looping, counters, complete,
        )  # fmt: skip

    async def _follow(self) -> None:
        """Watch the pods of the Canary's Deployment; a new template is a new release, whose restarts count from 0."""
        await self._gateway.start()
        deployment = await self._cluster.get(Paths(self._namespace).of("deployments", self._name))
        template = str(deployment["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision", ""))
        if self._pods is None:
            labels = deployment["spec"]["selector"]["matchLabels"]
            self._pods = Watch(self._cluster, Paths(self._namespace).of("pods"), labels, self._history.observe)
            await self._pods.start()
        if template != self._template:
            self._template, self._first = template, {}
            self._history.begin(list(self._pods.objects.values()))

    async def _failures(self) -> dict[str, float]:
        """Return how far each named counter rose on the canary since the first sample of this release that could read it."""
        if not self._counters or self._pods is None:
            return {}
        ready = [pod for pod in self._pods.objects.values() if is_ready(pod)]
        pages = await asyncio.gather(*(self._page(pod) for pod in ready))
        totals: dict[str, float] = {}
        for page in (page for page in pages if page is not None):
            for name in self._counters:
                # Every replica reads the same store, so the largest is the truth, not the sum.
                totals[name] = max(totals.get(name, 0.0), total(page, name))
        self._first = totals | self._first
        return {name: value - self._first[name] for name, value in totals.items()}

    async def _page(self, pod: Object) -> str | None:
        try:
            async with asyncio.timeout(_WITHIN):
                return await self._cluster.page(self._namespace, pod["metadata"]["name"], self._port, self._metrics)
        except (InfrastructureError, TimeoutError):
            return None


def compared(before: Mapping[str, PodReading], after: Mapping[str, PodReading]) -> dict[str, Counts] | None:
    """Return role -> what all processes of the gateway counted between two readings, None when they cannot be compared.

    A process that does not know a backend yet makes the sample useless, unless it has not known it before either and knows the
    primary: Flagger makes the canary's Service long before it has traffic.
    """
    if not after or before.keys() != after.keys():
        return None
    steps: dict[str, list[Counts]] = {PRIMARY: [], CANARY: []}
    for process, reading in after.items():
        earlier = before[process]
        if reading is None or earlier is None:
            return None
        for role, parts in steps.items():
            then, now = earlier.get(role), reading.get(role)
            if then is None and now is None and role == CANARY:
                continue
            if then is None or now is None or restarted(then, now):
                return None
            parts.append(difference(then, now))
    return {role: added(parts) for role, parts in steps.items()}
