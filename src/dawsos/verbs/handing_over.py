"""The rollout of a ship in the hands of a job of its environment (``dawsos ship --in-cluster``): given, watched, taken back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from dawsos.adapters import git
from dawsos.adapters.commit_pack import packed
from dawsos.adapters.identity import identity
from dawsos.errors import BadInput, InfrastructureError, OwnedElsewhere
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.pipeline import Pipeline, Stage
from dawsos.model.run import Run
from dawsos.model.status import RunResult
from dawsos.platforms.contract import Handed, JobState, RolloutJobs
from dawsos.platforms.jobs import JOBS
from dawsos.platforms.journals import JOURNALS
from dawsos.provenance.keys import key_id_of
from dawsos.runs.context import RunContext
from dawsos.runs.elsewhere import take_kept
from dawsos.runs.keeping import keep_end
from dawsos.runs.lifecycle import RunOutcome
from dawsos.runs.project import Project, Tools, load, load_at, load_run, open_tools

T = TypeVar("T")
# So long a job tries to keep how its run ended: nobody else knows it.
PATIENCE = 120.0


def must_be_possible(tools: Tools, pipeline: Pipeline, chosen: Sequence[Stage], profile: str, root: Path) -> None:
    """Raise BadInput for what a job would lack: before the first gate, and not after all of them."""
    names = [stage.environment_name for stage in chosen if stage.uses == "rollout"]
    if not names:
        raise BadInput("--in-cluster: none of the chosen stages rolls out", fix="leave it out")
    if pipeline.signing.sigstore != "off" and identity(os.environ):
        raise BadInput(
            "--in-cluster: the key of this run is certified for this CI job, and the Job in the cluster signs with another one",
            fix="ship without --in-cluster, or set signing.sigstore: off",
        )
    for name in names:
        settings = pipeline.environment(name, profile)
        if settings.platform not in JOBS:
            raise BadInput(
                f"--in-cluster: {name} runs on the platform {settings.platform} with the profile {profile}, which has no jobs",
                fix="choose a profile in which it is on a cluster (docs/kubernetes.md)",
            )
        if settings.driver != "dawsos":
            raise BadInput(
                f"--in-cluster: {settings.driver} conducts the rollouts of {name}, in its cluster already",
                fix="leave --in-cluster out",
            )
        public = _with(tools, (name, settings), root, lambda jobs: jobs.check())
        if not tools.keyring().knows(key_id_of(public.encode())):
            raise BadInput(
                f"--in-cluster: the Job of {name} would sign with the key {key_id_of(public.encode())[:12]}, which is not believed "
                f"here:\n{public}",
                fix=f"if that is the key you made for it, write this text to {tools.project.keys}/{name}.pub, or name it in "
                "DAWSOS_TRUSTED_KEYS",
            )


def _with(
    tools: Tools, named: tuple[str, EnvironmentSettings], root: Path | None, work: Callable[[RolloutJobs], Awaitable[T]]
) -> T:
    """Do ``work`` with the jobs of an environment."""

    async def opened() -> T:
        jobs = JOBS[named[1].platform](tools.host(*named, root))
        try:
            return await work(jobs)
        finally:
            await jobs.close()

    return asyncio.run(opened())


def give(context: RunContext, ended: RunOutcome) -> RunOutcome:
    """Keep the run beside its environment and start the job that conducts its rollout; return the outcome with that job.

    Nothing is recorded any more here: from now on it is the job that writes the journal.  Raises InfrastructureError.
    """
    tools, run = context.tools, load_run(context.tools, ended.run)
    name, settings = _environment(context.pipeline, run)
    top = Path(git.top(tools.project.root))
    handed = Handed(
        run.id,
        run.commit,
        packed(top, run.commit),
        git.below_top(tools.project.root),
        b"".join(tools.public_keys().values()).decode(),
    )

    async def work(jobs: RolloutJobs) -> JobState:
        await keep_end(tools, settings, run.id)
        return await jobs.start(handed)

    try:
        job = _with(tools, (name, settings), context.root, work)
    except InfrastructureError as error:
        raise InfrastructureError(
            f"the rollout has begun, and no Job could be given it: {error.message}",
            fix=f"dawsos resume {run.id} tries again; with --here it conducts the rollout on this machine",
        ) from error
    return replace(ended, job=job)


def keep_what_ended(context: RunContext, *, patience: float) -> None:
    """Keep the end of a run whose rollout was on a platform that keeps journals; raises InfrastructureError."""
    run = load_run(context.tools, context.session.id)
    if run.rollout is None or run.result in (RunResult.UNFINISHED, RunResult.INTERRUPTED):
        return
    if not run.rollout.environment:
        # A version that knew one machine only began it.
        return
    _, settings = _environment(context.pipeline, run)
    if settings.platform in JOURNALS:
        asyncio.run(keep_end(context.tools, settings, run.id, patience))


def _environment(pipeline: Pipeline, run: Run) -> tuple[str, EnvironmentSettings]:
    """Return the name and the settings of the environment to which the run rolls out."""
    name = run.rollout.environment if run.rollout is not None else ""
    return name, pipeline.environment(name, run.profile)


def must_be_free(tools: Tools, run: Run, *, here: bool) -> None:
    """Raise OwnedElsewhere while another process conducts the rollout of ``run``; ``here``: this is the job that has it.

    Asked before anything is recorded: a run of which two machines write the journal could not be taken in any more.
    """
    if run.rollout is None or run.rollout.outcome or not run.rollout.environment:
        # Without an environment: a version that knew one machine only began it.
        return
    # A drill has the pipeline of the working tree.
    pipeline = (
        load_at(tools.project, run.commit) if run.command == "ship" else load(tools.project.root, accept_old=True)
    )
    name, settings = _environment(pipeline, run)
    if settings.platform not in JOURNALS:
        return
    if run.in_cluster and not here:
        job = _with(tools, (name, settings), None, lambda jobs: jobs.find(run.id))
        if job.state == "active":
            raise OwnedElsewhere(
                f"the Job {job.name} conducts the rollout of run {run.id}",
                fix=f"{job.follow} shows it; dawsos resume {run.id} takes in how it ends; dawsos rollback ends it",
            )

    async def ask() -> str:
        journal = JOURNALS[settings.platform](settings)
        try:
            return await journal.claim()
        finally:
            await journal.close()

    holder = asyncio.run(ask())
    if holder:
        raise OwnedElsewhere(
            f"{holder} conducts the rollout of {name}", fix=f"wait for it; dawsos resume {run.id} takes in how it ends"
        )


def follow(project: Project, run_id: str, say: Callable[[str], None]) -> RunOutcome:
    """Say what the job of a run says until it ends; return how the run ended.  Raises InfrastructureError when it has no end."""
    tools = open_tools(project)
    run = load_run(tools, run_id)
    named = _environment(load_at(project, run.commit), run)

    async def work(jobs: RolloutJobs) -> None:
        async for line in jobs.follow(run_id):
            say(tools.masker.clean(line))

    _with(tools, named, None, work)
    take_kept(tools, run_id)
    run = load_run(tools, run_id)
    if run.unfinished:
        raise InfrastructureError(
            f"the Job of run {run_id} ended, and the rollout has no end", fix=f"dawsos resume {run_id}"
        )
    return ended(tools, run)


def ended(tools: Tools, run: Run) -> RunOutcome:
    """Return the outcome of a run that has ended, as the machine that ended it returned it."""
    url = next(
        (one.url for one in reversed(run.deployments) if run.rollout and one.environment == run.rollout.environment), ""
    )
    return RunOutcome(run.id, run.exit_code or 0, tools.project.report(run.id), url)


def take_back(tools: Tools, run: Run) -> None:
    """End the job that conducts the rollout of ``run``, and take in what it did; its canary has no traffic then."""
    named = _environment(load_at(tools.project, run.commit), run)
    _with(tools, named, None, lambda jobs: jobs.end(run.id))
    take_kept(tools, run.id)
