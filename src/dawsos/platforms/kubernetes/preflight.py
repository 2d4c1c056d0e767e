"""What must be there before anything of an environment is changed: programs, context, namespace, rights, kinds, the chart's labels.

All that is wrong is told at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from dawsos.adapters.kubernetes import ApiError, Cluster, Objects, Unreachable
from dawsos.errors import BadInput, DawsosError
from dawsos.model.cluster import Gateway
from dawsos.platforms.kubernetes import access
from dawsos.platforms.kubernetes.gateways.registry import GATEWAYS
from dawsos.platforms.kubernetes.names import BACKEND, COMPONENT, DEPLOYMENT, INSTANCE, ROLE
from dawsos.platforms.kubernetes.state import label
from dawsos.platforms.kubernetes.target import Target, program

_Rights = Callable[[], Awaitable[list[access.Missing]]]
# Where the pods of a gateway are unless the settings say it.
GATEWAY_API = "/apis/gateway.networking.k8s.io/v1"
FLAGGER_API = "/apis/flagger.app/v1beta1"


def files(target: Target) -> list[str]:
    """Return what is wrong with the programs of this machine and the files of the checkout."""
    told: list[str] = []
    for name in ("helm", "kubectl"):
        try:
            program(name)
        except BadInput as error:
            told.append(_sentence(error))
    if not (target.chart / "Chart.yaml").is_file():
        told.append(f"there is no chart in {target.chart}: it has no Chart.yaml (`chart` of the environment)")
    told += [f"there is no file {path} (`values` of the environment)" for path in target.values if not path.is_file()]
    return told


def has_guardian(target: Target) -> bool:
    """Return whether the chart's values, and the user's over them, enable a guardian."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    enabled = False
    for path in (target.chart / "values.yaml", *target.values):
        try:
            found = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")) if path.is_file() else None
        except (YAMLError, ValueError):
            # helm says what is wrong with it.
            return False
        guardian = found.get("guardian") if isinstance(found, dict) else None
        if isinstance(guardian, dict) and "enabled" in guardian:
            enabled = bool(guardian["enabled"])
    return enabled


async def cluster_faults(cluster: Cluster, target: Target) -> list[str]:
    """Return what is wrong with the cluster; raises BadInput for a context that cannot be used, or whose API does not answer."""
    try:
        await cluster.request("GET", "/version")
        told = []
        try:
            if await cluster.find(f"/api/v1/namespaces/{target.namespace}") is None:
                told.append(
                    f"there is no namespace {target.namespace}: kubectl --context {target.context} create namespace {target.namespace}"
                )
        except ApiError as error:
            # Whoever has rights in one namespace alone may not look at it.
            if error.status != 403:
                raise
        try:
            await cluster.request("GET", GATEWAY_API)
        except ApiError as error:
            if error.status != 404:
                raise
            told.append(
                "the cluster does not know the Gateway API: install its CRDs (https://gateway-api.sigs.k8s.io) and a gateway"
            )
        return told
    except Unreachable as error:
        raise BadInput(error.message, fix=error.fix) from error
    except ApiError as error:
        if error.status in (401, 403):
            raise BadInput(
                error.message, fix=f"log in: kubectl --context {target.context} get pods must work"
            ) from error
        raise


async def must_be_there(cluster: Cluster, target: Target, gateway: Gateway) -> None:
    """Raise BadInput with everything that is missing for this environment."""
    place = target.namespace if GATEWAYS[gateway.kind].of_the_release else gateway_namespace(gateway)
    told = files(target)
    guarded = not told and await asyncio.to_thread(has_guardian, target)
    rights = (*access.RIGHTS, *access.GUARDED) if guarded else access.RIGHTS
    await _refuse(cluster, target, told, lambda: access.missing(cluster, target.namespace, place, rights))


async def flagger_must_be_there(cluster: Cluster, target: Target) -> None:
    """Raise BadInput with everything that is missing for this environment, whose rollouts Flagger conducts."""

    async def lacking() -> list[access.Missing]:
        return await access.missing(cluster, target.namespace, None, access.FLAGGER_RIGHTS)

    await _refuse(cluster, target, [], lacking, flagger=True)


async def _refuse(cluster: Cluster, target: Target, told: list[str], rights: _Rights, *, flagger: bool = False) -> None:
    """Raise BadInput with what is told already, what the cluster lacks, and the missing ``rights``."""
    try:
        told += await cluster_faults(cluster, target)
        if flagger and await cluster.find(FLAGGER_API) is None:
            told.append("the cluster does not know Flagger's Canary: install Flagger, or set driver: dawsos")
        lacking = await rights()
    except BadInput as error:
        raise refused([*told, _sentence(error)], target) from error
    if lacking:
        told.append(_sentence(access.refusal(lacking, target.context)))
    if told:
        raise refused(told, target)


def gateway_namespace(gateway: Gateway) -> str | None:
    """Return the namespace whose pods are asked through the API server; None when they are asked directly."""
    return gateway.namespace or GATEWAYS[gateway.kind].namespace if gateway.reach == "api" else None


def chart_faults(objects: Objects, target: Target, deployment: str) -> list[str]:
    """Return what the rendered chart lacks of what the tool finds objects by."""
    wanted = f"{COMPONENT}={BACKEND}, {DEPLOYMENT}={deployment} and {INSTANCE}={target.release}"
    backends = [
        one
        for one in objects
        if one.get("kind") == "Deployment" and (label(one, COMPONENT), label(one, DEPLOYMENT)) == (BACKEND, deployment)
    ]
    told = [] if backends else [f"the chart makes no Deployment with the labels {wanted}"]
    for one in backends:
        pods = one["spec"]["template"]
        if (label(pods, DEPLOYMENT), label(pods, INSTANCE)) != (deployment, target.release):
            told.append(f"the pods of the Deployment {one['metadata']['name']} have not the labels {wanted}")
    for role in ("stable", "canary"):
        if not any(one.get("kind") == "Service" and label(one, ROLE) == role for one in objects):
            told.append(f"the chart makes no Service with the label {ROLE}={role}")
    if not any(one.get("kind") == "HTTPRoute" for one in objects):
        told.append("the chart makes no HTTPRoute: name the gateway in its values (route.gateway)")
    return told


def refused(told: Iterable[str], target: Target) -> BadInput:
    """Return the error with everything that is wrong, a line each."""
    lines = list(told)
    where = f"{target.release} in {target.namespace} ({target.context})"
    text = lines[0] if len(lines) == 1 else "".join(f"\n  - {line}" for line in lines)
    return BadInput(
        f"{where} cannot be deployed to: {text}", fix="docs/kubernetes.md takes you from an empty cluster to this"
    )


def _sentence(error: DawsosError) -> str:
    return f"{error.message} ({error.fix})" if error.fix else error.message
