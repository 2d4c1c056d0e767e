"""``dawsos plan``: what would run, what would be restored, and why; the plan that ``ship`` or ``run`` would execute."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dawsos.adapters import git, git_checkout
from dawsos.adapters.cache import StageCache
from dawsos.adapters.git_inputs import commit_inputs, worktree_inputs
from dawsos.adapters.scratch import owned_folder
from dawsos.config.remarks import remarks
from dawsos.model.plan import Plan
from dawsos.planning.plan import PlanOptions
from dawsos.planning.selection import must_know_profile, select
from dawsos.runs import evidence
from dawsos.runs.certification import earlier_keys
from dawsos.runs.planner import Planner, Source
from dawsos.runs.project import Project, load, open_tools


def plan(project: Project, wanted: tuple[str, ...], profile: str = "", *, of_ship: bool = False) -> Plan:
    """Return the plan of `run STAGE...` on the working tree, or, ``of_ship`` or when no stage is named, of `ship`; raises BadInput.

    ``profile`` is the one of that run: it may change the settings of an environment, which decide what stages find there.

    A ship takes the commit, so its plan is about the commit as well, whatever lies in the working tree.
    """
    of_ship = of_ship or not wanted
    tools, commit = open_tools(project), git.commit(project.root)
    with _files(project, commit.sha, of_commit=of_ship) as (root, hashes):
        pipeline = load(root)
        must_know_profile(pipeline, profile)
        chosen = select(pipeline, wanted, "ship" if of_ship else "run")
        earlier = asyncio.run(earlier_keys(tools, pipeline.signing, root, project.home))
        cache = StageCache(project.cache, evidence.doubts(tools, earlier))
        planner = Planner(
            pipeline, Source(root, hashes, commit.sha, profile=profile), cache, project.releases, project.images
        )
        made = planner.plan(chosen, PlanOptions(named=wanted if of_ship else ()), tools.clock.now())
        return replace(made, remarks=remarks(pipeline, chosen)) if of_ship else made


@contextmanager
def _files(project: Project, sha: str, *, of_commit: bool) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """Give the folder with the files that the plan is about, and the hash of each."""
    if not of_commit or not git.dirty_files(project.root):
        yield project.root, worktree_inputs(project.root)
        return
    # Not the checkout of ships: a step of one that is under way may be at work there.
    with owned_folder(project.home / "checkouts", "plan-") as folder:
        root = git_checkout.checkout(project.root, sha, folder / "files")
        yield root, commit_inputs(root, sha)
