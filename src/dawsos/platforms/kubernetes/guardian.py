"""The guardian of a rollout: it runs in the cluster and takes the canary's traffic back when no controller is left.

    python -m dawsos.platforms.kubernetes.guardian --namespace NS --release RELEASE --route HTTPROUTE --stable SVC --canary SVC

It reads the Lease of the rollout four times a second.  Once a held lease has run out it takes it over (refused when the controller
renewed it in that moment), gives stable all traffic, puts its own token on the route so that the patches of the controller fail from
then on, notes on the Lease what it did, tells it as an Event, and gives the lease up.  What fails is tried again until it is done,
also by another guardian after this one.  It keeps nothing: one that was away judges from its start.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import json
import os
import signal
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.kubernetes import IN_CLUSTER, ApiError, Cluster, Object, Unreachable
from dawsos.errors import DawsosError
from dawsos.platforms.kubernetes.lease import (
    GUARDIAN,
    NUMBER,
    SECONDS,
    WITHDRAWN,
    LeaseState,
    Watch,
    given_up,
    lease_name,
    micro_time,
    withdrawal,
)
from dawsos.platforms.kubernetes.names import CONTROLLER, INSTANCE, Paths

if TYPE_CHECKING:
    from dawsos.ports import Clock

_POLL = 0.25
# A request must not outlast its use; and a loop that hangs is started anew by Kubernetes.
_TIMEOUT = 5.0
_HANGS_AFTER = 60.0
# The length of the guardian's own hold on the lease.
_HOLD = 5
# So long after the API server was away a controller, which could not reach it either, may renew the lease.
_GRACE = 1.0


@dataclass(frozen=True)
class Watched:
    """What one guardian watches: the release, and the names of its route and its two Services."""

    namespace: str
    release: str
    route: str
    stable: str
    canary: str


class Guardian:
    """Watches one release.  ``say`` gets what it does, a sentence each time."""

    def __init__(self, cluster: Cluster, watched: Watched, clock: Clock, name: str) -> None:
        self._cluster, self._watched, self._clock = cluster, watched, clock
        self._name = f"{GUARDIAN}{name}"
        self._watch = Watch(clock)
        paths = Paths(watched.namespace)
        self._lease = paths.of("leases", lease_name(watched.release))
        self._route = paths.of("httproutes", watched.route)
        self._events = paths.of("events")
        self._trouble = ""
        self._away, self._back, self._graced = False, -_GRACE, ""

    async def run(self) -> None:
        """Look after the release until this task is cancelled."""
        while True:
            faulthandler.dump_traceback_later(_HANGS_AFTER, exit=True, file=2)
            await self.look()
            await self._clock.sleep(_POLL)

    async def look(self) -> bool:
        """Look once; return whether the traffic was taken back.  No error ends the guardian: it says it and looks again."""
        try:
            done = await self._look()
        except (ApiError, Unreachable) as error:
            if str(error) != self._trouble:
                say(error.message)
            self._trouble = str(error)
            self._away = self._away or isinstance(error, Unreachable)
            return False
        if self._trouble:
            say("the API server answers again")
        self._trouble = ""
        return done

    async def _look(self) -> bool:
        found = await self._cluster.find(self._lease)
        if found is None:
            return False
        state, now = LeaseState.of(found), self._clock.monotonic()
        quiet, run_out = self._watch.quiet(state), self._watch.has_run_out(state)
        if self._away and state.version != self._graced:
            # Once for each renewal: an API server that often fails must not put it off again and again.
            self._back, self._graced = now, state.version
        self._away = False
        # Its own hold, in which it failed, needs no second waiting; that of another guardian does.
        if state.holder != self._name and (not run_out or now - self._back < _GRACE):
            return False
        held = await self._take(found, state)
        if held is None:
            return False
        route = await self._cluster.find(self._route)
        notes: dict[str, str] = {}
        if route is not None:
            weight = _weight(route, self._watched)
            left = state.holder if not state.holder.startswith(GUARDIAN) else str(_last_holder(found) or state.holder)
            await self._cluster.patch(self._route, self._patch(route, LeaseState.of(held).token), "json")
            if weight:
                told = {"at": self._clock.now(), "holder": left, "weight": weight, "seconds": round(quiet, 3)}
                notes[WITHDRAWN] = json.dumps(told)
                say(withdrawal(told))
        await self._cluster.replace(self._lease, given_up(held, notes))
        if WITHDRAWN in notes and route is not None:
            await self._tell(route, withdrawal(json.loads(notes[WITHDRAWN])))
        return bool(notes)

    async def _take(self, found: Object, state: LeaseState) -> Object | None:
        """Hold the lease that ran out; None when somebody was faster."""
        time = micro_time(self._clock.now())
        spec = {**found["spec"], "holderIdentity": self._name, "renewTime": time, "leaseDurationSeconds": _HOLD}
        meta = found["metadata"]
        notes = {**(meta.get("annotations") or {}), NUMBER: str(state.number + 1), SECONDS: str(_HOLD)}
        if not state.holder.startswith(GUARDIAN):
            notes[_LAST] = state.holder
        try:
            return await self._cluster.replace(
                self._lease, {**found, "metadata": {**meta, "annotations": notes}, "spec": spec}
            )
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            return None

    def _patch(self, route: Object, token: str) -> list[Object]:
        """Return the patch that gives stable everything and fences the controller, whatever it tests of its own."""
        made: list[Object] = [{"op": "test", "path": "/metadata/uid", "value": route["metadata"]["uid"]}]
        if not route["metadata"].get("annotations"):
            made.append({"op": "add", "path": "/metadata/annotations", "value": {}})
        made.append({"op": "add", "path": f"/metadata/annotations/{CONTROLLER.replace('/', '~1')}", "value": token})
        for number, rule in enumerate(route["spec"].get("rules") or []):
            refs = rule.get("backendRefs") or []
            if self._watched.canary not in {ref.get("name") for ref in refs}:
                continue
            for index, ref in enumerate(refs):
                path = f"/spec/rules/{number}/backendRefs/{index}"
                if ref.get("name") in (self._watched.canary, self._watched.stable):
                    made.append({"op": "test", "path": f"{path}/name", "value": ref["name"]})
                    weight = 0 if ref["name"] == self._watched.canary else 100
                    made.append({"op": "add", "path": f"{path}/weight", "value": weight})
        return made

    async def _tell(self, route: Object, sentence: str) -> None:
        """Make an Event about the route; it is only for people, so it may fail."""
        time = micro_time(self._clock.now())
        about = {"apiVersion": route["apiVersion"], "kind": route["kind"], "namespace": self._watched.namespace}
        event: Object = {
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"generateName": f"{self._watched.route}-", "labels": {INSTANCE: self._watched.release}},
            "involvedObject": {**about, "name": self._watched.route, "uid": route["metadata"]["uid"]},
            "type": "Warning", "reason": "TrafficWithdrawn", "action": "Withdraw", "message": sentence,
            "eventTime": time, "reportingComponent": "dawsos.dev/guardian", "reportingInstance": self._name[-128:],
        }  # fmt: skip
        try:
            await self._cluster.create(self._events, event)
        except (ApiError, Unreachable) as error:
            say(f"no Event was made: {error.message}")


# Annotation of the Lease: whose lease the guardian ended, for the guardian that comes after it.
_LAST = "dawsos.dev/last-holder"


def _last_holder(lease: Object) -> str:
    return str((lease["metadata"].get("annotations") or {}).get(_LAST, ""))


def _weight(route: Object, watched: Watched) -> int:
    """Return the largest share of the canary in any rule, in per cent."""
    shares = [0.0]
    for rule in route["spec"].get("rules") or []:
        weights = {ref.get("name"): float(ref.get("weight", 1)) for ref in rule.get("backendRefs") or []}
        whole = sum(weights.values())
        shares.append(100 * weights.get(watched.canary, 0.0) / whole if whole else 0.0)
    return max(1, round(max(shares))) if max(shares) else 0


def say(text: str) -> None:
    """Print one line of the pod's log, at once."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


async def watch(context: str, watched: Watched) -> None:
    """Look after ``watched`` until TERM comes."""
    cluster = Cluster(context, timeout=_TIMEOUT)
    say(f"looking after {watched.release} in {watched.namespace}, at {cluster.server}")
    guardian = Guardian(cluster, watched, SystemClock(), os.environ.get("POD_NAME") or socket.gethostname())
    task = asyncio.ensure_future(guardian.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        say("ended")
    finally:
        faulthandler.cancel_dump_traceback_later()
        await cluster.close()


def main(arguments: list[str] | None = None) -> int:
    """Run the guardian; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="guardian", description="Takes a canary's traffic back when nobody watches it."
    )
    for name in ("namespace", "release", "route", "stable", "canary"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--context", default=IN_CLUSTER)
    given = vars(parser.parse_args(arguments))
    context = given.pop("context")
    try:
        asyncio.run(watch(context, Watched(**given)))
    except DawsosError as error:
        say(str(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
