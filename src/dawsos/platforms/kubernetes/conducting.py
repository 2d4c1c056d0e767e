"""Conducts the rollout of one release from this process: holds its lease, and fences its route against every other process."""

from __future__ import annotations

from weakref import WeakSet

from dawsos.adapters.kubernetes import ApiError, Cluster
from dawsos.errors import BadInput
from dawsos.platforms.kubernetes.lease import Lease, LeaseState, holder_name, is_newer, lease_name
from dawsos.platforms.kubernetes.names import CONTROLLER, Paths
from dawsos.platforms.kubernetes.routes import Route
from dawsos.platforms.kubernetes.routing import Fenced, annotations_of, fence_patch, named, pointer
from dawsos.ports import Clock

# How long a change of the traffic keeps others away before a controller renews the lease for as long as its policy says.
HOLD = 60.0
_TRIES = 8


class Conductor:
    """The right of this process to move the traffic of ``release``; every route that it was given has the fence of now."""

    def __init__(self, namespace: str, release: str, clock: Clock, run: str = "") -> None:
        self._namespace, self._release = namespace, release
        self._clock, self._holder = clock, holder_name(run)
        self._lease: Lease | None = None
        self._routes: WeakSet[Route] = WeakSet()

    @property
    def token(self) -> str:
        """What the route has while this process may change it; an empty text while it may not."""
        return self._lease.token if self._lease is not None else ""

    def fenced(self, route: Route) -> Route:
        """Return ``route``, whose patches fail from now on when another process conducts the rollout."""
        route.fence = self.token
        self._routes.add(route)
        return route

    async def begin(self, cluster: Cluster) -> None:
        """Become the one who conducts the rollout, or stay it for as long as a change of the traffic takes: a lease that the policy
        made short would run out in the middle.  Raises LeaseHeld with the name of another.
        """
        await self.renew(cluster, HOLD)

    async def renew(self, cluster: Cluster, seconds: float) -> bool:
        """Conduct the rollout for ``seconds`` from now.

        Returns True when the lease had to be acquired anew: all traffic may have gone to stable meanwhile.  Raises LeaseHeld,
        Unreachable, and Fenced when a later controller has claimed the route.
        """
        if self._lease is None:
            self._lease = Lease(cluster, self._namespace, self._release, self._holder, clock=self._clock)
        # A connection belongs to one event loop.
        self._lease.cluster = cluster
        anew = await self._lease.renew(seconds)
        if anew:
            await self._claim(cluster, self.token)
            for route in self._routes:
                route.fence = self.token
        return anew

    async def another(self, cluster: Cluster) -> bool:
        """Return whether another process has the lease, live or not: a guardian takes the traffic of a dead one."""
        if self.token:
            return False
        found = await cluster.find(Paths(self._namespace).of("leases", lease_name(self._release)))
        return found is not None and bool(LeaseState.of(found).holder)

    async def end(self, cluster: Cluster) -> None:
        """Let the next controller begin at once; does nothing when this process does not conduct the rollout."""
        if self._lease is not None:
            self._lease.cluster = cluster
            await self._lease.release()
        for route in self._routes:
            route.fence = ""

    async def _claim(self, cluster: Cluster, token: str) -> None:
        """Put the token on the route, unless a later one is there; an environment without a route has none to fence."""
        route = Route(cluster, self._namespace, self._release)
        path = ""
        for _ in range(_TRIES):
            try:
                live = await route.live()
            except BadInput:
                return
            if not is_newer(token, live.holder):
                raise Fenced(f"{live.holder} conducts the rollout of {self._release} now", fix="dawsos status")
            path = Paths(self._namespace).of("httproutes", named(live.route))
            # What was read is what is replaced: of two that claim it at once the later one finds the other's.
            there = CONTROLLER in annotations_of(live.route)
            key = f"/metadata/annotations/{pointer(CONTROLLER)}"
            test = [{"op": "test", "path": key, "value": live.holder}] if there else []
            try:
                await cluster.patch(path, [*test, *fence_patch(live, token)], "json")
                return
            except ApiError as error:
                if error.status not in (409, 422):
                    raise
        raise Fenced(f"the route {path} changes too often", fix="kubectl get httproute -w")
