"""What serves an environment now: its address, its release, and the commands that run beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dawsos.actions.environments import open_environment, serving_release
from dawsos.actions.rollout_flagger import options_of, url_of
from dawsos.adapters.kubernetes import Cluster, Object, connected
from dawsos.errors import InfrastructureError
from dawsos.exporters.flagger import namespace_of
from dawsos.model.pipeline import Pipeline
from dawsos.model.release import Release
from dawsos.platforms.commands import ServiceCommands
from dawsos.platforms.kubernetes.connection import Connection
from dawsos.platforms.kubernetes.flagger_target import FlaggerTarget
from dawsos.platforms.kubernetes.release_commands import ClusterCommands
from dawsos.platforms.kubernetes.target import Target
from dawsos.runs.project import Tools


@dataclass(frozen=True)
class Stable:
    """``variables`` are those of the environment, with its ports as this machine reaches them."""

    url: str
    release: Release
    commands: ServiceCommands
    variables: Mapping[str, str]


async def stable_of(tools: Tools, pipeline: Pipeline, named: tuple[str, str]) -> Stable:
    """Return what serves the environment of ``named`` = (environment, profile), which is started first when it is down.

    Raises InfrastructureError when no release of this tool serves there.
    """
    name, profile = named
    if pipeline.environment(name, profile).driver == "flagger":
        return await _of_flagger(tools, pipeline, named)
    platform = await open_environment(tools, pipeline, name, profile)
    status = await platform.status()
    stable = status.roles.stable
    if stable is None:
        raise InfrastructureError(f"no release serves {name}", fix="dawsos ship")
    release = await serving_release(tools, pipeline.environment(name, profile), status.release_of(stable))
    commands = ServiceCommands(pipeline.service, name, platform.commands(stable, release), tools.masker)
    return Stable(status.url, release, commands, await platform.variables(stable))


async def _of_flagger(tools: Tools, pipeline: Pipeline, named: tuple[str, str]) -> Stable:
    """Return what Flagger's primary is: Flagger copies the template of what it promoted, with the names of the release in it."""
    name, profile = named
    settings, options = pipeline.environment(name, profile), options_of(pipeline, profile)
    namespace, primary = namespace_of(pipeline, options), f"{options.deployment or pipeline.name}-primary"
    async with connected(str(settings.context)) as cluster:
        found = await FlaggerTarget(cluster, namespace, primary).state()
    if found is None or not found.release:
        raise InfrastructureError(
            f"no release of this tool serves {name}: "
            + ("its Deployment names none" if found else f"no Deployment {primary}"),
            fix="dawsos ship",
        )
    release = await serving_release(tools, settings, found.release)
    where = Target(str(settings.context), namespace, f"{primary}-dawsos", Path())
    template = partial(_template, namespace, primary)
    inside = ClusterCommands(Connection(where.context), where, template, {}, tools.clock, tools.masker)
    return Stable(url_of(settings, options), release, ServiceCommands(pipeline.service, name, inside, tools.masker), {})


async def _template(namespace: str, primary: str, cluster: Cluster) -> Object:
    return await FlaggerTarget(cluster, namespace, primary).template()
