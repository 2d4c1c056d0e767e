"""One Canary of Flagger on a cluster: what Flagger says of it, its route, and the few changes that the tool makes beside Flagger.

Facts from fluxcd/flagger at 15bd6ad (``pkg/controller/scheduler.go``, ``pkg/router/gateway_api.go``, ``pkg/canary/status.go``):

- Flagger reads the live weights of the HTTPRoute at each tick and takes them for true; it keeps annotations that it does not know.
  A foreign **label** on the HTTPRoute makes it write the route anew, with weight 0, at each tick.  So only an annotation is set.
- The condition ``Promoted`` keeps its ``lastTransitionTime`` as long as its status is the same.  It is Unknown for a whole run, so
  that time is the run's beginning.
- While the phase is Failed, each tick sets ``lastAppliedSpec`` to the hash of the template that is there, before a new run
  begins.  So a phase belongs to a revision only if that time has changed as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from dawsos.adapters.kubernetes import Cluster, Object
from dawsos.model.status import Cause
from dawsos.platforms.kubernetes.names import Paths
from dawsos.platforms.kubernetes.patching import patched

# The phases in which the canary may get traffic and may still be rolled back.
RUNNING = frozenset({"Progressing", "Waiting", "WaitingPromotion"})
# Flagger copies the release to its primary: it was accepted, and a cut would send users to pods that are being replaced.
PROMOTING = frozenset({"Promoting", "Finalising"})
VERDICT = "dawsos.dev/verdict"


@dataclass(frozen=True)
class Verdict:
    """Why the canary of ``run`` was rejected; it stands on the HTTPRoute, so that it outlives whoever found it.

    ``cause``, ``metric``, ``measured`` and ``limit`` as in ``events.RolloutDecided``; ``at`` is seconds since the epoch.
    """

    run: str
    reason: str
    cause: Cause = Cause.UNKNOWN
    metric: str = ""
    measured: float | None = None
    limit: float | None = None
    at: float = 0.0


@dataclass(frozen=True)
class CanaryState:
    """What Flagger says of a Canary: ``applied`` and ``promoted`` are its hashes of the Deployment's template, ``configs`` a digest
    of the tracked ConfigMaps and Secrets, ``since`` when the condition ``Promoted`` changed last."""

    phase: str = ""
    weight: int = 0
    failed: int = 0
    applied: str = ""
    promoted: str = ""
    configs: str = ""
    since: str = ""

    @property
    def run(self) -> str:
        """A name of the run under way: another one for each revision and for each time that it is tried."""
        return "/".join((self.applied, self.configs, self.since))


@dataclass(frozen=True)
class Place:
    """Where in the HTTPRoute a rule names the two Services, and their weights."""

    rule: int
    primary: int
    canary: int
    weights: tuple[int, int]


@dataclass(frozen=True)
class CanaryRoute:
    """The HTTPRoute that Flagger made."""

    uid: str
    places: tuple[Place, ...]
    annotated: bool = False
    verdict: Verdict | None = None

    @property
    def weight(self) -> int:
        """The largest share that a rule gives the canary, in per cent."""
        shares = (100 * place.weights[1] / sum(place.weights) for place in self.places if place.weights[1])
        return max((round(share) or 1 for share in shares), default=0)


class FlaggerCanary:
    """The Canary ``name`` of ``namespace`` whose provider is ``gatewayapi:v1``; Deployment, Services and route have its name."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self.cluster, self.namespace, self.name = cluster, namespace, name
        self._paths = Paths(namespace)
        self.primary, self.canary = f"{name}-primary", f"{name}-canary"

    async def state(self) -> CanaryState | None:
        """Return what Flagger says, None when there is no Canary (or no Flagger that knows such an object)."""
        found = await self.cluster.find(self._paths.of("canaries", self.name))
        return None if found is None else state_of(found)

    async def route(self) -> CanaryRoute | None:
        """Return the route as it is now, None when Flagger has not made it yet."""
        found = await self.cluster.find(self._paths.of("httproutes", self.name))
        return None if found is None else route_of(found, self.primary, self.canary)

    async def cut(self, verdict: Verdict | None = None) -> None:
        """Give the primary all traffic in one request, and note the verdict with it; repeated when it meets another change."""

        def patch(found: Object | None) -> list[Object]:
            route = None if found is None else route_of(found, self.primary, self.canary)
            if route is None or (route.weight == 0 and (verdict is None or route.verdict == verdict)):
                return []
            return cut_patch(route, (self.primary, self.canary), verdict)

        await patched(self.cluster, self._paths.of("httproutes", self.name), patch)

    async def fail(self, checks: int) -> None:
        """Let Flagger roll back at its next tick: it counts ``checks`` failed checks, its threshold, from now on."""
        status = {"status": {"failedChecks": checks}}
        await self.cluster.patch(self._paths.of("canaries", self.name, "status"), status)

    async def events(self) -> list[str]:
        """Return what Flagger has said of the Canary, the oldest first."""
        found = await self.cluster.list(self._paths.of("events"))
        return told(found, self.name)


def state_of(canary: Object) -> CanaryState:
    """Return what the object says."""
    status = canary.get("status") or {}
    conditions = (each for each in status.get("conditions") or [] if each.get("type") == "Promoted")
    promoted: Object = next(conditions, {})
    return CanaryState(
        phase=str(status.get("phase") or ""),
        weight=int(status.get("canaryWeight") or 0),
        failed=int(status.get("failedChecks") or 0),
        applied=str(status.get("lastAppliedSpec") or ""),
        promoted=str(status.get("lastPromotedSpec") or ""),
        configs=_digest(status.get("trackedConfigs") or {}),
        since=str(promoted.get("lastTransitionTime") or ""),
    )


def _digest(configs: Object) -> str:
    if not configs:
        return ""
    return hashlib.sha256(json.dumps(configs, sort_keys=True).encode()).hexdigest()[:8]


def route_of(route: Object, primary: str, canary: str) -> CanaryRoute:
    """Return the part of an HTTPRoute that matters here."""
    annotations = route["metadata"].get("annotations")
    return CanaryRoute(
        uid=str(route["metadata"]["uid"]),
        places=tuple(_places(route, primary, canary)),
        annotated=annotations is not None,
        verdict=_verdict((annotations or {}).get(VERDICT, "")),
    )


def _places(route: Object, primary: str, canary: str) -> Iterator[Place]:
    for number, rule in enumerate(route["spec"].get("rules") or []):
        names = [str(backend.get("name")) for backend in rule.get("backendRefs") or []]
        if primary in names and canary in names:
            first, second = names.index(primary), names.index(canary)
            backends = rule["backendRefs"]
            yield Place(
                number, first, second, (int(backends[first].get("weight", 1)), int(backends[second].get("weight", 1)))
            )


def _verdict(text: str) -> Verdict | None:
    """Return the verdict that an annotation holds; one that cannot be read is a verdict about no run."""
    try:
        read = json.loads(text)
        return Verdict(
            str(read["run"]), str(read["reason"]), Cause(read.get("cause", "")), str(read.get("metric", "")),
            _number(read.get("measured")), _number(read.get("limit")), float(read.get("at", 0.0)),
        )  # fmt: skip
    except (ValueError, TypeError, LookupError, AttributeError):
        return None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def cut_patch(route: CanaryRoute, names: tuple[str, str], verdict: Verdict | None) -> list[Object]:
    """Return the JSON Patch that gives the primary everything; it fails when the route is another one by then."""
    patch: list[Object] = [{"op": "test", "path": "/metadata/uid", "value": route.uid}]
    for place in route.places:
        for index, name, weight in ((place.primary, names[0], 100), (place.canary, names[1], 0)):
            where = f"/spec/rules/{place.rule}/backendRefs/{index}"
            patch.append({"op": "test", "path": f"{where}/name", "value": name})
            patch.append({"op": "add", "path": f"{where}/weight", "value": weight})
    if verdict is not None:
        text = json.dumps({key: value for key, value in asdict(verdict).items() if value is not None})
        if not route.annotated:
            patch.append({"op": "add", "path": "/metadata/annotations", "value": {}})
        patch.append({"op": "add", "path": "/metadata/annotations/" + VERDICT.replace("/", "~1"), "value": text})
    return patch


def told(events: Sequence[Object], name: str) -> list[str]:
    """Return the messages of the events about the Canary ``name``, the oldest first."""
    own = [
        event
        for event in events
        if event.get("involvedObject", {}).get("kind") == "Canary" and event["involvedObject"].get("name") == name
    ]
    own.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return [str(event.get("message", "")) for event in own]
