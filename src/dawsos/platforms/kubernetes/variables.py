"""The variables of an environment: as its pods have them, and as steps and the load on this machine get them.

Nothing here sends a request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from dawsos.adapters.kubernetes import Object, Objects


def rewritten(value: str, ways: Mapping[tuple[str, int], int]) -> str:
    """Return a URL whose host and port are behind a tunnel with the tunnel's address in their place; another value as it is."""
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        return value
    local = ways.get((host or "", port or 0))
    if local is None:
        return value
    user, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{local}"))


def expanded(value: str, known: Mapping[str, str]) -> str:
    """Return a variable's value as Kubernetes makes it: ``$(NAME)`` is another variable, ``$$`` a dollar."""
    return re.sub(r"\$\$|\$\((\w+)\)", lambda found: "$" if found[0] == "$$" else known.get(found[1], found[0]), value)


def stand_in_ports(services: Objects, names: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """Return variable -> (Service, port) for the ports of stand-ins; ``names`` maps a port's name to its variable."""
    found: dict[str, tuple[str, int]] = {}
    for service in services:
        for port in service["spec"].get("ports") or []:
            variable = names.get(str(port.get("name", "")))
            if variable is not None:
                found[variable] = (str(service["metadata"]["name"]), int(port["port"]))
    return found


def port_name(variable: str) -> str:
    """Return how the chart names the port of a variable: ``STANDIN_PORT`` is ``standin-port``."""
    return variable.lower().replace("_", "-")[:15]


def filled(env: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    """Return ``env`` with ``{NAME_PORT}`` replaced; a variable whose port is not known is left out, never half filled."""
    made = {}
    for name, value in env.items():
        text = re.sub(r"\{(\w+_PORT)\}", lambda found: str(ports.get(found[1], found[0])), value)
        if not re.search(r"\{\w+_PORT\}", text):
            made[name] = text
    return made


def variables_of(pod: Object, secret: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a pod's first container, as far as a template and a Secret tell them."""
    container = (pod["spec"].get("containers") or [{}])[0]
    known = dict(secret)
    for one in container.get("env") or []:
        name, given = str(one["name"]), one.get("valueFrom") or {}
        if "value" in one:
            known[name] = expanded(str(one["value"]), known)
        elif "secretKeyRef" in given:
            known[name] = secret.get(str(given["secretKeyRef"].get("key")), "")
    return known
