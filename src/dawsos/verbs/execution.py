"""The common part of ``ship``, ``run`` and ``resume``: the options of a run, its beginning and its plan carried out to the end."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from dawsos.actions import ACTIONS, passed
from dawsos.actions.commands import prepare
from dawsos.adapters import git, interpreters, programs
from dawsos.adapters.cache import StageCache
from dawsos.adapters.git import Commit
from dawsos.adapters.git_inputs import commit_inputs, worktree_inputs
from dawsos.adapters.reapers import reapers
from dawsos.config.named_files import must_have_files
from dawsos.engine.contract import Action as StageAction
from dawsos.engine.loop import run_stages
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.events import RunStarted, Verified
from dawsos.model.pipeline import Pipeline, Stage, Uses
from dawsos.model.plan import Action
from dawsos.model.run import Run
from dawsos.model.status import RunResult, StageState
from dawsos.planning.plan import PlanOptions
from dawsos.planning.selection import must_know_profile
from dawsos.ports import Reporter
from dawsos.runs import approvals, evidence
from dawsos.runs.certification import certify, earlier_keys
from dawsos.runs.context import RunContext
from dawsos.runs.executor import Execution, PlanExecutor
from dawsos.runs.inputs import takes_seed
from dawsos.runs.lifecycle import RunOutcome, carry_out, deploying, start
from dawsos.runs.planner import Planner, Source
from dawsos.runs.preload import preload
from dawsos.runs.project import Project, Tools, open_tools, remove_abandoned
from dawsos.verbs import handing_over

MakeReporters = Callable[[Pipeline, Sequence[Stage]], Sequence[Reporter]]


@dataclass(frozen=True)
class Options:
    """The options of the command line."""

    profile: str = "laptop"
    approve_as: str = ""
    reason: str = ""
    no_cache: bool = False
    hotfix: str = ""
    stages: tuple[str, ...] = ()
    # The seed of the command line, and the one drawn for this run, which is used without it.
    seed: int | None = None
    drawn: int = 0
    # Of a ship of named stages: the stages of the commit that it leaves to others, and whether it ends before the users' environment.
    left_out: tuple[str, ...] = ()
    before_users: bool = False
    # A job of the environment conducts the rollout.
    in_cluster: bool = False

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Options:
        """Return the options that a journal holds; a key that this version does not know is left out."""
        known = {each.name: kept[each.name] for each in fields(cls) if each.name in kept}
        lists = {name: tuple(known.get(name, ())) for name in ("stages", "left_out")}
        return cls(**{**known, **lists})


def must_be_ready(
    pipeline: Pipeline, chosen: Sequence[Stage], options: Options, root: Path, *, where: str = ""
) -> None:
    """Raise BadInput for what would only fail after minutes of gates: profile, approver, files, seed."""
    # It starts while the rest is checked.
    reapers().start()
    must_know_profile(pipeline, options.profile)
    if options.approve_as:
        for stage in chosen:
            approvals.must_be_allowed(options.approve_as, stage.approval.of if stage.approval else ())
    must_have_files(pipeline, chosen, root, where)
    _must_have_programs(pipeline, chosen)
    if options.seed is not None and not any(takes_seed(stage) for stage in chosen):
        raise BadInput("no chosen stage takes a seed", fix='give one of them env: {SEED: "{seed}"} in pipeline.yaml')


def _must_have_programs(pipeline: Pipeline, chosen: Sequence[Stage]) -> None:
    """Raise InfrastructureError with each program and Python that the chosen stages need and PATH does not have."""
    names = dict.fromkeys(stage.toolchain for stage in chosen if stage.toolchain is not None)
    lacking = {name: programs.missing(pipeline.toolchains[name].programs, os.environ) for name in names}
    lines = [
        f"toolchains.{name}.programs: there is no {one} on PATH" for name, found in lacking.items() for one in found
    ]
    asked = {name: python for name in names if (python := pipeline.toolchains[name].python) is not None}
    lines += [
        f"toolchains.{name}.python: there is no python{python} on PATH"
        for name, python in asked.items()
        if interpreters.named(python) is None
    ]
    if lines:
        raise InfrastructureError("\n".join(lines), fix="install what is missing, or start dawsos where it is on PATH")


def looking_at_environments(project: Project, chosen: Sequence[Stage]) -> AbstractContextManager[None]:
    """Return the lock of deployments when a stage of a ``run`` uses an environment, else a context that does nothing."""
    return deploying(project) if any(stage.environment is not None for stage in chosen) else nullcontext()


def begin(
    command: str,
    project: Project,
    what: tuple[Pipeline, Sequence[Stage]],
    source: tuple[Commit, Path],
    options: Options,
    make_reporters: MakeReporters,
) -> RunOutcome:
    """Start a run of ``what`` = (pipeline, chosen stages) on ``source`` = (commit, checkout) and carry it out."""
    (pipeline, chosen), (commit, root) = what, source
    options = replace(options, drawn=secrets.randbits(32))
    tools = open_tools(project)
    # What a named stage needs may have been done by another job, whose environments have variables that this one lacks.
    named = [stage for stage in chosen if not options.stages or stage.id in options.stages]
    passed.take(project, pipeline, named, options.profile, os.environ, fresh=True)
    _check_environments(tools, pipeline, named, options.profile, root)
    started = RunStarted(
        command=command,
        commit=commit.sha,
        ref=commit.ref,
        subject=commit.subject,
        author=commit.author,
        dirty=len(git.dirty_files(project.root)),
        profile=options.profile,
        stages=tuple(stage.id for stage in chosen),
        definition=hashlib.sha256((root / "pipeline.yaml").read_bytes()).hexdigest(),
        options=asdict(options),
        committed_at=float(commit.time),
        deploys=_environments(chosen, "deploy"),
        rollouts=_environments(chosen, "rollout"),
    )
    if options.in_cluster:
        handing_over.must_be_possible(tools, pipeline, named, options.profile, root)
    with start(tools, make_reporters(pipeline, chosen), started) as session:
        return execute(RunContext(tools, pipeline, commit, root, session, options.in_cluster), options, chosen)


def _check_environments(tools: Tools, pipeline: Pipeline, named: Sequence[Stage], profile: str, root: Path) -> None:
    """Raise BadInput for an environment of a stage that this run could not deploy to: now, and not after minutes of gates."""

    async def check(names: Sequence[str]) -> None:
        for name in names:
            await tools.platform(name, pipeline.environment(name, profile), root).check()

    names = list(dict.fromkeys(stage.environment for stage in named if stage.environment is not None))
    # What runs on this machine comes with the tool; to load its platform only to hear that would slow every start.
    names = [name for name in names if pipeline.environment(name, profile).platform != "local"]
    if names:
        asyncio.run(check(names))


def _environments(chosen: Sequence[Stage], uses: Uses) -> dict[str, str]:
    return {stage.id: stage.environment for stage in chosen if stage.uses == uses and stage.environment}


def execute(context: RunContext, options: Options, chosen: Sequence[Stage], *, patience: float = 0.0) -> RunOutcome:
    """Plan ``chosen``, carry the plan out and end the run, or give its rollout to a job.

    ``patience``: so many seconds it is tried to keep the end beside an environment that keeps runs.  Raises InfrastructureError when
    a job is wanted and does not begin.
    """

    async def work() -> tuple[RunResult, str]:
        remove_abandoned(context.tools.project)
        return await _run_all(context, options, chosen)

    ended = replace(carry_out(context.session, context.pipeline, work()), url=_url(context))
    if context.hands_over and context.session.state.handed_over:
        return handing_over.give(context, ended)
    try:
        handing_over.keep_what_ended(context, patience=patience)
    except InfrastructureError:
        # The run has ended here, and that is what its exit code says.
        if patience:
            raise
    return ended


def _url(context: RunContext) -> str:
    """Return where the service answers once it was deployed to production."""
    for deployment in reversed(context.session.state.deployments):
        if context.pipeline.is_production(deployment.environment):
            return deployment.url
    return ""


async def _run_all(context: RunContext, options: Options, chosen: Sequence[Stage]) -> tuple[RunResult, str]:
    session = context.session
    if session.state.command == "ship":
        await certify(session, context.pipeline.signing, context.root)
    tools = context.tools
    earlier = await earlier_keys(tools, context.pipeline.signing, context.root, tools.project.home)
    cache = StageCache(tools.project.cache, evidence.doubts(tools, earlier))
    execution = _execution(context, options, chosen, cache)
    if any(_builds(session.state, execution, stage) for stage in chosen):
        from dawsos.actions.images import must_be_buildable  # loads the builders, as only a run that builds needs them

        await must_be_buildable(context)
    actions: dict[str, StageAction] = {uses: partial(action, context) for uses, action in ACTIONS.items()}
    executor = PlanExecutor(execution, actions, partial(prepare, context))
    # An earlier owner may have been killed between the end of a stage and its statement.
    executor.attest()
    states = {key: stage.state for key, stage in session.state.stages.items()}
    preload()
    final = await run_stages(chosen, states, executor.execute, os.cpu_count() or 1)
    for state, result in _RED:
        red = [stage for stage, reached in final.items() if reached is state]
        if red:
            return result, f"stage {red[0]}: {session.state.stages[red[0]].reason}"
    if options.left_out:
        # Whoever reads only this line must not take it for a release in production.
        passing = f"{', '.join(final)} passed; left to other ships: {', '.join(options.left_out)}"
    else:
        passing = "every stage passed"
    if session.state.command == "ship" and not options.before_users:
        return await _verify(context, passing)
    return RunResult.PASSED, passing


def _builds(run: Run, execution: Execution, stage: Stage) -> bool:
    """Return whether the stage makes a release now; a resumed run may have it already."""
    return (
        stage.uses == "release"
        and not run.stages[stage.id].done
        and execution.plan.stage(stage.id).action is Action.RUN
    )


# The state of a stage that decides the run, and the run's result; the first that a stage has counts.
_RED: tuple[tuple[StageState, RunResult], ...] = (
    (StageState.ROLLED_BACK, RunResult.ROLLED_BACK),
    (StageState.REJECTED, RunResult.REJECTED),
    (StageState.FAILED, RunResult.FAILED),
    (StageState.TIMEOUT, RunResult.FAILED),
    (StageState.INFRASTRUCTURE, RunResult.INFRASTRUCTURE),
    (StageState.CANCELLED, RunResult.INFRASTRUCTURE),
    (StageState.WAITING, RunResult.WAITING),
)


def _execution(context: RunContext, options: Options, chosen: Sequence[Stage], cache: StageCache) -> Execution:
    tools, session = context.tools, context.session
    hashes = (
        commit_inputs(context.root, context.commit.sha)
        if session.state.command == "ship"
        else worktree_inputs(context.root)
    )
    source = Source(context.root, hashes, context.commit.sha, options.seed, options.profile)
    planner = Planner(context.pipeline, source, cache, tools.project.releases, tools.project.images)
    wanted = PlanOptions(options.no_cache, options.hotfix, options.stages)
    plan = planner.plan(chosen, wanted, tools.clock.now(), session.state.release)
    before = approvals.Preapproval(options.approve_as, options.reason) if options.approve_as else None
    return Execution(context, plan, planner, cache, options.profile, before)


async def _verify(context: RunContext, passing: str) -> tuple[RunResult, str]:
    """Check what was shipped; a pipeline without a rollout has nothing that serves users."""
    session, environment = context.session, _production(context)
    if not environment:
        return RunResult.PASSED, passing
    from dawsos.actions.verification import verify_deployment  # loads the platform, as only a ship needs it

    logs = context.tools.project.run_folder(session.id) / "verify"
    named = (environment, session.state.profile)
    checks = await verify_deployment(context.tools, context.pipeline, named, logs, context.root)
    session.record(Verified(tuple(checks)))
    failed = [check for check in checks if check.failed]
    if failed:
        first = failed[0]
        return RunResult.FAILED, f"verification: {first.name}: {first.measured} (wanted {first.limit})"
    return RunResult.PASSED, passing


def _production(context: RunContext) -> str:
    """Return the environment with users to which this pipeline deploys, an empty text when there is none."""
    deployed = [s.environment for s in context.pipeline.stages if s.uses in ("deploy", "rollout") and s.environment]
    return next((name for name in reversed(deployed) if context.pipeline.is_production(name)), "")
