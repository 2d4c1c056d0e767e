"""``dawsos results``: the results of a commit as one file, saved by one job and loaded by the next."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from dawsos.adapters import git
from dawsos.runs import evidence
from dawsos.runs import results as files
from dawsos.runs.certification import earlier_keys
from dawsos.runs.project import Project, Tools, open_tools
from dawsos.runs.project import load as load_pipeline
from dawsos.runs.results import Loaded, Saved


def save(project: Project, target: Path) -> Saved:
    """Write what the runs of HEAD kept or restored to ``target``; raises BadInput, InfrastructureError."""
    tools, commit = open_tools(project), git.commit(project.root)
    return files.save(tools, evidence.doubts(tools, _certified(tools, project.home)), commit.sha, target)


def load(project: Project, sources: Iterable[Path]) -> list[Loaded]:
    """Take in the files ``sources``, one after the other; raises BadInput for the first that is not as it should be."""
    tools = open_tools(project)
    return [files.load(tools, source, lambda folder: _certified(tools, project.home, folder)) for source in sources]


def _certified(tools: Tools, *homes: Path) -> dict[str, bytes]:
    """Return run -> the key that a certificate below ``homes`` proves for it, as far as it is not known anyway."""
    root = tools.project.root
    signing = load_pipeline(root).signing

    async def keys() -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for home in homes:
            found |= await earlier_keys(tools, signing, root, home)
        return found

    return asyncio.run(keys())
