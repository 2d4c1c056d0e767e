"""Envoy's configuration as plain values, and its files.

Traffic is two files, clusters (CDS) and routes (RDS), each with a version.  Envoy notices a renamed file, applies it whole or
refuses it whole, and tells the version it runs; what it runs survives its restart because it is on disk.  The canary's
target is an aggregate of canary and stable: a request that the canary did not take goes to stable within the same try.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dawsos.adapters.files import write_text
from dawsos.model.names import READY, TELL, TOLD
from dawsos.model.process import Probe
from dawsos.platforms.contract import Roles
from dawsos.platforms.faults import WireFault, faulty_routes
from dawsos.platforms.local import tries
from dawsos.platforms.local.state import read_desired, read_roles, write_roles

HTTP_PREFIX = "front"
ROUTES = "traffic"
FAULT_PREFIX = "fault"
FAULT_ROUTES = "faults"
# Whoever may talk to the admin page may stop Envoy and reset its counters: its socket is in a folder of its owner.
ADMIN_SOCKET = Path("admin") / "envoy.sock"
_TYPE = "type.googleapis.com/"
# Milliseconds: the E12 series, so that neighbouring edges differ by a fifth and the judge sees a canary that is so much
# slower; with an edge at 1200, the latency objective, so that its check is exact.
_E12 = (10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82)
_BUCKETS = [round(step * 10.0**power, 1) for power in range(-1, 4) for step in _E12 if step * 10.0**power <= 33_000]
_SAFE = "GET|HEAD|OPTIONS"
_LIMITS = {"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 4096, "max_retries": 4096}
_MANY = {"thresholds": [_LIMITS]}


def bootstrap(folder: Path, ports: dict[str, int]) -> dict[str, Any]:
    """Return the bootstrap: admin, the front listener, the fault listener, and where the files lie."""
    return {
        "node": {"id": "dawsos", "cluster": "dawsos", "metadata": tries.MARK},
        "admin": {"address": _admin(ports)},
        "stats_flush_interval": "0.5s",
        "stats_config": {
            "histogram_bucket_settings": [
                {"match": {"prefix": "cluster."}, "buckets": _BUCKETS},
                *tries.histograms(_BUCKETS),
            ]
        },
        "dynamic_resources": {"cds_config": _source(folder, "clusters.json")},
        "static_resources": {
            "listeners": [
                _listener(folder, HTTP_PREFIX, ports["listener"], ROUTES, "routes.json"),
                _listener(folder, FAULT_PREFIX, ports["faults"], FAULT_ROUTES, "faults.json"),
                _closing(ports["closing"]),
            ]
        },
    }


def _admin(ports: dict[str, int]) -> dict[str, Any]:
    """Return where the admin page is.  A port is kept for an Envoy that an older version started; others have a socket."""
    if "admin" in ports:
        return _address(ports["admin"])
    # Relative to the environment's folder, in which Envoy runs: the path of a socket has room for 107 bytes only.
    return {"pipe": {"path": str(ADMIN_SOCKET), "mode": 0o600}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _source(folder: Path, name: str) -> dict[str, Any]:
    watched = {"path": str(folder / "envoy"), "watched_directory": {"path": str(folder / "envoy")}}
    return {"resource_api_version": "V3", "path_config_source": {**watched, "path": str(folder / "envoy" / name)}}


def _listener(folder: Path, prefix: str, port: int, routes: str, name: str) -> dict[str, Any]:
    router: dict[str, Any] = {"@type": _TYPE + "envoy.extensions.filters.http.router.v3.Router"}
    if prefix == HTTP_PREFIX:
        router |= tries.router_log()
    filters = [{"name": "envoy.filters.http.router", "typed_config": router}]
    if prefix == FAULT_PREFIX:
        fault = {"@type": _TYPE + "envoy.extensions.filters.http.fault.v3.HTTPFault"}
        filters.insert(0, {"name": "envoy.filters.http.fault", "typed_config": fault})
    manager = {
        "@type": _TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": prefix,
        "rds": {"route_config_name": routes, "config_source": _source(folder, name)},
        "http_filters": filters,
        "generate_request_id": True,
        "access_log": tries.access_log() if prefix == HTTP_PREFIX else [],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {"name": prefix, "address": _address(port), "filter_chains": [chain]}


def _closing(port: int) -> dict[str, Any]:
    """Return a listener that closes each connection without a word."""
    silent = {"@type": _TYPE + "envoy.extensions.filters.network.direct_response.v3.Config"}
    chain = {"filters": [{"name": "envoy.filters.network.direct_response", "typed_config": silent}]}
    return {"name": "closing", "address": _address(port), "filter_chains": [chain]}


def clusters(
    deployments: dict[str, dict[str, Any]], roles: Roles, stead: Mapping[int, int] | None = None
) -> list[dict[str, Any]]:
    """Return one cluster per deployment, and the aggregate target of the canary.

    ``stead`` are ports with their weights that take requests in the canary's stead: the fault listener, which leads to
    ``origin-...``, and the one that closes connections.  So the fault is on the wire, and the canary's own statistics show it
    as a user would feel it.
    """
    made = []
    for name, deployment in sorted(deployments.items()):
        weights = dict.fromkeys(deployment["ports"], 1)
        if stead and name == roles.canary:
            made.append(_cluster(f"origin-{name}", weights))
            weights = dict(stead)
        made.append(_cluster(name, weights))
    if roles.canary and roles.stable:
        made.append(_aggregate(f"{tries.AGGREGATE}{roles.canary}", [roles.canary, roles.stable]))
    return made


def _cluster(name: str, weights: Mapping[int, int]) -> dict[str, Any]:
    endpoints = [
        {
            "endpoint": {"address": _address(port)},
            "load_balancing_weight": weight,
            "metadata": tries.endpoint_metadata(name),
        }
        for port, weight in weights.items()
    ]
    return {
        "@type": _TYPE + "envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "ROUND_ROBIN",
        "circuit_breakers": _MANY,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def _aggregate(name: str, members: list[str]) -> dict[str, Any]:
    config = {"@type": _TYPE + "envoy.extensions.clusters.aggregate.v3.ClusterConfig", "clusters": members}
    return {
        "@type": _TYPE + "envoy.config.cluster.v3.Cluster",
        "name": name,
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        # Those of the members do not count here: with Envoy's own limit, three retries at once, a canary that fails would reach users.
        "circuit_breakers": _MANY,
        "cluster_type": {"name": "envoy.clusters.aggregate", "typed_config": config},
    }


def routes(roles: Roles) -> dict[str, Any]:
    """Return the front routes: weights between canary and stable; retries that cannot repeat an unsafe request."""
    safe = {"prefix": "/", "headers": [{"name": ":method", "string_match": {"safe_regex": {"regex": _SAFE}}}]}
    target = _target(roles)
    if target is None:
        answer = {"status": 503, "body": {"inline_string": "no release serves this environment\n"}}
        listed: list[dict[str, Any]] = [{"match": {"prefix": "/"}, "direct_response": answer}]
    else:
        common = {**target, "timeout": "30s"}
        plain: list[dict[str, Any]] = [
            {
                "match": safe,
                "route": {**common, "retry_policy": _retries("connect-failure,reset-before-request,gateway-error")},
            },
            {
                "match": {"prefix": "/"},
                "route": {**common, "retry_policy": _retries("connect-failure,reset-before-request")},
            },
        ]
        listed = [*map(_telling, plain), *plain]
    ready = {"prefix": "/", "headers": [{"name": READY, "present_match": True}]}
    return _route_config(ROUTES, [{"match": ready, "direct_response": {"status": 200}}, *listed])


def ready_probe(ports: dict[str, int]) -> Probe:
    """Return how readiness is asked: a drained Envoy has an admin page that says "LIVE", and no listener."""
    if "admin" in ports:
        return Probe("http", ports["admin"], "/ready")
    ask = f"GET / HTTP/1.1\r\nhost: proxy\r\n{READY}: 1\r\nconnection: close\r\n\r\n"
    return Probe("tcp", ports["listener"], ask=ask.encode().hex(), answers=(b"HTTP/1.1 200".hex(),))


def _telling(route: dict[str, Any]) -> dict[str, Any]:
    """Return ``route`` for those who ask which deployment answers: only they get the header, and no replica sees the question.

    It tells the deployment that was tried last, also where Envoy itself made the answer.
    """
    asked = [*route["match"].get("headers", []), {"name": TELL, "present_match": True}]
    header = {"key": TOLD, "value": tries.DEPLOYMENT_OPERATOR}
    return {
        **route,
        "match": {**route["match"], "headers": asked},
        "request_headers_to_remove": [TELL],
        "response_headers_to_add": [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
    }


def _target(roles: Roles) -> dict[str, Any] | None:
    canary = f"{tries.AGGREGATE}{roles.canary}" if roles.canary and roles.stable else roles.canary
    if roles.canary and (roles.weight >= 100 or not roles.stable):
        # Without a stable release a weight of 0 means that the canary was withdrawn.
        return {"cluster": canary} if roles.weight else None
    if not roles.stable:
        return None
    if not roles.canary or not roles.weight:
        return {"cluster": roles.stable}
    weighted = [{"name": canary, "weight": roles.weight}, {"name": roles.stable, "weight": 100 - roles.weight}]
    return {"weighted_clusters": {"clusters": weighted}}


def _retries(on: str) -> dict[str, Any]:
    priorities = {
        "@type": _TYPE + "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        "update_frequency": 1,
    }
    hosts = {"@type": _TYPE + "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}
    return {
        "retry_on": on,
        "num_retries": 3,
        "retry_back_off": {"base_interval": "0.010s", "max_interval": "0.200s"},
        "retry_priority": {"name": "envoy.retry_priorities.previous_priorities", "typed_config": priorities},
        "retry_host_predicate": [{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": hosts}],
        "host_selection_retry_max_attempts": 3,
    }


def fault_routes(canary: str | None, fault: WireFault | None = None) -> dict[str, Any]:
    """Return the routes of the fault listener in front of the canary."""
    if canary is None or fault is None:
        return _route_config(FAULT_ROUTES, [{"match": {"prefix": "/"}, "direct_response": {"status": 503}}])
    return _route_config(FAULT_ROUTES, faulty_routes(fault, {"cluster": f"origin-{canary}", "timeout": "30s"}))


def _route_config(name: str, listed: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "@type": _TYPE + "envoy.config.route.v3.RouteConfiguration",
        "name": name,
        # A route to a cluster that is not there is refused instead of answered with 503.
        "validate_clusters": True,
        "virtual_hosts": [{"name": name, "domains": ["*"], "routes": listed}],
    }


def write_resources(folder: Path, name: str, resources: list[dict[str, Any]]) -> str:
    """Rename a discovery file into place and return its version, a digest of its content."""
    version = hashlib.sha256(json.dumps(resources, sort_keys=True).encode()).hexdigest()[:16]
    content = json.dumps({"version_info": version, "resources": resources})
    write_text(folder / "envoy" / name, content, durable=True, mode=0o600)
    return version


def write_routes(folder: Path, roles: Roles) -> str:
    """Write the front routes for ``roles`` and return their version."""
    return write_resources(folder, "routes.json", [routes(roles)])


def write_weight(folder: Path, weight: int, roles: Roles | None = None) -> str:
    """Write the canary's ``weight`` into the roles and the routes and return the routes' version; the caller has the lock.

    ``roles`` are used instead of those in the folder, for a caller who knows what the folder no longer tells.
    """
    roles = replace(roles or read_roles(folder), weight=weight)
    write_roles(folder, roles)
    return write_routes(folder, roles)


def write_clusters(folder: Path, roles: Roles, stead: Mapping[int, int], also: Roles | None = None) -> str:
    """Write the clusters that ``roles`` (and, during a change, ``also``) need and return their version."""
    desired = read_desired(folder)
    made = {cluster["name"]: cluster for cluster in clusters(desired.deployments, also, stead)} if also else {}
    made |= {cluster["name"]: cluster for cluster in clusters(desired.deployments, roles, stead)}
    known = set(desired.deployments)
    kept = [
        c
        for c in made.values()
        if not c["name"].startswith(tries.AGGREGATE) or c["name"].removeprefix(tries.AGGREGATE) in known
    ]
    return write_resources(folder, "clusters.json", kept)
