"""``dawsos results``: the results of a commit as one file, saved by one job and loaded by the next."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dawsos.adapters import git
from dawsos.adapters.cache import StageCache
from dawsos.runs import evidence
from dawsos.runs import results as files
from dawsos.runs.project import Project, open_tools
from dawsos.runs.results import Loaded, Saved


def save(project: Project, target: Path) -> Saved:
    """Write what the runs of HEAD kept or restored to ``target``; raises BadInput, InfrastructureError."""
    tools, commit = open_tools(project), git.commit(project.root)
    return files.save(tools, StageCache(project.cache, evidence.doubts(tools)), commit.sha, target)


def load(project: Project, sources: Iterable[Path]) -> list[Loaded]:
    """Take in the files ``sources``, one after the other; raises BadInput for the first that is not as it should be."""
    tools = open_tools(project)
    cache = StageCache(project.cache, evidence.doubts(tools))
    return [files.load(tools, cache, source) for source in sources]
