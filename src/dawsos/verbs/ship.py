"""Ship, run, resume: a plan is carried out stage by stage."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from dawsos.actions import passed
from dawsos.actions.bodies import ActionContext, bodies, prepare
from dawsos.adapters import git
from dawsos.adapters.cache import StageCache
from dawsos.adapters.git import Commit
from dawsos.adapters.reapers import reapers
from dawsos.config.named_files import must_have_files
from dawsos.engine.attempt import run_stage
from dawsos.engine.contract import StageAttempt, StageOutcome, StageRuntime
from dawsos.engine.evaluation import GateEvaluator
from dawsos.engine.loop import run_stages
from dawsos.errors import BadInput
from dawsos.model.events import (
    ApprovalGiven,
    GateEvaluated,
    ReleaseBuilt,
    RunStarted,
    StageRestored,
    StageSkipped,
    Verified,
)
from dawsos.model.pipeline import Pipeline, Stage
from dawsos.model.plan import Fingerprint
from dawsos.model.run import Run
from dawsos.model.status import RunResult, StageState
from dawsos.model.verdicts import GateVerdict
from dawsos.planning.selection import select
from dawsos.ports import Reporter
from dawsos.provenance import envelope as dsse
from dawsos.provenance import statements
from dawsos.runs import approvals, evidence
from dawsos.runs.certification import certify, must_have_identity
from dawsos.runs.commit_files import CommitFiles
from dawsos.runs.inputs import Upstream, cacheable, expired, stage_fingerprint, takes_seed
from dawsos.runs.lifecycle import RunOutcome, carry_out, deploying, start, take_over, unfinished
from dawsos.runs.preload import preload
from dawsos.runs.project import Project, Tools, load, load_run, open_tools, remove_abandoned
from dawsos.runs.recorder import Session

MakeReporters = Callable[[Pipeline, Sequence[Stage]], Sequence[Reporter]]


@dataclass(frozen=True)
class Options:
    """What the person asked for."""

    profile: str = "laptop"
    approve_as: str = ""
    reason: str = ""
    no_cache: bool = False
    hotfix: str = ""
    stages: tuple[str, ...] = ()
    # The seed that was asked for, and the one drawn for this run, which holds when none was.
    seed: int | None = None
    drawn: int = 0

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Options:
        """Return the options that a journal holds; a key that this version does not know is left out."""
        known = {each.name: kept[each.name] for each in fields(cls) if each.name in kept}
        return cls(**{**known, "stages": tuple(known.get("stages", ()))})


def ship(project: Project, options: Options, make_reporters: MakeReporters) -> RunOutcome:
    """Take HEAD through every stage to 100 % of production."""
    commit = git.commit(project.root)
    # The lock comes first: the checkout is that of a ship of this commit under way as well.
    with deploying(project):
        root = git.checkout(project.root, commit.sha, project.checkout(commit.sha))
        return _begin(project, commit, root, options, make_reporters, command="ship")


def run(project: Project, options: Options, make_reporters: MakeReporters) -> RunOutcome:
    """Run the named stages (all command stages when none is named), with what they need, on the working tree as it is."""
    return _begin(project, git.commit(project.root), project.root, options, make_reporters, command="run")


def resume(project: Project, run_name: str, make_reporters: MakeReporters) -> RunOutcome:
    """Go on with a run whose owner is gone or which waited for an approval."""
    tools = open_tools(project)
    state = load_run(tools, run_name) if run_name else _newest_unfinished(tools)
    if not state.unfinished:
        raise BadInput(f"run {state.id} has ended: {state.result}", fix="ship again, or see dawsos show")
    if state.command in ("drill", "rollback"):
        from dawsos.verbs.operations import resume_operation

        return resume_operation(tools, state, make_reporters)
    if state.command == "ship":
        # The lock comes first: a run that finds another deployment under way is left as it was, to be resumed later.
        with deploying(project):
            # What a stage of this run made beside the files of the commit may be wanted by the next.
            place = project.checkout(state.commit)
            root = git.checkout(project.root, state.commit, place, keep_untracked=True)
            return _go_on(tools, state, root, make_reporters)
    return _go_on(tools, state, project.root, make_reporters)


def _go_on(tools: Tools, state: Run, root: Path, make_reporters: MakeReporters) -> RunOutcome:
    pipeline = load(root, accept_old=True)
    options = Options.read(state.options)
    commit = git.commit(tools.project.root, state.commit)
    lost = state.stages.keys() - {stage.id for stage in pipeline.stages}
    if lost:
        raise BadInput(
            f"unknown stage {min(lost)!r}: run {state.id} began with it, and pipeline.yaml has it no more",
            fix="put it back, or begin anew with dawsos run",
        )
    chosen = [pipeline.stage(stage) for stage in state.stages]
    must_know_profile(pipeline, state.profile)
    passed.take(tools.project, pipeline, chosen, state.profile, os.environ, fresh=False)
    reporters = make_reporters(pipeline, pipeline.stages)
    with _beside(tools.project, state.command, chosen), take_over(tools, state.id, reporters, os.getpid()) as session:
        return _carry_out(ActionContext(tools, pipeline, commit, root, session), options, chosen)


def _beside(project: Project, command: str, chosen: Sequence[Stage]) -> AbstractContextManager[None]:
    """Return what a ``run`` of ``chosen`` holds: the same lock when it looks at an environment; a ship has it already."""
    outward = command != "ship" and any(stage.environment is not None for stage in chosen)
    return deploying(project) if outward else nullcontext()


def _newest_unfinished(tools: Tools) -> Any:
    found = unfinished(tools)
    if not found:
        raise BadInput("there is no unfinished run", fix="dawsos ship starts one")
    return found[0]


def _begin(
    project: Project, commit: Commit, root: Path, options: Options, make_reporters: MakeReporters, *, command: str
) -> RunOutcome:
    # It comes up while we read.
    reapers().start()
    pipeline = load(root)
    must_know_profile(pipeline, options.profile)
    chosen = select(pipeline, options.stages, command)
    if options.approve_as:
        for stage in chosen:
            approvals.must_be_allowed(options.approve_as, stage.approval.of if stage.approval else ())
    # Asked before there is a run, which could only end as if the machine were at fault.
    must_have_files(pipeline, chosen, root, f" in commit {commit.sha[:8]}" if command == "ship" else "")
    if command == "ship":
        must_have_identity(pipeline.signing, os.environ)
    options = replace(options, drawn=secrets.randbits(32))
    if options.seed is not None and not any(takes_seed(stage) for stage in chosen):
        raise BadInput("no chosen stage takes a seed", fix='give one of them env: {SEED: "{seed}"} in pipeline.yaml')
    tools = open_tools(project)
    passed.take(project, pipeline, chosen, options.profile, os.environ, fresh=True)
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
    )
    with _beside(project, command, chosen), start(tools, make_reporters(pipeline, chosen), started) as session:
        return _carry_out(ActionContext(tools, pipeline, commit, root, session), options, chosen)


def must_know_profile(pipeline: Pipeline, profile: str) -> None:
    """Raise BadInput when the pipeline has no ``profile``."""
    if profile and profile != "production" and profile not in pipeline.profiles:
        known = ", ".join(["production", *pipeline.profiles])
        raise BadInput(f"unknown profile {profile!r}; there are: {known}", fix="give one of these with --profile")


def _carry_out(scene: ActionContext, options: Options, chosen: Sequence[Stage]) -> RunOutcome:
    async def work() -> tuple[RunResult, str]:
        remove_abandoned(scene.tools.project)
        return await _run_all(scene, options, chosen)

    ended = carry_out(scene.session, scene.pipeline, work())
    return replace(ended, url=_url(scene.session))


def _url(session: Session) -> str:
    for deployment in reversed(session.state.deployments):
        if deployment.environment == "production":
            return deployment.url
    return ""


async def _run_all(scene: ActionContext, options: Options, chosen: Sequence[Stage]) -> tuple[RunResult, str]:
    session = scene.session
    states = {key: stage.state for key, stage in session.state.stages.items()}
    if session.state.command == "ship":
        await certify(session, scene.pipeline.signing, scene.root)
    carried = PlanExecutor(scene, options)
    # An owner that was killed between the end of a stage and its statement left that to us.
    carried.attest()
    preload()
    final = await run_stages(chosen, states, carried.execute, os.cpu_count() or 1)
    for state, result in _RED:
        red = [stage for stage, reached in final.items() if reached is state]
        if red:
            return result, f"stage {red[0]}: {session.state.stages[red[0]].reason}"
    if session.state.command == "ship":
        from dawsos.actions.verification import verify_production  # with the platform, which only a ship needs

        checks = await verify_production(scene.tools, scene.pipeline, scene.session)
        session.record(Verified(tuple(checks)))
        failed = [check for check in checks if not check.passed]
        if failed:
            first = failed[0]
            return RunResult.FAILED, f"verification: {first.name}: {first.measured} (wanted {first.limit})"
    return RunResult.PASSED, "every stage passed"


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


class PlanExecutor:
    """Restores or runs one stage of a run."""

    def __init__(self, scene: ActionContext, options: Options) -> None:
        self.scene = scene
        self.options = options
        self.running = 0
        self.files = CommitFiles(scene)
        self.cache = StageCache(scene.tools.project.cache, evidence.genuine(scene.tools))
        self.hashes = (
            git.tree_hashes(scene.tools.project.root, scene.commit.sha)
            if scene.session.state.command == "ship"
            else git.worktree_hashes(scene.root)
        )
        before = approvals.Preapproval(options.approve_as, options.reason) if options.approve_as else None

        async def approve(work: StageAttempt, _verdicts: tuple[GateVerdict, ...]) -> StageOutcome:
            from dawsos.runs.report import write_shown_report  # loaded beside the stages, see ``runs.preload``

            write_shown_report(scene.tools, scene.pipeline, scene.session.state, work.artifacts)
            return await approvals.ask(scene.session, work, before, scene.tools.prompter)

        self.asker = GateEvaluator(scene.tools, scene.session.id, scene.root, options.profile)
        self.hands = StageRuntime(bodies(scene), self.asker, approve, self.keep, partial(prepare, scene))

    async def execute(self, stage: Stage) -> StageOutcome:
        """Restore or run the stage, then attest it."""
        outcome = await self._execute(stage)
        self.attest()
        return outcome

    def attest(self) -> None:
        """Write the statements of all stages that have ended, as soon as there is a release they can be about."""
        if self.scene.session.state.command == "ship":
            evidence.write_statements(self.scene.tools, self.scene.pipeline, self.scene.session.state)

    async def _execute(self, stage: Stage) -> StageOutcome:
        session = self.scene.session
        if stage.hotfix_skips and self.options.hotfix:
            session.record(StageSkipped(f"hotfix: {self.options.hotfix}"), stage.id)
            return StageOutcome(StageState.PASSED)
        print_ = stage_fingerprint(
            self.scene.pipeline, stage, self.scene.root, self.hashes,
            Upstream(session.state.release, self.scene.commit.sha, self.options.seed),
        )  # fmt: skip
        self.asker.fingerprints[stage.id] = print_.digest
        if cacheable(stage) and not self.options.no_cache and self._restore(stage, print_):
            return StageOutcome(StageState.PASSED)
        # A release is of the commit and of nothing else, even where another stage is at work with the same files.
        self.files.before(stage.id, alone=not self.running or stage.uses == "release")
        done = self._awaits_approval(stage, print_)
        attempt = session.state.stages[stage.id].attempt + (0 if done else 1)
        artifacts = session.artifacts(stage.id, attempt)
        work = StageAttempt(stage, attempt, artifacts, print_, session, self.scene.tools.clock, done)
        self.running += 1
        try:
            outcome = await run_stage(work, self.hands)
        finally:
            self.running -= 1
        if stage.uses == "release" and outcome.result == "passed":
            self.files.built(stage.id, self.scene.tools.project.releases / session.state.release)
        return outcome

    def _awaits_approval(self, stage: Stage, print_: Fingerprint) -> bool:
        """Return whether the stage's work is done and shown, on these very inputs, and only a person's word is missing."""
        state = self.scene.session.state
        asked = any(request.stage == stage.id for request in state.approval_requests)
        return asked and state.stages[stage.id].fingerprint == print_.digest

    def _restore(self, stage: Stage, print_: Fingerprint) -> bool:
        kept = self.cache.lookup(stage.id, print_.digest)
        if kept is None or self._expired(stage, kept):
            return False
        session = self.scene.session
        artifacts = session.artifacts(stage.id)
        self.cache.restore(stage.id, print_.digest, artifacts)
        if stage.uses == "release" and not self._release_is_here(artifacts, stage):
            # The build that follows leaves its evidence in this folder, and only its own.
            shutil.rmtree(artifacts)
            return False
        original = evidence.keep_original(self.scene.tools, session.id, stage.id, kept["statement"])
        restored = StageRestored(
            print_.digest, print_.tools, kept["run"], kept["finished_at"], kept["evidence"], original
        )
        session.record(restored, stage.id)
        for gate in kept["gates"]:
            session.record(GateEvaluated.read(gate), stage.id)
        self._restore_approval(stage, artifacts, kept["run"])
        return True

    def _expired(self, stage: Stage, kept: dict[str, Any]) -> bool:
        """Return whether a waiver or a person's word on the kept evidence is too old; then the evidence is made anew."""
        now = self.scene.tools.clock.now()
        if expired(kept["gates"], now):
            return True
        return stage.approval is not None and now - kept["finished_at"] >= stage.approval.expires

    def _release_is_here(self, artifacts: Path, stage: Stage) -> bool:
        facts = json.loads((artifacts / "release.json").read_text())
        path = self.scene.tools.project.releases / facts["release"]
        if not path.exists():
            return False
        built = ReleaseBuilt(
            facts["release"], facts["commit"], facts["builder"], facts.get("why", ""), str(path), facts["bytes"]
        )
        self.scene.session.record(built, stage.id)
        return True

    def _restore_approval(self, stage: Stage, artifacts: Path, run: str) -> None:
        path = artifacts / "approval.json"
        if stage.approval is None or not path.exists():
            return
        for kept in json.loads(path.read_text())["approvals"]:
            self.scene.session.record(ApprovalGiven.read({**kept, "how": f"in run {run}"}), stage.id)

    def keep(self, work: StageAttempt) -> None:
        """Put the passed stage into the cache, with a signed statement about its inputs."""
        if work.fingerprint is None or not cacheable(work.stage):
            return
        run = self.scene.session.state
        record, asked = run.stages[work.stage.id], evidence.asked_of_people(work.stage.approval)
        signed = dsse.sign(statements.stage_for_inputs(run, record, asked), self.scene.tools.signer())
        self.cache.keep(record, work.fingerprint, work.artifacts, run=run.id, statement=signed)
