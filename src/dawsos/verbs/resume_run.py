"""Resumes a ``ship`` or a ``run`` from its first unfinished stage."""

from __future__ import annotations

import os
from pathlib import Path

from dawsos.actions import passed
from dawsos.adapters import git, git_checkout
from dawsos.errors import BadInput
from dawsos.model.run import Run
from dawsos.model.status import StageState
from dawsos.planning.selection import must_know_profile
from dawsos.runs.context import RunContext
from dawsos.runs.lifecycle import RunOutcome, deploying, take_over
from dawsos.runs.project import Tools, load
from dawsos.verbs.execution import MakeReporters, Options, execute, looking_at_environments
from dawsos.verbs.handing_over import PATIENCE, must_be_possible


def resume_run(tools: Tools, run: Run, make_reporters: MakeReporters, *, here: bool = True) -> RunOutcome:
    """Resume ``run``.  Raises OwnedElsewhere while its owner lives, BadInput when its pipeline lost a stage.

    ``here``: conduct its rollout in this process, also when a job was to do that.
    """
    project = tools.project
    if run.command != "ship":
        return _go_on(tools, run, project.root, make_reporters, here)
    # The lock comes first: while another deployment is under way this run stays as it is, and can be resumed later.
    with deploying(project):
        # A later stage may need the untracked files that an earlier one made.
        folder = project.checkout(run.commit)
        root = git_checkout.checkout(project.root, run.commit, folder, keep_untracked=True)
        return _go_on(tools, run, root, make_reporters, here)


def _go_on(tools: Tools, run: Run, root: Path, make_reporters: MakeReporters, here: bool) -> RunOutcome:
    pipeline = load(root, accept_old=True)
    options = Options.read(run.options)
    commit = git.commit(tools.project.root, run.commit)
    lost = run.stages.keys() - {stage.id for stage in pipeline.stages}
    if lost:
        raise BadInput(
            f"unknown stage {min(lost)!r}: run {run.id} began with it, and pipeline.yaml no longer has it",
            fix="put it back, or begin anew with dawsos run",
        )
    chosen = [pipeline.stage(stage) for stage in run.stages]
    must_know_profile(pipeline, run.profile)
    # As when it began: only what a stage that is still to come was asked for needs its variables here.
    ended = {stage.id for stage in run.stages.values() if stage.done or stage.state is StageState.WAITING}
    ahead = [one for one in chosen if one.id not in ended and (not options.stages or one.id in options.stages)]
    passed.take(tools.project, pipeline, ahead, run.profile, os.environ, fresh=False)
    hands_over = options.in_cluster and not here
    if hands_over and ahead:
        must_be_possible(tools, pipeline, ahead, run.profile, root)
    reporters = make_reporters(pipeline, pipeline.stages)
    if run.command == "ship":
        with take_over(tools, run.id, reporters, os.getpid()) as session:
            context = RunContext(tools, pipeline, commit, root, session, hands_over)
            return execute(context, options, chosen, patience=PATIENCE if options.in_cluster and here else 0.0)
    with looking_at_environments(tools.project, chosen), take_over(tools, run.id, reporters, os.getpid()) as session:
        return execute(RunContext(tools, pipeline, commit, root, session), options, chosen)
