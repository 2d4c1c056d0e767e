"""``dawsos ship``: take HEAD through every stage to 100 % of production, or through some of them in one job of several."""

from __future__ import annotations

import os
from dataclasses import replace

from dawsos.adapters import git, git_checkout
from dawsos.planning.selection import ends_before_users, select
from dawsos.runs.certification import must_have_identity
from dawsos.runs.lifecycle import RunOutcome, deploying
from dawsos.runs.project import Project, load
from dawsos.verbs.execution import MakeReporters, Options, begin, must_be_ready


def ship(project: Project, options: Options, make_reporters: MakeReporters) -> RunOutcome:
    """Take HEAD through every stage, or through those of ``options.stages`` and all that they need.

    Raises BadInput before anything runs, OwnedElsewhere while another deployment goes on.
    """
    commit = git.commit(project.root)
    # The lock comes first: another ship of this commit uses the same checkout.
    with deploying(project):
        root = git_checkout.checkout(project.root, commit.sha, project.checkout(commit.sha))
        pipeline = load(root)
        chosen = select(pipeline, options.stages, "ship")
        ids = {stage.id for stage in chosen}
        left_out = tuple(stage.id for stage in pipeline.stages if stage.id not in ids)
        options = replace(options, left_out=left_out, before_users=ends_before_users(pipeline, chosen))
        must_be_ready(pipeline, chosen, options, root, where=f" in commit {commit.sha[:8]}")
        must_have_identity(pipeline.signing, os.environ)
        return begin("ship", project, (pipeline, chosen), (commit, root), options, make_reporters)
