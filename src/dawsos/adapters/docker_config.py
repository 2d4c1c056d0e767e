"""The credentials of registries as the user's own tools keep them: ``docker login``, credential helpers, ``buildah login``.

They are read when they are needed and are given to nobody but the registry: a helper gets the registry's name on its standard input
and answers on its standard output, so that nothing secret is in an argument, a variable, a log or a file.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dawsos.adapters.files import read_json
from dawsos.errors import InfrastructureError

# Under these names the tools keep what is for Docker Hub.
_HUB = ("https://index.docker.io/v1/", "index.docker.io", "docker.io")
# Helpers that ask a keyring of the desktop wait for a person.
_PATIENCE = 60.0
# What a helper answers when it has nothing for a registry.
_NOTHING = "credentials not found"


@dataclass(frozen=True)
class Credentials:
    """A name with its password, or a token that is exchanged for shorter-lived ones; neither is shown by ``repr``."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of a header ``Authorization`` with name and password."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        encoded = self.basic.removeprefix("Basic ") if self.password else ""
        return tuple(filter(None, (self.password, self.token, encoded)))


async def credentials(host: str, repository: str, environment: Mapping[str, str], home: Path) -> Credentials | None:
    """Return what the user's tools keep for ``repository`` on the registry ``host``, None when they keep nothing.

    ``home`` is the user's home.  Raises InfrastructureError when a credential helper that is named there does not work.
    """
    for path in _files(environment, home):
        config = read_json(path)
        if config is None:
            continue
        for key in _keys(host, repository):
            helper = _helper(config, key)
            if helper:
                found = await _asked(helper, key, environment, path)
                if found is not None:
                    return found
            found = _kept(config, key)
            if found is not None:
                return found
    return None


def _files(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Yield the files in which Docker, and podman and buildah, keep credentials."""
    folder = environment.get("DOCKER_CONFIG")
    yield (Path(folder) if folder else home / ".docker") / "config.json"
    if environment.get("REGISTRY_AUTH_FILE"):
        yield Path(environment["REGISTRY_AUTH_FILE"])
    if environment.get("XDG_RUNTIME_DIR"):
        yield Path(environment["XDG_RUNTIME_DIR"]) / "containers" / "auth.json"


def _keys(host: str, repository: str) -> list[str]:
    """Return the names under which credentials may be kept, the most special first."""
    parts = repository.split("/")
    spaces = [f"{host}/{'/'.join(parts[:count])}" for count in range(len(parts), 0, -1)]
    return [*spaces, *(_HUB if host == "docker.io" else (host, f"https://{host}"))]


def _helper(config: Mapping[str, Any], key: str) -> str:
    """Return the name of the helper for ``key``, an empty text when there is none."""
    helpers = config.get("credHelpers")
    named = helpers.get(key) if isinstance(helpers, dict) else None
    # Helpers know registries, not the places in them.
    whole = config.get("credsStore") if "/" not in key or "://" in key else None
    return str(named or whole or "")


def _kept(config: Mapping[str, Any], key: str) -> Credentials | None:
    """Return what the file itself keeps for ``key``, None when that is nothing."""
    kept = config.get("auths")
    entry = kept.get(key) if isinstance(kept, dict) else None
    if not isinstance(entry, dict):
        return None
    token = str(entry.get("identitytoken") or "")
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    with suppress(binascii.Error, UnicodeDecodeError, ValueError):
        decoded = base64.b64decode(str(entry.get("auth") or ""), validate=True).decode()
        if ":" in decoded:
            user, _, password = decoded.partition(":")
    return Credentials(user, password.rstrip("\0"), token) if token or password else None


async def _asked(helper: str, key: str, environment: Mapping[str, str], path: Path) -> Credentials | None:
    """Return the answer of the helper, None when it knows nothing of ``key``; raises InfrastructureError."""
    program, fix = f"docker-credential-{helper}", f"log in again, or correct {path}"
    if "/" in helper:
        raise InfrastructureError(
            f"{path} names the credential helper {helper!r}, which is a path", fix=f"correct {path}"
        )
    try:
        child = await asyncio.create_subprocess_exec(
            program, "get", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, env=dict(environment),
        )  # fmt: skip
    except OSError as error:
        raise InfrastructureError(f"{path} names {program}, which cannot be run: {error.strerror}", fix=fix) from error
    try:
        said, _ = await asyncio.wait_for(child.communicate(key.encode()), _PATIENCE)
    except TimeoutError as error:
        raise InfrastructureError(f"{program} does not answer within {_PATIENCE:.0f} s", fix=fix) from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        if _NOTHING in said.decode(errors="replace"):
            return None
        # What it said is not shown: nobody knows what is in it.
        raise InfrastructureError(f"{program} has no credentials for {key} (exit code {child.returncode})", fix=fix)
    try:
        told = json.loads(said)
        user, secret = str(told["Username"]), str(told["Secret"])
    except (ValueError, LookupError, TypeError) as error:
        raise InfrastructureError(f"{program} did not answer with credentials for {key}", fix=fix) from error
    return Credentials(token=secret) if user == "<token>" else Credentials(user, secret)
