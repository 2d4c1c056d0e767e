"""The lease of a rollout: one controller at a time conducts it, and nobody's clock is compared with another's.

A ``Lease`` of coordination.k8s.io, RELEASE-rollout, names the holder.  It has run out when, by the own monotonic clock, nothing
of it has changed for as long as it says (so does client-go's leader election).  Each change names the version that it was made
from, so of two that change it at once one is refused.  Every time that it is acquired it gets a higher number, also after the
guardian has ended it: the number is part of the token that fences the route (``token``, ``is_newer``).
"""

from __future__ import annotations

import getpass
import json
import math
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.kubernetes import ApiError, Cluster, Object, Unreachable
from dawsos.errors import InfrastructureError, OwnedElsewhere
from dawsos.platforms.kubernetes.names import CONTROLLER, INSTANCE, Paths

if TYPE_CHECKING:
    from dawsos.ports import Clock

# Who ends a lease that ran out begins its name so; annotations of the Lease: its exact length, its number, the last end.
GUARDIAN = "guardian "
SECONDS = "dawsos.dev/seconds"
NUMBER = "dawsos.dev/number"
WITHDRAWN = "dawsos.dev/withdrawn"
# How often a lease is read while somebody waits whether it is renewed; so long an API server that is away is waited for.
_POLL = 0.25
_PATIENCE = 60.0
_TRIES = 20


class LeaseHeld(OwnedElsewhere):
    """Another controller holds the lease, and renews it; ``holder`` names it."""

    def __init__(self, where: str, holder: str) -> None:
        super().__init__(
            f"the rollout of {where} is conducted by {holder}", fix="wait until it has ended, or stop it: dawsos status"
        )
        self.holder = holder


def lease_name(release: str) -> str:
    """Return the name of the Lease of a release."""
    return f"{release}-rollout"


def holder_name(run: str = "") -> str:
    """Return the name of this process as a holder: USER@HOST PID run RUN."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a pod's user has no entry and no variable
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()} {os.getpid()}" + (f" run {run}" if run else "")


@dataclass(frozen=True)
class LeaseState:
    """What a Lease says: its holder (empty: nobody), how long it lasts without a renewal, its number, its version."""

    holder: str
    seconds: float
    number: int
    version: str

    @classmethod
    def of(cls, found: Object) -> LeaseState:
        """Read the object; what cannot be read counts as the shortest lease and the lowest number."""
        spec, notes = found.get("spec") or {}, found["metadata"].get("annotations") or {}
        whole = float(spec.get("leaseDurationSeconds") or 0)
        exact = _number(notes.get(SECONDS, ""))
        seconds = exact if exact is not None and 0 < exact <= whole else whole
        number = int(_number(notes.get(NUMBER, "")) or 0)
        return cls(str(spec.get("holderIdentity") or ""), seconds, number, str(found["metadata"]["resourceVersion"]))

    @property
    def token(self) -> str:
        """What the holder writes on the route."""
        return f"{self.holder} #{self.number}"


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def number_of(token: str) -> int:
    """Return the number of a fence's token, 0 for what is none."""
    _, mark, number = token.rpartition("#")
    return int(number) if mark and number.isdecimal() else 0


def is_newer(token: str, than: str) -> bool:
    """Return whether ``token`` may replace ``than`` on the route: a controller that slept must not fence its successor."""
    return token == than or number_of(token) > number_of(than)


class Watch:
    """Tells whether a lease has run out, from when this process last saw it change."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: LeaseState | None = None
        self._changed = 0.0

    def quiet(self, state: LeaseState) -> float:
        """Take note of what was read just now, and return the seconds since the lease last changed."""
        now = self._clock.monotonic()
        if self._seen is None or state.version != self._seen.version:
            self._seen, self._changed = state, now
        return now - self._changed

    def has_run_out(self, state: LeaseState) -> bool:
        """Take note of what was read just now, and return whether somebody holds the lease and did not renew it in time."""
        return self.quiet(state) > state.seconds and bool(state.holder)


class Lease:
    """The lease of ``release`` in ``namespace`` as ``holder`` holds it."""

    def __init__(
        self, cluster: Cluster, namespace: str, release: str, holder: str, *, clock: Clock | None = None
    ) -> None:
        self.cluster, self._paths, self._release = cluster, Paths(namespace), release
        self._kind, self._path = self._paths.of("leases"), self._paths.of("leases", lease_name(release))
        self._where = f"{release} in {namespace}"
        self._clock: Clock = clock or SystemClock()
        self.holder = holder
        self._held: Object | None = None
        self._number = 0

    @property
    def token(self) -> str:
        """The token for the route; an empty text while the lease is not held."""
        return f"{self.holder} #{self._number}" if self._held is not None else ""

    async def acquire(self, seconds: float) -> None:
        """Hold the lease for ``seconds`` from now; wait for one that nobody renews until it has run out.

        Raises LeaseHeld as soon as the holder renews it.
        """
        watch, first = Watch(self._clock), ""
        while True:
            found = await self._find()
            if found is None:
                if await self._create(seconds):
                    return
                continue
            state = LeaseState.of(found)
            free = state.holder in ("", self.holder) or watch.has_run_out(state)
            if free and await self._take(found, state, seconds):
                return
            if not free:
                # A guardian that gives the traffic back is done in a moment.
                if first not in ("", state.version) and not state.holder.startswith(GUARDIAN):
                    raise LeaseHeld(self._where, state.holder)
                first = first or state.version
                await self._clock.sleep(_POLL)

    async def renew(self, seconds: float) -> bool:
        """Hold the lease for ``seconds`` from now.

        Returns True when it had to be acquired anew: the first time, and after the guardian has ended it and given all traffic to
        stable.  The caller then claims the route with the new ``token``, and sets the weight again.  Raises LeaseHeld when another
        controller has it, Unreachable when the API server is away for a minute.
        """
        if self._held is None:
            await self.acquire(seconds)
            return True
        deadline = self._clock.monotonic() + max(seconds, _PATIENCE)
        while True:
            try:
                return await self._renew(seconds)
            except Unreachable:
                # Nobody else can take the lease meanwhile, and nobody can change a weight.
                if self._clock.monotonic() > deadline:
                    raise
                await self._clock.sleep(_POLL)

    async def _renew(self, seconds: float) -> bool:
        held = self._held
        for _ in range(_TRIES):
            if held is not None and LeaseState.of(held).holder == self.holder:
                try:
                    self._held = await self.cluster.replace(self._path, self._made(held, seconds))
                except ApiError as error:
                    if error.status not in (404, 409):
                        raise
                else:
                    return False
            # Another has it; or an answer was lost, and the last renewal came to pass after all.
            held = await self._find()
            if held is None or not self._is_ours(held):
                self._held = None
                await self.acquire(seconds)
                return True
        raise InfrastructureError(
            f"the Lease {lease_name(self._release)} changes too often", fix="kubectl get lease -w"
        )

    def _is_ours(self, found: Object) -> bool:
        state = LeaseState.of(found)
        if state.holder == self.holder and state.number == self._number:
            return True
        if state.holder and state.holder != self.holder and not state.holder.startswith(GUARDIAN):
            self._held = None
            raise LeaseHeld(self._where, state.holder)
        return False

    async def release(self) -> None:
        """Give the lease up, so that the next controller need not wait; does nothing when another one has it by now."""
        held, self._held = self._held, None
        for _ in range(_TRIES):
            if held is None or LeaseState.of(held).holder != self.holder or LeaseState.of(held).number != self._number:
                return
            try:
                await self.cluster.replace(self._path, given_up(held))
                return
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
            held = await self._find()

    async def _find(self) -> Object | None:
        return await self.cluster.find(self._path)

    async def _create(self, seconds: float) -> bool:
        self._number = await self._floor() + 1
        labels = {INSTANCE: self._release, "app.kubernetes.io/managed-by": "dawsos"}
        made: Object = {
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": lease_name(self._release), "labels": labels}, "spec": {},
        }  # fmt: skip
        try:
            self._held = await self.cluster.create(self._kind, self._made(made, seconds, transitions=0))
        except ApiError as error:
            if error.status != 409:
                raise
            return False
        return True

    async def _floor(self) -> int:
        """Return the number of the last controller, when the Lease itself was deleted: the route still has its token."""
        routes = await self.cluster.list(self._paths.of("httproutes"), {INSTANCE: self._release})
        tokens = [(route["metadata"].get("annotations") or {}).get(CONTROLLER, "") for route in routes]
        return max(map(number_of, tokens), default=0)

    async def _take(self, found: Object, state: LeaseState, seconds: float) -> bool:
        """Become the holder, unless somebody changed the lease since it was read."""
        self._number = state.number + 1
        transitions = int((found.get("spec") or {}).get("leaseTransitions") or 0) + 1
        try:
            self._held = await self.cluster.replace(self._path, self._made(found, seconds, transitions=transitions))
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            return False
        return True

    def _made(self, found: Object, seconds: float, *, transitions: int | None = None) -> Object:
        """Return the object with this holder and the time of now; ``transitions`` when it is acquired and not renewed."""
        time = micro_time(self._clock.now())
        spec = {**(found.get("spec") or {}), "holderIdentity": self.holder, "renewTime": time}
        spec["leaseDurationSeconds"] = max(1, math.ceil(seconds))
        made = _with_notes(found, spec, {SECONDS: f"{seconds:g}", NUMBER: str(self._number)})
        if transitions is not None:
            spec |= {"acquireTime": time, "leaseTransitions": transitions}
            # Whoever comes after the guardian has read what it did.
            made["metadata"]["annotations"].pop(WITHDRAWN, None)
        return made


def micro_time(at: float) -> str:
    """Return a time since the epoch as Kubernetes' MicroTime."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def given_up(found: Object, notes: dict[str, str] | None = None) -> Object:
    """Return the object without a holder; its number stays, so that the next one's is higher."""
    return _with_notes(found, {**(found.get("spec") or {}), "holderIdentity": ""}, notes or {})


def withdrawal(told: Mapping[str, Any]) -> str:
    """Return the sentence about traffic that a guardian took from a canary; ``told`` is what the annotation holds."""
    return (
        f"{told['holder']} had not renewed the lease of the rollout for {told['seconds']:g} s: "
        f"the canary's {told['weight']} % of the traffic went back to stable"
    )


def last_withdrawal(found: Object | None) -> str:
    """Return what the guardian did last, with its time, when no controller has come since; else an empty text."""
    text = ((found or {}).get("metadata", {}).get("annotations") or {}).get(WITHDRAWN, "")
    try:
        told = json.loads(text)
        at = datetime.fromtimestamp(float(told["at"]), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"the guardian withdrew a canary at {at}: {withdrawal(told)}; dawsos resume goes on"
    except (KeyError, TypeError, ValueError):
        return ""


def _with_notes(found: Object, spec: dict[str, Any], notes: dict[str, str]) -> Object:
    meta = found["metadata"]
    return {**found, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), **notes}}, "spec": spec}
