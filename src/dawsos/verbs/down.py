"""``dawsos down``: stop every process of every environment of this machine, or one environment wherever it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from dawsos.errors import BadInput
from dawsos.model.environment import EnvironmentSettings
from dawsos.platforms.remembered import kept_on, kept_settings
from dawsos.runs.lifecycle import deploying
from dawsos.runs.project import PIPELINE_FILE, Project, Tools, load, open_tools


@dataclass(frozen=True)
class Ended:
    """``stopped`` are the environments that were taken down, ``left`` those on a cluster that were not named."""

    stopped: tuple[str, ...]
    left: tuple[str, ...] = ()


def down(project: Project, *, purge: bool, name: str = "") -> Ended:
    """Stop every process of every environment of this machine, or of the environment ``name`` wherever it is.

    A cluster is left alone unless its environment is named: others use it too.  Raises OwnedElsewhere while a ship, a drill or a
    rollback is under way, which would start again what is stopped here, and BadInput for a name that is not known.
    """
    return asyncio.run(_down(project, purge=purge, name=name))


async def _down(project: Project, *, purge: bool, name: str) -> Ended:
    tools = open_tools(project)
    stopped: dict[str, None] = {}
    left: list[str] = []
    with deploying(project):
        for path in project.environments():
            if name and path.name != name:
                continue
            for platform in kept_on(path):
                if platform != "local" and not name:
                    left.append(path.name)
                    continue
                await _platform(tools, path.name, platform, purge=purge)
                stopped[path.name] = None
        if name and name not in stopped:
            await _named(tools, name, purge=purge)
            stopped[name] = None
    return Ended(tuple(stopped), tuple(left))


async def _platform(tools: Tools, name: str, platform: str, *, purge: bool) -> None:
    kept = kept_settings(tools.project.environment(name)) if platform != "local" else None
    settings = EnvironmentSettings() if kept is None else EnvironmentSettings.model_validate(kept)
    await tools.platform(name, settings).down(purge=purge)


async def _named(tools: Tools, name: str, *, purge: bool) -> None:
    """Take down an environment on a cluster that was never opened on this machine."""
    pipeline = load(tools.project.root, accept_old=True)
    settings = pipeline.environments.get(name)
    if settings is None or settings.platform == "local":
        known = ", ".join(sorted({*pipeline.environments, *(path.name for path in tools.project.environments())}))
        raise BadInput(
            f"there is nothing of an environment {name!r} here",
            fix=f"dawsos status shows what there is; {PIPELINE_FILE} has: {known}",
        )
    await tools.platform(name, settings).down(purge=purge)
