"""``dawsos results``: the results of a commit as one file, saved by one job and loaded by the next."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from dawsos.adapters import git
from dawsos.adapters.cache import Doubts
from dawsos.runs import evidence
from dawsos.runs import results as files
from dawsos.runs.certification import earlier_keys
from dawsos.runs.project import Project, Tools, open_tools
from dawsos.runs.project import load as load_pipeline
from dawsos.runs.results import Loaded, Saved


def save(project: Project, target: Path) -> Saved:
    """Write what the runs of HEAD kept or restored to ``target``; raises BadInput, InfrastructureError."""
    tools, commit = open_tools(project), git.commit(project.root)
    return files.save(tools, _doubts(tools, project.cache), commit.sha, target)


def load(project: Project, sources: Iterable[Path]) -> list[Loaded]:
    """Take in the files ``sources``, one after the other; raises BadInput for the first that is not as it should be."""
    tools = open_tools(project)
    return [files.load(tools, source, lambda folder: _doubts(tools, project.cache, folder)) for source in sources]


def _doubts(tools: Tools, *caches: Path) -> Doubts:
    """Return what to doubt of the kept results below ``caches``, with the certificates that lie beside them."""
    root = tools.project.root
    signing = load_pipeline(root).signing

    async def keys() -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for cache in caches:
            found |= await earlier_keys(tools, signing, root, cache)
        return found

    return evidence.doubts(tools, asyncio.run(keys()))
