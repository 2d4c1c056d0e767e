"""What an environment on a cluster has beside its releases: embedded services, stand-ins, and the ways to them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dawsos.adapters.kubernetes import Objects
from dawsos.errors import InfrastructureError
from dawsos.model.environment import EnvironmentSettings
from dawsos.platforms.contract import EnvironmentSpec, StandInSource
from dawsos.platforms.kubernetes.deployments import Bed
from dawsos.platforms.kubernetes.names import BACKEND, COMPONENT, MAIN, NOBODY, STAND_INS
from dawsos.platforms.kubernetes.state import Seen, label, named, selected
from dawsos.platforms.kubernetes.target import Target, given
from dawsos.platforms.kubernetes.variables import port_name, rewritten, stand_in_ports, variables_of
from dawsos.platforms.kubernetes.waiting import judge

_PAUSE = 0.5
# Components of the chart whose pods must be ready before any command of a release runs.
_SERVICES = ("postgres", "redis", STAND_INS)
_READY_WITHIN = 120.0
# Left out of what steps on this machine get: it tells a process in a pod where to listen, or who it is.
_OF_THE_POD = ("HOST", "PORT", "DEPLOYMENT_ID", "GIT_SHA", "OTEL_RESOURCE_ATTRIBUTES", "REDIS_CONF")
_ID = re.compile(r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")


class Ways(Protocol):
    """What opens a way to a port of a Service and returns the port of 127.0.0.1 behind which it answers."""

    async def open(self, service: str, port: int) -> int: ...


def must_be_a_name(deployment: str) -> None:
    """Raise InfrastructureError for an id that cannot be part of a name in Kubernetes, or that means something else there."""
    if not _ID.match(deployment) or deployment in (MAIN, NOBODY):
        raise InfrastructureError(
            f"{deployment!r} cannot be the id of a deployment on Kubernetes", fix="this is a defect of dawsos"
        )


def fixed_values(
    target: Target, settings: EnvironmentSettings, stand_ins: Sequence[StandInSource] | None
) -> dict[str, Any]:
    """Return the values of the chart that do not change with the deployments."""
    names = settings.stand_ins if stand_ins is None else tuple(one.name for one in stand_ins)
    return {
        "secret": target.secret,
        "embedded": {name: name in settings.services for name in ("postgres", "redis")},
        "standIns": dict.fromkeys(names, True),
    }


def stands(seen: Seen, spec: EnvironmentSpec) -> bool:
    """Return whether the chart is installed with the embedded services and stand-ins that the environment wants."""
    if seen.service("stable") is None or seen.service("canary") is None:
        return False
    there = {label(one, COMPONENT) for one in (*seen.sets, *seen.deployments)}
    if not set(spec.settings.services) <= there:
        return False
    stand_ins = {label(one, "dawsos.dev/stand-in") for one in seen.services}
    return {one.name for one in spec.stand_ins} <= stand_ins


async def wait_for_services(bed: Bed) -> None:
    """Wait until the embedded services and stand-ins are ready; raises InfrastructureError with the reason."""
    while True:
        seen = await bed.seen()
        late = ""
        for one in (*seen.sets, *seen.deployments):
            if label(one, COMPONENT) not in _SERVICES:
                continue
            pods = [pod for pod in seen.pods if label(pod, COMPONENT) == label(one, COMPONENT)]
            verdict = judge(pods, int(one["spec"].get("replicas", 1)), bed.clock.now(), _READY_WITHIN)
            if verdict.state == "failed":
                raise InfrastructureError(
                    f"{named(one)} is not ready: {verdict.reason}",
                    fix=f"kubectl -n {bed.target.namespace} describe pods; kubectl logs",
                )
            late = late or (verdict.reason if verdict.state == "waiting" else "")
        if not late:
            return
        await bed.clock.sleep(_PAUSE)


def stand_in_ports_of(seen: Seen, spec: EnvironmentSpec) -> dict[str, tuple[str, int]]:
    """Return variable -> (Service, port) of the stand-ins of the environment."""
    names = {port_name(variable): variable for one in spec.stand_ins for variable in one.ports}
    services = [one for one in seen.services if label(one, COMPONENT) == STAND_INS]
    return stand_in_ports(services, names)


async def variables(
    spec: EnvironmentSpec, secret: Mapping[str, str], env: Mapping[str, str], seen: Seen, ways: Ways
) -> dict[str, str]:
    """Return the variables of the environment for steps on this machine: those of the pods, with the addresses of tunnels."""
    stable = selected(seen.service("stable"))
    pods = seen.of(BACKEND)
    serving = pods.get(stable or "") or next(iter(pods.values()), None)
    known = variables_of(serving["spec"]["template"], secret) if serving else {**secret, **env}
    found = {name: value for name, value in {**known, **env}.items() if name not in _OF_THE_POD}
    tunnels = await _opened(seen.services, ways)
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"):
        if name in found:
            found[name] = rewritten(found[name], tunnels)
    for name, where in stand_in_ports_of(seen, spec).items():
        found[name] = str(tunnels[where])
    return found


async def _opened(services: Objects, ways: Ways) -> dict[tuple[str, int], int]:
    """Open a tunnel to each port of the embedded services and stand-ins; return (host, port) -> local port."""
    opened = {}
    for service in services:
        if label(service, COMPONENT) in _SERVICES:
            for port in service["spec"].get("ports") or []:
                where = (named(service), int(port["port"]))
                opened[where] = await ways.open(*where)
    return opened


def of_the_user(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the beginning of a command that has the user's home and kubeconfig, which a step of a stage does not have."""
    kept = {name: environ[name] for name in ("HOME", "KUBECONFIG") if environ.get(name)}
    return ("/usr/bin/env", *(f"{name}={value}" for name, value in kept.items()))


def given_to_kubectl(settings: EnvironmentSettings) -> dict[str, str]:
    """Return the variables that kubectl gets."""
    return given(os.environ, frozenset(settings.pass_env))
