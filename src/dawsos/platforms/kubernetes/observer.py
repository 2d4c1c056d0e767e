"""Reads the status of an environment from its cluster, also on a machine that never deployed to it.  It changes nothing.

The environment's folder has the settings with which it was opened last; nothing else of it is on this machine.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from dawsos.adapters.kubernetes import ApiError, Cluster, Object, connected
from dawsos.errors import DawsosError
from dawsos.platforms.contract import EnvironmentStatus
from dawsos.platforms.kubernetes.state import Seen, done_beside, status_of, unguarded

# A status is asked by a person, who waits.
_WITHIN = 5.0


async def observed(name: str, settings: dict[str, Any]) -> EnvironmentStatus:
    """Return the status of the environment ``name`` with these settings."""
    from dawsos.platforms.kubernetes.deployments import look
    from dawsos.platforms.kubernetes.target import Target

    target = Target(
        str(settings.get("context")), str(settings.get("namespace")), str(settings.get("release")), Path(str(settings.get("chart")))
    )  # fmt: skip
    try:
        async with connected(target.context, timeout=_WITHIN) as cluster:
            seen = await look(cluster, target)
            url = await address_of(cluster, seen, settings.get("url"))
            kept, history = await _revisions(cluster, target.namespace, target.release)
            noted = await withdrawn(cluster, target.namespace, target.release)
            runs = await kept_runs(cluster, target.namespace, target.release)
    except DawsosError as error:
        return EnvironmentStatus(name, notes=(error.message,))
    status = status_of(name, seen, url, time.time())
    return replace(status, notes=(*done_beside(seen, kept, history), *noted, *unguarded(seen)), kept=runs)


async def withdrawn(cluster: Cluster, namespace: str, release: str) -> tuple[str, ...]:
    """Return what the guardian told last, nothing without the right to read the Lease."""
    from dawsos.platforms.kubernetes.lease import last_withdrawal, lease_name
    from dawsos.platforms.kubernetes.names import Paths

    try:
        told = last_withdrawal(await cluster.find(Paths(namespace).of("leases", lease_name(release))))
    except ApiError:
        return ()
    return (told,) if told else ()


async def kept_runs(cluster: Cluster, namespace: str, release: str) -> tuple[str, ...]:
    """Return the runs that the cluster keeps, the newest first; nothing without the right to read them."""
    from dawsos.platforms.kubernetes.journal import ClusterJournal

    try:
        return tuple(head.run for head in await ClusterJournal(cluster, namespace, release).heads())
    except ApiError:
        return ()


async def address_of(cluster: Cluster, seen: Seen, url: str | None) -> str:
    """Return where the environment answers: the ``url`` of its settings, else the address of its gateway, else of its Service."""
    return await gateway_address(cluster, seen, url) or service_address(seen)


async def gateway_address(cluster: Cluster, seen: Seen, url: str | None) -> str:
    """Return where users reach the environment: ``url``, else the address of its gateway; an empty text when nobody says it."""
    if url:
        return url.rstrip("/")
    for route in seen.routes:
        hosts = route["spec"].get("hostnames") or []
        for parent in route["spec"].get("parentRefs") or []:
            found = await _gateway(cluster, parent, str(route["metadata"]["namespace"]))
            if found:
                return found if not hosts else _with_host(found, str(hosts[0]))
    return ""


def service_address(seen: Seen) -> str:
    """Return the address of the stable Service, which is no way through the gateway; an empty text when there is none."""
    stable = seen.service("stable")
    if stable is None or stable["spec"].get("clusterIP") in (None, "None", ""):
        return ""
    port = int((stable["spec"].get("ports") or [{"port": 80}])[0]["port"])
    return f"http://{stable['spec']['clusterIP']}" + ("" if port == 80 else f":{port}")


def _with_host(found: str, host: str) -> str:
    scheme, _, rest = found.partition("://")
    port = rest.partition(":")[2]
    return f"{scheme}://{host}" + (f":{port}" if port else "")


async def _gateway(cluster: Cluster, parent: Object, namespace: str) -> str:
    """Return the address of a Gateway; an empty text when it has none, or may not be read."""
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{parent.get('namespace') or namespace}/gateways/{parent['name']}"
    try:
        found = await cluster.find(path)
    except ApiError:
        return ""
    return gateway_url(found or {}, str(parent.get("sectionName") or ""), int(parent.get("port") or 0))


def gateway_url(gateway: Object, section: str, port: int) -> str:
    """Return the address of the listener ``section`` or ``port`` of a Gateway, of its first one without them."""
    addresses = (gateway.get("status") or {}).get("addresses") or []
    listeners = (gateway.get("spec") or {}).get("listeners") or []
    chosen = [
        one
        for one in listeners
        if (not section or one.get("name") == section) and (not port or int(one.get("port", 0)) == port)
    ]
    if not addresses or not chosen:
        return ""
    scheme = "https" if chosen[0].get("protocol") == "HTTPS" else "http"
    number = int(chosen[0].get("port", 80))
    usual = number == {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{addresses[0]['value']}" + ("" if usual else f":{number}")


async def _revisions(cluster: Cluster, namespace: str, release: str) -> tuple[dict[str, Any], list[Object]]:
    """Return the values of helm's newest revision and the newest revision, read as helm keeps them; nothing without the right."""
    from dawsos.platforms.kubernetes.names import Paths

    try:
        found = await cluster.list(Paths(namespace).of("secrets"), {"owner": "helm", "name": release})
    except ApiError:
        return {}, []
    return newest_revision(found)


def newest_revision(kept: list[Object]) -> tuple[dict[str, Any], list[Object]]:
    """Return (values, [revision]) of the newest of helm's Secrets: JSON in gzip in base64, in a Secret's own base64."""
    import base64
    import gzip
    import json

    if not kept:
        return {}, []
    last = max(kept, key=lambda one: int((one["metadata"].get("labels") or {}).get("version", 0)))
    try:
        told = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(last["data"]["release"]))))
        info = told.get("info") or {}
        revision = {
            "revision": told.get("version"),
            "status": info.get("status"),
            "description": info.get("description", ""),
        }
        return dict(told.get("config") or {}), [revision]
    except (KeyError, TypeError, ValueError, OSError):
        return {}, []
