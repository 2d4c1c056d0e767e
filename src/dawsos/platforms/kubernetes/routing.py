"""The route of a release as plain values: who has which role, the canary's weight, and the patches that change them.

Nothing here sends a request.  A patch of the route names what it was made for (``test``): the object, the backends' names and
who conducts the rollout, so that it fails instead of changing something else when somebody changed the route meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dawsos.errors import BadInput, InfrastructureError
from dawsos.platforms.contract import Roles
from dawsos.platforms.kubernetes.names import BACKEND, COMPONENT, CONTROLLER, DEPLOYMENT, NOBODY, ROLE, STANDBY

Object = dict[str, Any]
Objects = list[Object]

# Every change by this tool has this manager; `kubectl edit` and `helm upgrade` have their own.
OURS = "dawsos"


class ChangedBeside(InfrastructureError):
    """Somebody changed the route or a Service while a rollout was under way; the message says what differs and who it was."""


class Fenced(InfrastructureError):
    """Another controller conducts the rollout now; the message names it."""


@dataclass(frozen=True)
class Live:
    """The objects that carry the traffic of one release, as the cluster had them at one moment."""

    route: Object = field(repr=False)
    stable: Object = field(repr=False)
    canary: Object = field(repr=False)

    @property
    def roles(self) -> Roles:
        """The roles; a canary that the stable Service selects as well is being promoted: it is stable."""
        stable, canary = selected(self.stable), selected(self.canary)
        weight = weight_of(self.route, *self.names)
        standby = annotations_of(self.stable).get(STANDBY) or None
        if canary is None or canary == stable:
            return Roles(stable, None, standby)
        return Roles(stable, canary, standby, weight)

    @property
    def names(self) -> tuple[str, str]:
        """The names of the stable and the canary Service."""
        return named(self.stable), named(self.canary)

    @property
    def weight(self) -> int:
        """The share of the canary's Service in per cent, whatever it selects."""
        return weight_of(self.route, *self.names)

    @property
    def holder(self) -> str:
        """The controller that conducts the rollout; an empty text when none does."""
        return annotations_of(self.route).get(CONTROLLER, "")

    @property
    def port(self) -> int:
        """The port of the Services to which the route leads."""
        stable = self.names[0]
        refs = (ref for _, rule in rules_of(self.route) for ref in rule["backendRefs"] if ref.get("name") == stable)
        return int(next(refs)["port"])

    @property
    def routes_to_canary(self) -> bool:
        """Whether a rule has the canary's Service as a backend, with any weight."""
        return any(_index(rule, self.names[1]) is not None for _, rule in rules_of(self.route))

    def index(self, service: str) -> int | None:
        """The place of a Service among the backends of the first rule that has it."""
        found = (_index(rule, service) for _, rule in rules_of(self.route))
        return next((index for index in found if index is not None), None)


def named(found: Object) -> str:
    """Return the name of an object."""
    return str(found["metadata"]["name"])


def annotations_of(found: Object) -> dict[str, str]:
    """Return the annotations of an object."""
    return found["metadata"].get("annotations") or {}


def selected(service: Object) -> str | None:
    """Return the deployment that a Service selects, None when it is nobody."""
    chosen = (service["spec"].get("selector") or {}).get(DEPLOYMENT)
    return None if chosen in (None, "", NOBODY) else str(chosen)


def taken_over(route: Object) -> bool:
    """Return whether no gateway says that it has seen only an older generation of the route; one that says nothing is not asked."""
    generation = int(route["metadata"].get("generation") or 0)
    parents = (route.get("status") or {}).get("parents") or []
    accepted = (each for parent in parents for each in parent.get("conditions") or [] if each.get("type") == "Accepted")
    return all(int(each.get("observedGeneration", generation)) >= generation for each in accepted)


def changer(found: Object) -> str:
    """Return the manager of the last change of a route's rules or of a Service's selector; an empty text when it is unknown."""
    wanted = {"f:rules", "f:selector"}
    return next(
        (
            str(entry.get("manager", ""))
            for entry in sorted(found["metadata"].get("managedFields") or [], key=_when, reverse=True)
            if wanted & (entry.get("fieldsV1", {}).get("f:spec") or {}).keys()
        ),
        "",
    )


def _when(entry: Object) -> str:
    return str(entry.get("time", ""))


def live_of(routes: Iterable[Object], services: Iterable[Object], release: str) -> Live:
    """Return the objects of the release among those with its label; raises BadInput when one is missing or not alone."""
    listed = list(services)
    stable, canary = (_alone(_with_role(listed, role), f"Service with {ROLE}={role}", release) for role in ROLES)
    leading = [route for route in routes if any(_index(rule, named(stable)) is not None for _, rule in rules_of(route))]
    return Live(_alone(leading, f"HTTPRoute with the backend {named(stable)}", release), stable, canary)


ROLES = ("stable", "canary")


def _with_role(services: Objects, role: str) -> Objects:
    return [each for each in services if (each["metadata"].get("labels") or {}).get(ROLE) == role]


def _alone(found: Objects, what: str, release: str) -> Object:
    if len(found) == 1:
        return found[0]
    names = ", ".join(map(named, found)) or "none"
    raise BadInput(
        f"the release {release} must have one {what}, and it has {names}",
        fix="the chart must label its objects as docs/kubernetes.md says; see helm get manifest",
    )


def rules_of(route: Object) -> Iterator[tuple[int, Object]]:
    """Yield the rules with backends and their indexes."""
    for index, rule in enumerate(route["spec"].get("rules") or []):
        if rule.get("backendRefs"):
            yield index, rule


def _index(rule: Object, service: str) -> int | None:
    names = [ref.get("name") for ref in rule["backendRefs"]]
    return names.index(service) if service in names else None


def weight_of(route: Object, stable: str, canary: str) -> int:
    """Return the canary's share in per cent, of the rule in which it is largest; 1 at least when it has anything at all."""
    shares = [0.0]
    for _, rule in rules_of(route):
        weights = {ref.get("name"): float(ref.get("weight", 1)) for ref in rule["backendRefs"]}
        mine, all_ = weights.get(canary, 0.0), weights.get(canary, 0.0) + weights.get(stable, 0.0)
        shares.append(100 * mine / all_ if all_ else 0.0)
    largest = max(shares)
    return max(1, round(largest)) if largest else 0


def _tests(live: Live, fence: str, *, unchanged: bool) -> Objects:
    meta = live.route["metadata"]
    made = [_test("/metadata/uid", meta["uid"])]
    if unchanged:
        # Of a route: the number of changes of its spec.  Weights, backends, rules: all are as they were read.
        made.append(_test("/metadata/generation", meta["generation"]))
    if fence:
        made.append(_test(f"/metadata/annotations/{pointer(CONTROLLER)}", fence))
    return made


def _test(path: str, value: Any) -> Object:
    return {"op": "test", "path": path, "value": value}


def pointer(key: str) -> str:
    """Return ``key`` as a part of a JSON Pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def weight_patch(live: Live, weight: int, fence: str = "", *, unchanged: bool = True) -> Objects:
    """Return the JSON Patch that gives the canary ``weight`` per cent in every rule that leads to stable.

    A rule without the canary gets it, as a copy of its stable backend.  ``unchanged`` makes the patch fail when the route is not
    as it was read; a rollback does without.
    """
    stable, canary = live.names
    made = _tests(live, fence, unchanged=unchanged)
    for number, rule in rules_of(live.route):
        there, beside = _index(rule, stable), _index(rule, canary)
        if there is None:
            continue
        refs = f"/spec/rules/{number}/backendRefs"
        made.append(_test(f"{refs}/{there}/name", stable))
        made.append({"op": "add", "path": f"{refs}/{there}/weight", "value": 100 - weight})
        if beside is None:
            copied = {**rule["backendRefs"][there], "name": canary, "weight": weight}
            made.append({"op": "add", "path": f"{refs}/-", "value": copied})
        else:
            made.append(_test(f"{refs}/{beside}/name", canary))
            made.append({"op": "add", "path": f"{refs}/{beside}/weight", "value": weight})
    return made


def alone_patch(live: Live, fence: str = "") -> Objects:
    """Return the JSON Patch that takes the canary from every rule: the route is as the chart renders it."""
    stable, canary = live.names
    made: Objects = []
    for number, rule in rules_of(live.route):
        there, beside = _index(rule, stable), _index(rule, canary)
        if there is None or beside is None:
            continue
        refs = f"/spec/rules/{number}/backendRefs"
        made.append({"op": "add", "path": f"{refs}/{there}/weight", "value": 1})
        made.append(_test(f"{refs}/{beside}/name", canary))
        made.append({"op": "remove", "path": f"{refs}/{beside}"})
    return [*_tests(live, fence, unchanged=True), *made] if made else []


def service_patch(service: Object, deployment: str | None, standby: str | None = None) -> Objects:
    """Return the JSON Patch that lets a Service select ``deployment``; ``standby`` (``""`` for nobody) is noted on it as well.

    It is empty when there is nothing to change.
    """
    meta, before = service["metadata"], (service["spec"].get("selector") or {}).get(DEPLOYMENT)
    made: Objects = []
    if before != (deployment or NOBODY):
        path = f"/spec/selector/{pointer(DEPLOYMENT)}"
        made += [_test(path, before)] if before is not None else []
        made.append({"op": "add", "path": path, "value": deployment or NOBODY})
        if COMPONENT in (service["spec"].get("selector") or {}):
            # A drill that was killed may have left its Envoy before the pods.
            made.append({"op": "add", "path": f"/spec/selector/{pointer(COMPONENT)}", "value": BACKEND})
    if standby is not None and annotations_of(service).get(STANDBY, "") != standby:
        if not meta.get("annotations"):
            made.append({"op": "add", "path": "/metadata/annotations", "value": {}})
        made.append({"op": "add", "path": f"/metadata/annotations/{pointer(STANDBY)}", "value": standby})
    return [_test("/metadata/uid", meta["uid"]), *made] if made else []


def fence_patch(live: Live, token: str) -> Objects:
    """Return the JSON Patch that notes on the route who conducts the rollout; an empty ``token`` is nobody.

    It fails when the route is not as it was read, so that of two who claim it at once one learns of the other.
    """
    meta = live.route["metadata"]
    made = [_test("/metadata/uid", meta["uid"]), _test("/metadata/resourceVersion", meta["resourceVersion"])]
    path = f"/metadata/annotations/{pointer(CONTROLLER)}"
    if not annotations_of(live.route):
        made.append({"op": "add", "path": "/metadata/annotations", "value": {}})
    if token:
        made.append({"op": "add", "path": path, "value": token})
    elif CONTROLLER in annotations_of(live.route):
        made.append({"op": "remove", "path": path})
    return made


def may_claim(token: str, holder: str) -> bool:
    """Return whether ``token`` may take the route from ``holder``: nobody, itself, or one with a lower number (``NAME #NUMBER``).

    A controller that slept must not take it back from its successor.
    """
    return holder in ("", token) or _number(token) > _number(holder)


def _number(token: str) -> int:
    _, mark, number = token.rpartition("#")
    return int(number) if mark and number.isdecimal() else 0


def differences(before: Live, now: Live) -> list[str]:
    """Return in sentences what somebody else changed of the weights, the backends and what the Services select.

    This tool's own changes are left out, such as the guardian's, and so is what a route without a canary's weight looks like.
    """
    told: list[str] = []
    if (before.weight or now.weight) and changer(now.route) != OURS:
        told += _of_the_route(before, now)
    for then, service in ((before.stable, now.stable), (before.canary, now.canary)):
        if selected(then) != selected(service) and changer(service) != OURS:
            words = f"selects {selected(service) or 'nobody'} instead of {selected(then) or 'nobody'}"
            told.append(f"the Service {named(service)} {words}{_by(service)}")
    return told


def _of_the_route(before: Live, now: Live) -> list[str]:
    name = named(now.route)
    if before.weight != now.weight:
        return [f"in the HTTPRoute {name} the canary has {now.weight} % instead of {before.weight} %{_by(now.route)}"]
    if before.route["metadata"]["uid"] != now.route["metadata"]["uid"] or _shape(before) != _shape(now):
        return [f"the rules of the HTTPRoute {name} are not as they were{_by(now.route)}"]
    return []


def must_be_as(before: Live, now: Live, where: str) -> None:
    """Raise ChangedBeside when somebody else changed the traffic; ``where`` names the release."""
    told = differences(before, now)
    if told:
        raise ChangedBeside(
            f"the traffic of {where} was changed beside dawsos: {'; '.join(told)}",
            fix="dawsos status; when the change is finished, dawsos resume or dawsos ship",
        )


def _by(found: Object) -> str:
    manager = changer(found)
    return f" (by {manager})" if manager else ""


def _shape(live: Live) -> list[list[str]]:
    return [[str(ref.get("name")) for ref in rule["backendRefs"]] for _, rule in rules_of(live.route)]
