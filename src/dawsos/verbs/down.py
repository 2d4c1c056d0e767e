"""``dawsos down``: stop every process of every environment."""

from __future__ import annotations

import asyncio

from dawsos.platforms.local.platform import LocalPlatform
from dawsos.runs.lifecycle import deploying
from dawsos.runs.project import Project


def down(project: Project, *, purge: bool) -> tuple[str, ...]:
    """Stop every process of every environment; return the names of the environments that were there.

    Raises OwnedElsewhere while a ship, a drill or a rollback is under way: it would start again what is stopped here.
    """
    return asyncio.run(_down(project, purge=purge))


async def _down(project: Project, *, purge: bool) -> tuple[str, ...]:
    names = []
    folder = project.home / "environments"
    with deploying(project):
        for path in sorted(folder.iterdir()) if folder.exists() else []:
            if path.is_dir():
                await LocalPlatform(path, path.name).down(purge)
                names.append(path.name)
    return tuple(names)
