"""Environments as a pipeline sees them: a release with its services, variables and jobs, running behind the proxy."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dawsos.actions.passed import passed
from dawsos.adapters.redactor import secrets_in
from dawsos.adapters.services import SERVICES
from dawsos.adapters.toolchain import base_environment
from dawsos.errors import BadInput
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.events import Deployed, RunStarted
from dawsos.model.pipeline import Pipeline
from dawsos.platforms.local.platform import Deployment, LocalPlatform
from dawsos.platforms.local.stand_ins import StandInSource, stand_in_services
from dawsos.platforms.local.workers import Worker, filled, with_ports
from dawsos.releases.bundle import Release
from dawsos.runs.project import Tools


@dataclass(frozen=True)
class Environment:
    """One prepared environment: its settings, its platform and the variables that its users need."""

    name: str
    settings: EnvironmentSettings
    platform: LocalPlatform
    variables: Mapping[str, str]
    url: str


async def prepare(tools: Tools, pipeline: Pipeline, name: str, profile: str, root: Path | None = None) -> Environment:
    """Start the environment's services, stand-ins and proxy (kept when they run) and return it.

    ``profile`` is the one that the run has: it may change the environment's settings.  ``root`` is the checkout of a run that
    deploys: its stand-ins run from then on.  Without it those that run are left as they are.  Raises InfrastructureError, and
    BadInput for a variable of ``pass_env`` that nobody gave.
    """
    settings = pipeline.environment(name, profile)
    given = passed(tools.project, name, settings, os.environ)
    tools.masker.add(given.values())
    platform = LocalPlatform(tools.project.environment(name), name)
    await platform.ensure_supervisor()
    services = await platform.start_services([SERVICES[service] for service in settings.services])
    wanted = _stand_ins(tools, pipeline, settings, root)
    ports = await platform.start_services(await stand_in_services(wanted, platform.folder, tools.runner()))
    variables = {
        **services,
        **platform.secrets(pipeline.service.secrets),
        **platform.folders(pipeline.service.folders),
        **with_ports(settings.env, ports),
        **given,
    }
    mask(tools, variables, pipeline)
    url = await platform.ensure_proxy()
    return Environment(name, settings, platform, variables, url)


def _stand_ins(
    tools: Tools, pipeline: Pipeline, settings: EnvironmentSettings, root: Path | None
) -> list[StandInSource]:
    folder = root or tools.project.root
    return [
        StandInSource(
            name,
            one.command,
            folder / one.source,
            folder / pipeline.toolchains[one.toolchain].requirements,
            tools.project.toolchains,
            one.ports,
            one.ready,
            fresh=root is not None,
        )
        for name, one in ((name, pipeline.stand_ins[name]) for name in settings.stand_ins)
    ]


def deployed_profile(tools: Tools, pipeline: Pipeline, name: str) -> str:
    """Return the profile with which a release was last deployed to the environment: whoever acts on what runs there must
    give its processes the same settings.  Raises BadInput when pipeline.yaml has no such profile."""
    profiles: dict[str, str] = {}
    found = ""
    for event in tools.journal.of_kinds(("run_started", "deployed")):
        if isinstance(event.fact, RunStarted):
            profiles[event.run] = event.fact.profile
        elif isinstance(event.fact, Deployed) and event.fact.environment == name:
            found = profiles.get(event.run, "")
    if found and found != "production" and found not in pipeline.profiles:
        raise BadInput(
            f"{name} was deployed with the profile {found!r}, which pipeline.yaml does not have",
            fix=f"write profiles.{found} again, or ship with another profile",
        )
    return found


def mask(tools: Tools, variables: Mapping[str, str], pipeline: Pipeline) -> None:
    """Teach the masker the environment's secrets: the declared ones and those that can be told by their form."""
    declared = [variables[name] for name in pipeline.service.secrets if name in variables]
    tools.masker.add([*declared, *secrets_in(variables)])


def variables_of(environment: Environment, deployment: str | None) -> dict[str, str]:
    """Return what users of one deployment are told: the environment's variables, with its workers' ports in them."""
    ports = environment.platform.named_ports(deployment) if deployment else {}
    return filled(environment.variables, ports)


def release_environment(environment: Environment, release: Release, deployment: str) -> dict[str, str]:
    """Return the variables of one deployment of ``release``; the ports of its workers are still to be filled in."""
    return {
        **base_environment(environment.platform.folder),
        **environment.variables,
        "PYTHONPATH": str(release.site),
        "GIT_SHA": release.commit,
        "DEPLOYMENT_ID": deployment,
    }


def release_argv(command: str, release: Release) -> tuple[str, ...]:
    """Return ``command`` as argv; ``python`` and ``{python}`` are the release's interpreter.

    It runs without the machine's own packages: what a release forgot to lock must be missing here as it would be elsewhere,
    and a ``.pth`` file of the machine must not run code within the release (one was seen to rewrite its certificates).
    Nor does the folder that it is started in hold modules.
    """
    python = (release.interpreter, "-S", "-P")
    words = shlex.split(command)
    return tuple(part for word in words for part in (python if word in ("python", "{python}") else (word,)))


def deployment_of(pipeline: Pipeline, environment: Environment, release: Release, deployment: str) -> Deployment:
    """Return what the platform needs to run ``release`` as ``deployment``."""
    service = pipeline.service
    return Deployment(
        id=deployment,
        release=release.digest,
        argv=release_argv(service.command, release),
        cwd=str(environment.platform.folder),
        env=release_environment(environment, release, deployment),
        replicas=environment.settings.replicas,
        workers=tuple(
            Worker(w.name, release_argv(w.command, release), w.replicas, w.ports, w.ready, w.keep_on_standby)
            for w in service.workers
        ),
        ready_path=service.ready,
        ready_within=service.ready_within,
        stop_grace=service.stop_grace,
    )
