"""The action that takes the run's release to 100 % of production by a canary, or back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dawsos.actions.admission import admit_release
from dawsos.actions.environments import has_settings_of, load_release, open_environment
from dawsos.actions.rollout_flagger import roll_out_with_flagger
from dawsos.adapters.files import write_json
from dawsos.adapters.load_process import LoadProcess
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.errors import ReleaseFailed
from dawsos.model.events import AnswersCompared, CheckNumbers, RolloutFinished
from dawsos.model.pipeline import Pipeline
from dawsos.model.policy import RolloutPolicy
from dawsos.model.release import Release
from dawsos.model.run import RolloutRecord
from dawsos.model.status import Cause, RolloutDecision, RolloutOutcome, StageState
from dawsos.platforms.contract import EnvironmentStatus, Platform
from dawsos.rollout.comparing import comparison_evidence
from dawsos.rollout.controller import Finished, Keeping, NotKept
from dawsos.rollout.lifecycle import COMPARISON, RolloutContext, begin, conduct
from dawsos.runs.context import RunContext
from dawsos.runs.keeping import kept_elsewhere
from dawsos.runs.recorder import Session

# What the rollout gate reads.
EVIDENCE = "rollout.json"


async def roll_out(context: RunContext, attempt: StageAttempt) -> StageOutcome:
    """Take the run's release to 100 % of the stage's environment, or back; leave ``rollout.json`` as evidence."""
    record = context.session.state.rollout
    if record is None or record.outcome is RolloutOutcome.PROMOTED:
        # A rollout under way was admitted when it began; its end must not wait for anything.
        await _admit(context, attempt)
    return await roll_out_admitted(context, attempt)


async def roll_out_admitted(context: RunContext, attempt: StageAttempt) -> StageOutcome:
    """Roll out a release that may go to production."""
    session, name = context.session, attempt.stage.environment_name
    profile = session.state.profile
    settings = context.pipeline.environment(name, profile)
    release = await load_release(context.tools, settings, session.state)
    try:
        if settings.driver == "flagger":
            finished = await roll_out_with_flagger(context, attempt, release, settings)
        else:
            here = await _roll_out_here(context, attempt, release)
            if here is None:
                return StageOutcome(StageState.WAITING, f"a Job of {name} conducts the rollout")
            finished = here
    except ReleaseFailed as error:
        record = session.state.rollout
        if record is None or record.outcome is RolloutOutcome.PROMOTED:
            never = {"outcome": "not started", "reason": error.message, "weight": 0, "release": release.digest}
            write_json(attempt.artifacts / EVIDENCE, never)
        raise
    write_json(attempt.artifacts / EVIDENCE, evidence(session, finished, release))
    write_json(attempt.artifacts / COMPARISON, _comparison(session, settings.driver))
    if finished.outcome is RolloutOutcome.PROMOTED:
        return StageOutcome(StageState.PASSED)
    return StageOutcome(StageState.ROLLED_BACK, finished.reason)


async def _roll_out_here(context: RunContext, attempt: StageAttempt, release: Release) -> Finished | None:
    """Conduct the rollout ourselves, or only begin it for a job that conducts it: then there is no end yet."""
    session, name = context.session, attempt.stage.environment_name
    profile = session.state.profile
    alike = await has_settings_of(context.tools, context.pipeline, name, profile)
    platform = await open_environment(context.tools, context.pipeline, name, profile, context.root)
    policy = _policy(context, profile)
    settings = context.pipeline.environment(name, profile)
    async with kept_elsewhere(context.tools, settings, session.id) as keeping:
        rollout = rollout_context(
            session, context.pipeline, (platform, release, policy), attempt.stage.id, attempt.artifacts, keeping
        )
        return await _finish(rollout, session, attempt, alike=alike, hands_over=context.hands_over)


def _policy(context: RunContext, profile: str) -> RolloutPolicy:
    """Return the policy of the profile; a hotfix may be what mends stable, so it goes on where stable itself fails."""
    policy = context.pipeline.policy(profile)
    if not context.session.state.options.get("hotfix"):
        return policy
    return policy.model_copy(update={"compare": policy.compare.model_copy(update={"at_no_data": "go_on"})})


async def _admit(context: RunContext, attempt: StageAttempt) -> None:
    try:
        await admit_release(context, attempt.stage)
    except ReleaseFailed as error:
        # The gate shows this reason; without the file it could only say that there is no evidence.
        refused = {"outcome": "refused", "reason": error.message, "weight": 0}
        write_json(attempt.artifacts / EVIDENCE, {**refused, "release": context.session.state.release})
        raise


# So long this process keeps the right to conduct a rollout that it hands over: as short as a lease can be.
_LET_GO = 1.0


async def _finish(
    rollout: RolloutContext, session: Session, attempt: StageAttempt, *, alike: bool, hands_over: bool = False
) -> Finished | None:
    """Begin or resume the rollout, and bring it to its end; when it is handed over it has only begun, and there is no end.

    ``alike``: the serving release was deployed with the settings of this run.  With other settings, for example of another
    profile, the same release is rolled out again, because its processes keep the variables that they were started with.
    """
    record = session.state.rollout
    if (record is not None or alike) and _serves(await rollout.platform.status(), rollout.release, record):
        if record is not None and not record.outcome:
            found = RolloutFinished(RolloutOutcome.PROMOTED, "found promoted after a restart")
            session.record(found, attempt.stage.id)
        return Finished(RolloutOutcome.PROMOTED, "this release already serves 100 % of the traffic")
    if record is None or record.outcome is RolloutOutcome.PROMOTED:
        record = await begin(rollout, session.id)
    if hands_over and not record.outcome:
        await rollout.platform.renew_lease(_LET_GO)
        return None
    return await conduct(rollout, record)


def _comparison(session: Session, driver: str) -> dict[str, Any]:
    """Return what the gate ``compare`` reads: the comparison of this rollout, or why none was made."""
    record = session.state.rollout
    if record is not None and record.compared is not None:
        accepted = (record.policy.get("compare") or {}).get("at_no_data") == "go_on"
        return comparison_evidence(record.compared, accepted=accepted)
    reason = "the rollout began before its answers could be compared, or the release served already"
    if driver != "dawsos":
        reason = f"{driver} conducts this rollout, and the canary gets traffic at once"
    return comparison_evidence(AnswersCompared("skipped", reason))


def _serves(status: EnvironmentStatus, release: Release, record: RolloutRecord | None) -> bool:
    """Return whether the release serves already, by this rollout or by one before it."""
    stable = status.roles.stable
    if stable is None or status.release_of(stable) != release.digest or not status.is_ready(stable):
        return False
    return record is None or record.outcome is RolloutOutcome.PROMOTED or stable == record.deployment


def rollout_context(
    session: Session,
    pipeline: Pipeline,
    parts: tuple[Platform, Release, RolloutPolicy],
    stage: str,
    logs: Path,
    keeping: Keeping | None = None,
) -> RolloutContext:
    """Return what a rollout of a run works with; ``parts`` are the platform, the release and the policy."""
    platform, release, policy = parts
    return RolloutContext(
        stage=stage,
        service=pipeline.service,
        release=release,
        platform=platform,
        policy=policy,
        recorder=session,
        clock=session.tools.clock,
        redactor=session.masker,
        start_load=LoadProcess,
        logs=logs,
        keeping=keeping or NotKept(),
    )


def evidence(session: Session, finished: Finished, release: Release) -> dict[str, Any]:
    """Return what the rollout gate reads."""
    record = session.state.rollout
    check = record.samples[-1].check if record and record.samples else CheckNumbers()
    promoted = finished.outcome is RolloutOutcome.PROMOTED
    told = record.told if record else ()
    # What Flagger said; a promotion without a cause was of a release that nobody checked.
    driver: dict[str, Any] = (
        {"told": [{"at": at, "phase": one.phase, "message": one.message} for at, one in told]} if told else {}
    )
    if promoted and record is not None and record.cause is Cause.UNKNOWN and record.decision is RolloutDecision.PROMOTE:
        driver["checked"] = False
    return {
        **driver,
        "outcome": finished.outcome,
        "reason": finished.reason,
        "rollback_seconds": finished.seconds,
        "weight": 100 if promoted else (record.step or record.weight_intended if record else 0),
        "error_rate": check.error_rate,
        "p95": check.p95,
        "release": release.digest,
    }
