"""Environments as a pipeline sees them: a release with its services, variables and jobs, running behind the proxy."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dawsos.adapters.process import GuardedRunner
from dawsos.adapters.release import Release
from dawsos.adapters.services import SERVICES
from dawsos.app.project import Tools
from dawsos.errors import InfrastructureError
from dawsos.model.pipeline import Pipeline
from dawsos.model.process import Command, CommandOutcome
from dawsos.platforms.local.platform import Deployment, LocalPlatform

_JOB_BUDGET = 300.0


@dataclass(frozen=True)
class Environment:
    """One prepared environment: its platform and the variables that its users need."""

    name: str
    platform: LocalPlatform
    variables: Mapping[str, str]
    url: str


async def prepare(tools: Tools, pipeline: Pipeline, name: str) -> Environment:
    """Start the environment's services and proxy (kept when they run) and return it; raises InfrastructureError."""
    platform = LocalPlatform(tools.project.environment(name), name)
    await platform.ensure_supervisor()
    variables = await platform.start_services([SERVICES[service] for service in pipeline.service.services])
    variables = {**variables, **platform.secrets(pipeline.service.secrets), **pipeline.service.env}
    mask(tools, variables, pipeline)
    url = await platform.ensure_proxy()
    return Environment(name, platform, variables, url)


def mask(tools: Tools, variables: Mapping[str, str], pipeline: Pipeline) -> None:
    """Teach the masker the environment's secrets: the declared ones and the passwords within addresses."""
    secrets = [variables[name] for name in pipeline.service.secrets if name in variables]
    for value in variables.values():
        password = urlsplit(value).password if "://" in value else None
        secrets += [password] if password else []
    tools.masker.add(secrets)


def base_environment(home: Path) -> dict[str, str]:
    """Return the environment that every process of a release gets: nothing of the caller's leaks in."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def release_environment(environment: Environment, release: Release, deployment: str) -> dict[str, str]:
    """Return the variables of one deployment of ``release``."""
    return {
        **base_environment(environment.platform.folder),
        **environment.variables,
        "PYTHONPATH": str(release.site),
        "GIT_SHA": release.commit,
        "DEPLOYMENT_ID": deployment,
    }


def release_argv(command: str, release: Release) -> tuple[str, ...]:
    """Return ``command`` as argv; ``python`` and ``{python}`` are the release's interpreter."""
    words = shlex.split(command)
    return tuple(release.interpreter if word in ("python", "{python}") else word for word in words)


async def run_job(
    tools: Tools,
    environment: Environment,
    release: Release,
    command: str,
    *,
    deployment: str,
    log: Path,
    extra: Mapping[str, str] | None = None,
) -> CommandOutcome:
    """Run a command of the release in its environment and return what came of it."""
    env = {**release_environment(environment, release, deployment), **(extra or {})}
    runner = GuardedRunner(tools.clock, tools.masker)
    return await runner.run(
        Command(release_argv(command, release), str(environment.platform.folder), env, str(log), _JOB_BUDGET)
    )


async def must_run(
    tools: Tools,
    environment: Environment,
    release: Release,
    command: str,
    *,
    deployment: str,
    log: Path,
    extra: Mapping[str, str] | None = None,
) -> str:
    """Run a command of the release and return the last line it printed; raises InfrastructureError with the log's end."""
    before = log.stat().st_size if log.exists() else 0
    outcome = await run_job(tools, environment, release, command, deployment=deployment, log=log, extra=extra)
    lines = log.read_text(errors="replace")[before:].strip().splitlines() if log.exists() else []
    if outcome.classification != "ok":
        tail = "\n    ".join(lines[-8:])
        raise InfrastructureError(
            f"`{command}` failed in {environment.name} ({outcome.message}):\n    {tail}", fix=f"read {log}"
        )
    return lines[-1] if lines else ""


async def seed(
    tools: Tools, pipeline: Pipeline, environment: Environment, release: Release, *, deployment: str, log: Path
) -> dict[str, str]:
    """Migrate, seed, and return the seed's values as upper-case variables (``{"user_id": ..}`` becomes ``USER_ID``)."""
    service = pipeline.service
    if service.migrate:
        await must_run(tools, environment, release, service.migrate, deployment=deployment, log=log)
    if not service.seed:
        return {}
    return seed_variables(await must_run(tools, environment, release, service.seed, deployment=deployment, log=log))


def seed_variables(line: str) -> dict[str, str]:
    """Return the variables of the seed's JSON line; raises InfrastructureError when it is not an object."""
    try:
        values = json.loads(line)
        return {key.upper(): str(value) for key, value in values.items()}
    except (ValueError, AttributeError) as error:
        raise InfrastructureError(f"the seed command did not print a JSON object: {line[:120]!r}") from error


async def token(
    tools: Tools,
    pipeline: Pipeline,
    environment: Environment,
    release: Release,
    *,
    variables: Mapping[str, str],
    scratch: Path,
) -> str:
    """Return a bearer token made by the release's own command, an empty string when it has none.

    The token goes through a private file, because the runner masks and logs everything that a command prints.
    """
    command = pipeline.service.token
    if not command:
        return ""
    env = {**release_environment(environment, release, "token"), **variables}
    argv = release_argv(_substitute(command, variables), release)
    scratch.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(scratch, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    os.close(descriptor)
    runner = GuardedRunner(tools.clock, tools.masker)
    shell = f"{shlex.join(argv)} > {shlex.quote(str(scratch))}"
    outcome = await runner.run(
        Command(
            ("/bin/sh", "-euc", shell), str(environment.platform.folder), env, str(scratch.with_suffix(".log")), 60.0
        )
    )
    text = scratch.read_text().strip()
    scratch.unlink()
    if outcome.classification != "ok" or not text:
        raise InfrastructureError(
            f"`{command}` made no token ({outcome.message})", fix=f"read {scratch.with_suffix('.log')}"
        )
    value = text.splitlines()[-1]
    tools.masker.add([value])
    return value


def _substitute(text: str, variables: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: variables.get(match[1].upper(), match[0]), text)


def substitute_path(path: str, variables: Mapping[str, str]) -> str:
    """Return ``path`` with ``{portfolio_id}`` and the like replaced by the seed's values."""
    return _substitute(path, variables)


def deployment_of(pipeline: Pipeline, environment: Environment, release: Release, deployment: str) -> Deployment:
    """Return what the platform needs to run ``release`` as ``deployment``."""
    service = pipeline.service
    return Deployment(
        id=deployment,
        release=release.digest,
        argv=release_argv(service.command, release),
        cwd=str(environment.platform.folder),
        env=release_environment(environment, release, deployment),
        replicas=service.replicas,
        ready_path=service.ready,
        ready_within=service.ready_within,
        stop_grace=service.stop_grace,
    )
