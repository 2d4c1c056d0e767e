"""The Secret with the variables of an environment: made once by the tool, or the user's own, which is only checked.

No value of it is in an argument, a manifest or a log: objects name the Secret, and the redactor knows what is in it.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Iterable, Mapping

from dawsos.adapters.kubernetes import ApiError, Cluster, Object
from dawsos.errors import BadInput
from dawsos.platforms.contract import EnvironmentSpec
from dawsos.platforms.kubernetes.names import INSTANCE, MANAGED_BY, Paths
from dawsos.platforms.kubernetes.target import Target

OURS = "dawsos"
# What the chart's own PostgreSQL and Redis take from the Secret.
EMBEDDED: dict[str, tuple[str, ...]] = {
    "postgres": ("POSTGRES_PASSWORD", "POSTGRES_OWNER_PASSWORD", "POSTGRES_APP_PASSWORD"),
    "redis": ("REDIS_PASSWORD", "REDIS_CONF"),
}


def wanted(spec: EnvironmentSpec) -> tuple[str, ...]:
    """Return the names of the variables that the Secret has to hold."""
    embedded = (name for service in spec.settings.services for name in EMBEDDED[service])
    return tuple(dict.fromkeys((*spec.service.secrets, *spec.settings.pass_env, *embedded)))


def completed(spec: EnvironmentSpec, kept: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for the Secret: what is kept stays, what is given replaces, what is missing is made."""
    made = dict(kept)
    for name in wanted(spec):
        if name in spec.given:
            made[name] = spec.given[name]
        elif name not in made and name != "REDIS_CONF":
            # In hexadecimal: some become a part of a URL.
            made[name] = secrets.token_hex(24)
    if "REDIS_PASSWORD" in made and "redis" in spec.settings.services:
        made["REDIS_CONF"] = f"requirepass {made['REDIS_PASSWORD']}\n"
    return made


def decoded(secret: Object) -> dict[str, str]:
    """Return the variables that a Secret holds; one that is no text is left out."""
    found = {}
    for name, value in (secret.get("data") or {}).items():
        try:
            found[str(name)] = base64.b64decode(value).decode()
        except (binascii.Error, UnicodeDecodeError, TypeError):
            continue
    return found


def manifest(target: Target, values: Mapping[str, str]) -> Object:
    """Return the Secret that the tool keeps."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": target.secret,
            "namespace": target.namespace,
            "labels": {INSTANCE: target.release, MANAGED_BY: OURS},
        },
        "type": "Opaque",
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in values.items()},
    }


async def ensure(cluster: Cluster, target: Target, spec: EnvironmentSpec) -> dict[str, str]:
    """Bring the Secret up to date, or check the user's own, and return what it holds.

    Raises BadInput for a Secret of the user that is missing or lacks a variable, or that others made under the tool's name.
    """
    path = Paths(target.namespace).of("secrets", target.secret)
    found = await cluster.find(path)
    if target.own_secret:
        return _checked(found, target, wanted(spec))
    if found is not None and (found["metadata"].get("labels") or {}).get(MANAGED_BY) != OURS:
        raise BadInput(
            f"the Secret {target.secret} in {target.namespace} is not dawsos's: it has no label {MANAGED_BY}={OURS}",
            fix=f"name it in pipeline.yaml (`secret: {target.secret}`) and dawsos only checks it, or label it for dawsos to complete",
        )
    kept = decoded(found) if found is not None else {}
    values = completed(spec, kept)
    if found is None:
        try:
            await cluster.create(Paths(target.namespace).of("secrets"), manifest(target, values))
        except ApiError as error:
            if error.status != 409:
                raise
            # Another process made it at this moment: its values count.
            return await ensure(cluster, target, spec)
    elif values != kept:
        version = {"resourceVersion": found["metadata"]["resourceVersion"]}
        body = manifest(target, values)
        await cluster.replace(path, {**body, "metadata": {**body["metadata"], **version}})
    return values


def _checked(found: Object | None, target: Target, names: Iterable[str]) -> dict[str, str]:
    how = f"kubectl -n {target.namespace} create secret generic {target.secret} --from-env-file=FILE"
    if found is None:
        raise BadInput(f"there is no Secret {target.secret} in {target.namespace}", fix=how)
    values = decoded(found)
    missing = [name for name in names if name not in values]
    if missing:
        raise BadInput(
            f"the Secret {target.secret} in {target.namespace} lacks {', '.join(missing)}",
            fix="add them to it, or leave `secret` out of pipeline.yaml and dawsos makes one",
        )
    return values
