"""Values of charts/dawsos for a service that has neither database nor workers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.cluster import Gateway


def tiny_values(gateway: Gateway, listener: str = "", host: str = "", tool: str = "") -> dict[str, Any]:
    """Return the values; the route gets ``listener``'s own address, or ``host`` at the gateway's.

    With ``tool``, the tool's image as the nodes have it (NAME:TAG), a guardian looks after rollouts.
    """
    route: dict[str, Any] = {"gateway": {"name": gateway.name, "namespace": gateway.namespace}}
    if listener:
        route["gateway"]["sectionName"] = listener
    if host:
        route["hostnames"] = [host]
    repository, _, tag = tool.rpartition(":")
    small = {"requests": {"cpu": "10m", "memory": "24Mi"}, "limits": {"memory": "128Mi"}}
    return {
        "fullnameOverride": "tiny",
        "backend": {"health": "/health", "ready": "/ready", "resources": small},
        "route": route,
        "ledger": {"kind": "none"},
        **({"guardian": {"enabled": True, "image": {"repository": repository, "tag": tag}}} if tool else {}),
        "drainSeconds": 2,
        "graceSeconds": 3,
        **{part: {"enabled": False} for part in ("worker", "migrations", "seed", "nightly", "networkPolicy")},
    }


def values(folder: Path, image: str, gateway: Gateway, listener: str) -> Path:
    """Write values for a plain ``helm upgrade`` of ``image`` (repository@sha256:...) into ``folder`` and return the file."""
    repository, _, digest = image.partition("@")
    found = {**tiny_values(gateway, listener), "image": {"repository": repository, "digest": digest}, "secret": ""}
    file = folder / "values.yaml"
    file.write_text(json.dumps(found))
    return file
