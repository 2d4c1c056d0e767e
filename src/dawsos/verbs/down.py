"""``dawsos down``: stop every process of every environment."""

from __future__ import annotations

import asyncio

from dawsos.model.environment import EnvironmentSettings
from dawsos.runs.lifecycle import deploying
from dawsos.runs.project import Project, open_tools


def down(project: Project, *, purge: bool) -> tuple[str, ...]:
    """Stop every process of every environment; return the names of the environments that were there.

    Raises OwnedElsewhere while a ship, a drill or a rollback is under way: it would start again what is stopped here.
    """
    return asyncio.run(_down(project, purge=purge))


async def _down(project: Project, *, purge: bool) -> tuple[str, ...]:
    tools, names = open_tools(project), []
    with deploying(project):
        for path in project.environments():
            await tools.platform(path.name, EnvironmentSettings()).down(purge=purge)
            names.append(path.name)
    return tuple(names)
