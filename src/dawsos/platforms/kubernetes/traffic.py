"""The route of one release as the rollout controller moves it: set the weight, wait until the canary is drained, promote.

The gateway gives no signal that it has taken a change over.  So what every process of it has counted is the evidence, read again
and again: a weight is followed when the requests show it, and a canary is drained when its counters stand still.
"""

from __future__ import annotations

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.kubernetes import ApiError, Cluster, Unreachable
from dawsos.errors import InfrastructureError
from dawsos.model.cluster import Gateway
from dawsos.model.rollout import Drained
from dawsos.platforms.contract import NotFollowed
from dawsos.platforms.kubernetes.following import Follower
from dawsos.platforms.kubernetes.gateway_pods import GatewayPods, PodReading
from dawsos.platforms.kubernetes.gateways.contract import Backend
from dawsos.platforms.kubernetes.routes import Route
from dawsos.platforms.kubernetes.routing import Live, named, selected, taken_over
from dawsos.platforms.kubernetes.sizing import Sizing
from dawsos.platforms.readings import NOTHING, restarted
from dawsos.ports import Clock

CANARY, STABLE = "canary", "stable"
# Seconds: between two readings; how long a canary without requests must be quiet; when too few requests are no reason to
# wait any longer; how long a gateway may take to follow before a rejected canary's pods are taken away.
_PAUSE, _QUIET, SETTLED, _DEADLINE = 0.02, 0.15, 2.0, 10.0
# How long a weight above 0 is waited for at first, and each time that it is asked for again: the canary must be judged meanwhile.
_SOON, _AGAIN = 3.0, 0.5
# How long is waited where either version may answer, so that nobody is harmed: shorter than the lease is held for it.
_PATIENCE = 50.0
# How long an API server that is away is waited for: nobody can tell then what the gateway does, nor change it.
_AWAY = 60.0
# The weight that a process of the gateway may still follow when nobody here has seen which one it was, in per cent.
_UNSEEN = 5


class KubernetesTraffic:
    """Implements ``contract.Traffic`` over the route of a release and the pods of its gateway."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        release: str,
        gateway: Gateway,
        *,
        fence: str = "",
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self.routes = Route(cluster, namespace, release, fence, self._clock)
        self._sizing = Sizing(cluster, namespace, release, self._clock)
        self._pods = GatewayPods(cluster, namespace, release, gateway)
        self._before: dict[str, PodReading] = {}
        # When the canary was seen to get a request, and to answer one: of each process, and of all.
        self._moved: dict[str, float] = {}
        # When each process was seen to have a request of either version.
        self._used: dict[str, float] = {}
        self._received = self._answered = 0.0
        # What the requests of each process show about the last weight that was set, and which others it may still follow.
        self._aim = (0, 0)
        self._followers: dict[str, Follower] = {}
        # Whether that weight is above 0, and not shown by all of them yet; since when it is asked for.
        self._open, self._asked = False, 0.0
        self._may: dict[str, set[int]] = {}
        # The deployment whose pods were taken away because the gateway did not follow.
        self._stopped: str | None = None

    async def close(self) -> None:
        await self._pods.close()

    async def processes(self) -> list[str]:
        """Return the processes of the gateway that are read: pod/uid/restarts."""
        return sorted(await self._pods.read(backends_of(await self.routes.known())))

    async def set_weight(self, weight: int) -> float:
        """Give the canary ``weight`` per cent; return seconds until the requests at every process of the gateway showed it, or
        were too few to show anything for two seconds.

        A gateway that does not follow a weight above 0 soon raises NotFollowed: the same weight, asked for again, goes on with what
        was seen so far.  When the weight is 0 the canary is scaled to zero instead.
        """
        if weight == 0:
            return await self._move(0, _DEADLINE)
        try:
            return await self._move(weight, _AGAIN if self._open else _SOON)
        except Unreachable as error:
            raise NotFollowed(error.message, fix=error.fix) from error

    async def _move(self, weight: int, within: float) -> float:
        started = self._clock.monotonic()
        known = await self.routes.known()
        before, roles = known.weight, known.roles
        if weight > before and roles.stable is not None and roles.canary is not None:
            await self._sizing.match(roles.stable, roles.canary)
        # Nothing comes before the patch: a rejected canary has the traffic until then.
        await self._read(await self.routes.set_weight(weight))
        if not (self._open and before == weight == self._aim[1]):
            self._aim, self._followers = (before, weight), {}
            self._open, self._asked = bool(weight), self._clock.monotonic()
        asked = heard = self._clock.monotonic()
        while True:
            missing = await self._watch_follow(self._clock.monotonic() - self._asked)
            now = self._clock.monotonic()
            if not missing:
                self._open = False
                self._note_followed(weight)
                return now - started
            # Nobody can tell what the gateway does while nobody can be heard; a canary is not given traffic for so long.
            heard = heard if weight or self._pods.current or now - asked > _AWAY else now
            if now - heard > within:
                self._note_followed(weight)
                await self._not_followed(weight, missing, now - self._asked)
                return self._clock.monotonic() - started
            await self._clock.sleep(_PAUSE)

    async def _watch_follow(self, elapsed: float) -> list[str]:
        """Take one reading; return which processes of the gateway have not shown yet that they follow."""
        live, (before, new) = await self.routes.known(), self._aim
        steps = await self._read(live)
        if not steps or not self._pods.current:
            return ["no pod of the gateway is known"]
        missing: list[str] = []
        for process, step in steps.items():
            follower = self._follower(process)
            if step is None or (new and not _has_endpoints(self._before[process])):
                missing.append(process)
                continue
            follower.observe(*step)
            now = self._clock.monotonic()
            self._used[process] = now if any(step) else self._used.get(process, now)
            # What nobody asks any more shows nothing, whatever it showed before.
            silent = follower.silent or now - self._used[process] > SETTLED
            # That a canary without a weight gets nothing is shown when it is drained.
            if (before or new) and not follower.follows and not (silent and elapsed > SETTLED):
                missing.append(process)
        return missing

    def _follower(self, process: str) -> Follower:
        return self._followers.setdefault(process, self._fresh(process))

    def _fresh(self, process: str) -> Follower:
        """Return what has seen no request yet.

        A process that never showed that it followed may have an older weight than the last one.  To show that it follows weight 0
        is hardest against the smallest of them.
        """
        before, new = self._aim
        if new == 0:
            return Follower(self._least(process) or _UNSEEN, 0)
        if before == new and self._may.get(process) != {new}:
            # An earlier controller gave it this weight, or tried to: nobody here has seen what the gateway does.
            return Follower(0, new)
        return Follower(before, new)

    def _least(self, process: str) -> int:
        """Return the smallest weight above 0 that a process may still follow, 0 when nobody here has seen one."""
        return min((each for each in self._may.get(process, {self._aim[0]}) if each), default=0)

    def _note_followed(self, weight: int) -> None:
        before = self._aim[0]
        for process, follower in self._followers.items():
            self._may[process] = {weight} if follower.follows else self._may.get(process, {before}) | {weight}

    async def _read(self, live: Live) -> dict[str, tuple[float, float] | None]:
        """Read every process of the gateway; return the requests of canary and stable since the last reading of it, None when it
        could not be read, or not be compared with a reading before.
        """
        found = await self._pods.read(backends_of(live))
        now = self._clock.monotonic()
        steps = {process: self._step(process, reading, now) for process, reading in found.items()}
        self._before = found
        return steps

    def _step(self, process: str, reading: PodReading, now: float) -> tuple[float, float] | None:
        before = self._before.get(process)
        if process not in self._moved:
            self._moved[process] = now
            self._received, self._answered = self._received or now, self._answered or now
        if reading is None:
            return None
        canary, stable = (reading[role] or NOTHING for role in (CANARY, STABLE))
        if before is None:
            return None
        old_canary, old_stable = (before[role] or NOTHING for role in (CANARY, STABLE))
        if restarted(old_canary, canary) or restarted(old_stable, stable):
            return None
        if canary.received != old_canary.received:
            self._received = self._moved[process] = now
        if (canary.answered, canary.active) != (old_canary.answered, old_canary.active):
            self._answered = now
        return canary.received - old_canary.received, stable.received - old_stable.received

    async def _not_followed(self, weight: int, missing: list[str], seconds: float) -> None:
        where = ", ".join(process.split("/")[0] for process in missing)
        canary = None if weight else (await self.routes.live()).roles.canary
        if canary is None:
            raise NotFollowed(
                f"the gateway has not followed the weight {weight} % for {seconds:.0f} s: {where}",
                fix="see the controller of the gateway: kubectl get gateway,pods -A",
            )
        await self._stop(canary)
        self._received = self._answered = self._clock.monotonic()

    async def _stop(self, canary: str) -> None:
        await self.routes.stop(canary)
        self._stopped = canary

    async def wait_until_drained(self, deadline: float) -> Drained:
        """Wait until the counters of the canary stand still at every process of the gateway and no request is under way.

        A process that cannot be read is never still.  When the canary still gets requests at the deadline, or nothing shows that
        it would not, it is scaled to zero.  What ``set_weight`` saw before the question counts: ``received`` may be negative, so
        that the time from the decision to the last request is right.
        """
        started = self._clock.monotonic()
        live = await self._live_within(deadline)
        canary = live.roles.canary
        if canary is None:
            return Drained(0.0, 0.0)
        if canary == self._stopped:
            return Drained(self._received - started, self._answered - started)
        while True:
            still, now = await self._is_drained(live), self._clock.monotonic()
            if still and not self._under_way() and now - self._answered > _QUIET:
                return Drained(self._received - started, self._answered - started)
            if now - started > deadline:
                break
            await self._clock.sleep(_PAUSE)
        if still:
            return Drained(self._received - started, None)
        await self._stop(canary)
        ended = self._clock.monotonic() - started
        return Drained(ended, ended)

    async def _is_drained(self, live: Live) -> bool:
        """Take one reading; return whether every process of the gateway has shown that it sends the canary nothing."""
        steps = await self._read(live)
        now, idle = self._clock.monotonic(), False
        if not steps or not self._pods.current:
            return False
        still = True
        for process, step in steps.items():
            if step is None or step[0]:
                # The evidence begins anew: this one follows an older weight.
                self._followers[process] = self._fresh(process)
                still = False
                continue
            follower, quiet = self._follower(process), now - self._moved[process]
            follower.observe(*step)
            without = not follower.requests and quiet > SETTLED
            idle = idle or without
            shown = follower.follows and quiet > (_QUIET if self._least(process) else SETTLED)
            still = still and (without or shown)
        # Of a process without users only the gateway's controller can tell.
        return still and (not idle or await self._taken_over())

    async def _taken_over(self) -> bool:
        try:
            return taken_over((await self.routes.live()).route)
        except (ApiError, Unreachable):
            return False

    async def _live_within(self, deadline: float) -> Live:
        """Return the route and the Services; an API server that is away is asked again until the deadline."""
        started = self._clock.monotonic()
        while True:
            try:
                return await self.routes.live()
            except (ApiError, Unreachable):
                if self._clock.monotonic() - started > deadline:
                    raise
                await self._clock.sleep(_PAUSE)

    def _under_way(self) -> float:
        """Return how many requests the canary has not answered yet, as far as the gateway tells."""
        known = (reading[CANARY] for reading in self._before.values() if reading is not None)
        return sum(each.active or 0.0 for each in known if each is not None)

    async def route(self, stable: str | None, canary: str | None, weight: int) -> None:
        """Set the roles and the canary's weight, without a lost request; returns when the gateway follows.

        The pods of a Service change only while the route gives it nothing, or while the pods before answer as well.
        """
        live = await self.routes.live()
        serving, before = selected(live.stable), selected(live.canary)
        if canary is not None and canary == serving and stable != serving:
            # What serves becomes the canary: its Service gets all traffic before the pods of the stable one change.
            await self._empty(live)
            await self._assign(serving, canary)
            await self._move(100, _DEADLINE)
        elif live.weight and canary != before:
            if stable is not None and stable == before:
                await self._assign(stable, before)
            await self._empty(live)
        await self._assign(stable, canary)
        if canary is None:
            await self._sizing.end(stable)
            return
        if stable is not None:
            await self._sizing.begin(stable, canary)
        await self._move(weight, _DEADLINE)

    async def promote(self) -> None:
        """Make the canary stable: the stable Service selects its pods, then gets all traffic.  Nothing is started again."""
        live = await self.routes.live()
        before, serving = await self._changes(live), selected(live.stable)
        if not await self.routes.begin_promotion():
            return
        live = await self.routes.known()
        if selected(live.stable) != serving:
            await self._wait_for_endpoints({STABLE}, before)
        if live.weight:
            await self._move(0, _PATIENCE)
        await self.routes.end_promotion()
        await self._sizing.end(selected(live.stable))

    async def _empty(self, live: Live) -> None:
        if live.weight:
            await self.set_weight(0)

    async def _assign(self, stable: str | None, canary: str | None) -> None:
        """Let the Services select these deployments, and return when the gateway has the endpoints of those that changed."""
        live = await self.routes.live()
        wanted = {STABLE: (selected(live.stable), stable), CANARY: (selected(live.canary), canary)}
        changed = {role for role, (was, is_) in wanted.items() if is_ is not None and is_ != was}
        before = await self._changes(live)
        await self.routes.assign(stable, canary)
        await self._wait_for_endpoints(changed, before)

    async def _changes(self, live: Live) -> dict[tuple[str, str], float]:
        """Return how often the endpoints of each backend of the route have changed at each process of the gateway, where it tells."""
        found = await self._pods.read(backends_of(live))
        routed = {STABLE, CANARY} if live.routes_to_canary else {STABLE}
        return {
            (process, role): each.changes
            for process, reading in found.items()
            for role, each in (reading or {}).items()
            if role in routed and each is not None and each.changes is not None
        }

    async def _wait_for_endpoints(self, roles: set[str], before: dict[tuple[str, str], float]) -> None:
        started = self._clock.monotonic()
        while roles:
            found = await self._pods.read(backends_of(await self.routes.known()))
            elapsed = self._clock.monotonic() - started
            late = sorted(
                process.split("/")[0]
                for process, reading in found.items()
                if not all(_has_taken(reading, role, before.get((process, role)), elapsed) for role in roles)
            )
            if found and not late:
                return
            if elapsed > _PATIENCE:
                raise InfrastructureError(
                    f"the gateway did not take over the endpoints of {' and '.join(sorted(roles))} within {_PATIENCE:g} s: "
                    f"{', '.join(late) or 'no pod of it runs'}",
                    fix="see the controller of the gateway: kubectl get gateway,pods -A",
                )
            await self._clock.sleep(_PAUSE)


def backends_of(live: Live) -> dict[str, Backend]:
    """Return the two Services as the gateway's adapters name them."""
    stable, canary = live.names
    namespace, route, port = live.route["metadata"]["namespace"], named(live.route), live.port
    return {
        STABLE: Backend(namespace, stable, port, route, live.index(stable), selected(live.stable)),
        CANARY: Backend(namespace, canary, port, route, live.index(canary), selected(live.canary)),
    }


def _has_endpoints(reading: PodReading) -> bool:
    canary = None if reading is None else reading[CANARY]
    return canary is not None and canary.members != 0


def _has_taken(reading: PodReading, role: str, changes: float | None, elapsed: float) -> bool:
    """Return whether a process of the gateway has other endpoints than before; time must do where it does not tell."""
    backend = None if reading is None else reading[role]
    if backend is None:
        return False
    if backend.changes is None:
        return elapsed > SETTLED
    return backend.members != 0 and backend.changes != changes
