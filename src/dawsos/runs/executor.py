"""Executes the plan of a run: restores, runs or skips each stage, and attests it."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawsos.adapters.cache import StageCache
from dawsos.engine.attempt import run_stage
from dawsos.engine.contract import Action as StageAction
from dawsos.engine.contract import Prepare, StageAttempt, StageOutcome, StageRuntime
from dawsos.engine.evaluation import GateEvaluator
from dawsos.model.events import ApprovalGiven, GateEvaluated, ReleaseBuilt, StageRestored, StageSkipped
from dawsos.model.pipeline import Stage
from dawsos.model.plan import Action, Fingerprint, Plan
from dawsos.model.status import StageState
from dawsos.model.verdicts import GateVerdict
from dawsos.planning.plan import cacheable
from dawsos.provenance import envelope as dsse
from dawsos.provenance import statements
from dawsos.provenance.certificate import PAIR, earlier_name
from dawsos.runs import approvals, evidence
from dawsos.runs.commit_files import CommitFiles
from dawsos.runs.context import RunContext
from dawsos.runs.planner import Planner, is_kept, needed_images


@dataclass(frozen=True)
class Execution:
    """The input of the executor: the run, its plan, the planner and the approval given beforehand."""

    context: RunContext
    plan: Plan
    planner: Planner
    cache: StageCache
    profile: str
    preapproval: approvals.Preapproval | None = None


class PlanExecutor:
    """Restores, runs or skips one stage after the other, as the plan says."""

    def __init__(self, execution: Execution, actions: Mapping[str, StageAction], prepare: Prepare) -> None:
        self._context = execution.context
        self._plan = execution.plan
        self._planner = execution.planner
        self._cache = execution.cache
        self._preapproval = execution.preapproval
        self._profile = execution.profile
        self._running = 0
        # One stage at a time checks the files and begins, because it must not restore files that another one uses.
        self._starting = asyncio.Lock()
        self._files = CommitFiles(self._context)
        session = self._context.session
        tools = session.tools
        self._evaluator = GateEvaluator(
            session.id, self._context.root, execution.profile, tools.clock, tools.project.outcomes
        )
        self._runtime = StageRuntime(actions, self._evaluator, self._approve, self._keep, prepare)

    async def execute(self, stage: Stage) -> StageOutcome:
        """Carry out the stage as planned, then attest it."""
        outcome = await self._execute(stage)
        self.attest()
        return outcome

    def attest(self) -> None:
        """Write the statements of all stages that have ended, as soon as there is a release they can be about."""
        context = self._context
        if context.session.state.command == "ship":
            evidence.write_statements(context.tools, context.pipeline, context.session.state)

    async def _execute(self, stage: Stage) -> StageOutcome:
        session, planned = self._context.session, self._plan.stage(stage.id)
        if planned.action is Action.SKIP:
            session.record(StageSkipped(planned.reason), stage.id)
            return StageOutcome(StageState.SKIPPED)
        fingerprint = planned.fingerprint or self._planner.fingerprint(stage, session.state.release)
        self._evaluator.fingerprints[stage.id] = fingerprint.digest
        if planned.action is Action.RESTORE and await self._restore(stage, fingerprint):
            return StageOutcome(StageState.RESTORED)
        return await self._run(stage, fingerprint)

    async def _run(self, stage: Stage, fingerprint: Fingerprint) -> StageOutcome:
        # A release has the files of the commit and no others, even while another stage uses the same checkout.
        async with self._starting:
            await self._files.before(stage.id, alone=not self._running or stage.uses == "release")
            self._running += 1
        try:
            return await self._attempt(stage, fingerprint)
        finally:
            self._running -= 1

    async def _attempt(self, stage: Stage, fingerprint: Fingerprint) -> StageOutcome:
        context, session = self._context, self._context.session
        done = self._awaits_approval(stage, fingerprint)
        number = session.state.stages[stage.id].attempt + (0 if done else 1)
        artifacts = session.artifacts(stage.id, number)
        attempt = StageAttempt(stage, number, artifacts, fingerprint, session, context.tools.clock, done)
        outcome = await run_stage(attempt, self._runtime)
        if stage.uses == "release" and outcome.result is StageState.PASSED:
            release = context.tools.project.releases / session.state.release
            await self._files.built(stage.id, release)
        return outcome

    def _awaits_approval(self, stage: Stage, fingerprint: Fingerprint) -> bool:
        """Return whether the work of the stage was done and shown on these inputs, so that only the approval is missing."""
        state = self._context.session.state
        requested = any(request.stage == stage.id for request in state.approval_requests)
        return requested and state.stages[stage.id].fingerprint == fingerprint.digest

    async def _approve(self, attempt: StageAttempt, _verdicts: tuple[GateVerdict, ...]) -> StageOutcome:
        from dawsos.runs.report import write_shown_report  # loaded beside the stages, see ``runs.preload``

        context = self._context
        write_shown_report(context.tools, context.pipeline, context.session.state, attempt.artifacts)
        return await approvals.ask(context.session, attempt, self._preapproval, context.tools.prompter)

    async def _restore(self, stage: Stage, fingerprint: Fingerprint) -> bool:
        """Take the cached result; return False when it was removed after the plan was made, and the stage has to run."""
        kept = await asyncio.to_thread(self._cache.lookup, stage.id, fingerprint.digest)
        if kept is None:
            return False
        session = self._context.session
        artifacts = session.artifacts(stage.id)
        try:
            await asyncio.to_thread(self._cache.restore, stage.id, fingerprint.digest, artifacts)
        except OSError:
            shutil.rmtree(artifacts, ignore_errors=True)
            return False
        if stage.uses == "release" and not self._release_is_here(artifacts, stage):
            # The build that follows leaves its evidence in this folder, and only its own.
            shutil.rmtree(artifacts)
            return False
        beside = self._cache.beside(stage.id, fingerprint.digest, PAIR)
        named = {earlier_name(str(kept["run"]), name): text for name, text in beside.items()}
        original = evidence.keep_original(self._context.tools, session.id, stage.id, kept["statement"], named)
        restored = StageRestored(
            fingerprint.digest, fingerprint.tools, kept["run"], kept["finished_at"], kept["evidence"], original
        )
        session.record(restored, stage.id)
        for gate in kept["gates"]:
            session.record(GateEvaluated.read(gate), stage.id)
        self._restore_approval(stage, artifacts, kept["run"])
        return True

    def _release_is_here(self, artifacts: Path, stage: Stage) -> bool:
        facts: dict[str, Any] = json.loads((artifacts / "release.json").read_text())
        project, needed = self._context.tools.project, needed_images(self._context.pipeline, self._profile)
        path = project.releases / facts["release"]
        if not is_kept(project.releases, project.images, facts, needed):
            return False
        built = ReleaseBuilt(
            facts["release"],
            facts["commit"],
            facts["builder"],
            facts.get("why", ""),
            str(path),
            facts["bytes"],
            facts.get("images") or {},
        )
        self._context.session.record(built, stage.id)
        return True

    def _restore_approval(self, stage: Stage, artifacts: Path, run: str) -> None:
        path = artifacts / "approval.json"
        if stage.approval is None or not path.exists():
            return
        for kept in json.loads(path.read_text())["approvals"]:
            self._context.session.record(ApprovalGiven.read({**kept, "how": f"in run {run}"}), stage.id)

    async def _keep(self, attempt: StageAttempt) -> None:
        """Put the passed stage into the cache, with a signed statement about its inputs."""
        if attempt.fingerprint is None or not (
            cacheable(attempt.stage) or self._planner.counts_elsewhere(attempt.stage)
        ):
            return
        context = self._context
        run = context.session.state
        record, rule = run.stages[attempt.stage.id], evidence.approval_rule(attempt.stage.approval)
        signed = dsse.sign(statements.stage_for_inputs(run, record, rule), context.tools.signer())
        await asyncio.to_thread(
            self._cache.keep, record, attempt.fingerprint, attempt.artifacts, run=run.id, statement=signed,
            beside=evidence.own_pair(context.tools, run.id),
        )  # fmt: skip
