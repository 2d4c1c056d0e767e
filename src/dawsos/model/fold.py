"""The state of a run is a pure fold of its events: one function for each kind, in one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from dawsos.model import events
from dawsos.model.events import Event, Fact
from dawsos.model.run import (
    ApprovalRecord,
    ApprovalRequest,
    ChangedFiles,
    DeploymentRecord,
    RevertRecord,
    RolloutRecord,
    Run,
    StageRecord,
    StepRecord,
)
from dawsos.model.status import RunResult, StageState

_F = TypeVar("_F", bound=Fact)
_Handler = Callable[[Run, Event, Any], Run]
_HANDLERS: dict[type[Fact], _Handler] = {}


def fold(found: Iterable[Event], run: Run | None = None) -> Run:
    """Return the run's state after the events ``found``; continues from ``run`` when given."""
    state = run or Run()
    for event in found:
        state = replace(apply(state, event), last_seq=event.seq)
    return state


def apply(run: Run, event: Event) -> Run:
    """Return the run's state after one more event; an event of an unknown kind changes nothing."""
    handler = _HANDLERS.get(type(event.fact))
    return handler(run, event, event.fact) if handler else run


def _folds(kind: type[_F]) -> Callable[[Callable[[Run, Event, _F], Run]], Callable[[Run, Event, _F], Run]]:
    """Register the function that folds facts of ``kind``."""

    def register(handler: Callable[[Run, Event, _F], Run]) -> Callable[[Run, Event, _F], Run]:
        _HANDLERS[kind] = handler
        return handler

    return register


@_folds(events.RunStarted)
def _run_started(run: Run, event: Event, fact: events.RunStarted) -> Run:
    return replace(
        run,
        id=event.run,
        command=fact.command,
        commit=fact.commit,
        ref=fact.ref,
        dirty=int(fact.dirty),
        profile=fact.profile,
        definition=fact.definition,
        options=fact.options,
        started_at=event.at,
        stages={stage: StageRecord(stage) for stage in fact.stages},
    )


@_folds(events.RunResumed)
def _run_resumed(run: Run, _event: Event, _fact: events.RunResumed) -> Run:
    # What was running or waiting when the last owner went away has to be looked at again.
    kept = (StageState.PENDING, StageState.ROLLED_BACK)
    stages = {
        key: stage if stage.done or stage.state in kept else replace(stage, state=StageState.PENDING)
        for key, stage in run.stages.items()
    }
    return replace(
        run, result=RunResult.UNFINISHED, exit_code=None, reason="", stopped="", finished_at=None, stages=stages
    )


@_folds(events.RunStopped)
def _run_stopped(run: Run, _event: Event, fact: events.RunStopped) -> Run:
    return replace(run, stopped=fact.reason or "stopped")


@_folds(events.KeyCertified)
def _key_certified(run: Run, _event: Event, fact: events.KeyCertified) -> Run:
    return replace(run, certificate=fact)


@_folds(events.StageStarted)
def _stage_started(run: Run, event: Event, fact: events.StageStarted) -> Run:
    # Work that was done before the run was resumed keeps its steps; its gates are evaluated again.
    steps = run.stages[event.stage].steps if fact.done and event.stage in run.stages else ()
    return _update(
        run,
        event.stage,
        state=StageState.RUNNING,
        started_at=event.at,
        finished_at=None,
        attempt=fact.attempt,
        fingerprint=fact.fingerprint,
        tools=fact.tools,
        reason="",
        steps=steps,
        gates=(),
    )


@_folds(events.StepStarted)
def _step_started(run: Run, event: Event, fact: events.StepStarted) -> Run:
    stage = run.stages.get(event.stage, StageRecord(event.stage))
    return _update(run, event.stage, steps=(*stage.steps, StepRecord(fact.name, fact.command)))


@_folds(events.StepFinished)
def _step_finished(run: Run, event: Event, fact: events.StepFinished) -> Run:
    stage = run.stages.get(event.stage, StageRecord(event.stage))
    if not stage.steps:
        return run
    last = replace(
        stage.steps[-1],
        classification=fact.classification,
        exit_code=fact.exit_code,
        seconds=fact.seconds,
        log=fact.log,
    )
    return _update(run, event.stage, steps=(*stage.steps[:-1], last))


@_folds(events.GateEvaluated)
def _gate_evaluated(run: Run, event: Event, fact: events.GateEvaluated) -> Run:
    stage = run.stages.get(event.stage, StageRecord(event.stage))
    return _update(run, event.stage, gates=(*stage.gates, fact.verdict))


@_folds(events.StageRestored)
def _stage_restored(run: Run, event: Event, fact: events.StageRestored) -> Run:
    # What an attempt before the resume came to is not what was restored.
    return _update(
        run,
        event.stage,
        state=StageState.RESTORED,
        reason="",
        seconds=0.0,
        steps=(),
        fingerprint=fact.fingerprint,
        from_run=fact.from_run,
        original=fact.original,
        evidence=fact.evidence,
        tools=fact.tools,
        started_at=event.at,
        finished_at=event.at,
        gates=(),
    )


@_folds(events.StageFinished)
def _stage_finished(run: Run, event: Event, fact: events.StageFinished) -> Run:
    return _update(
        run,
        event.stage,
        state=fact.result,
        finished_at=event.at,
        seconds=fact.seconds,
        reason=fact.reason,
        evidence=fact.evidence,
    )


@_folds(events.StageSkipped)
def _stage_skipped(run: Run, event: Event, fact: events.StageSkipped) -> Run:
    return _update(run, event.stage, state=StageState.SKIPPED, reason=fact.reason)


@_folds(events.FilesChanged)
def _files_changed(run: Run, event: Event, fact: events.FilesChanged) -> Run:
    changed = ChangedFiles(event.stage, fact.how, fact.files, fact.count)
    return replace(run, changed_files=(*run.changed_files, changed))


@_folds(events.ReleaseBuilt)
def _release_built(run: Run, _event: Event, fact: events.ReleaseBuilt) -> Run:
    return replace(
        run,
        release=fact.release,
        builder=fact.builder,
        builder_why=fact.why,
        release_bytes=fact.bytes,
        images=fact.images,
    )


@_folds(events.Deployed)
def _deployed(run: Run, event: Event, fact: events.Deployed) -> Run:
    made = DeploymentRecord(fact.environment, fact.release, fact.deployment, fact.url, fact.replicas, event.at)
    return replace(run, deployments=(*run.deployments, made))


@_folds(events.ApprovalRequested)
def _approval_requested(run: Run, event: Event, fact: events.ApprovalRequested) -> Run:
    request = ApprovalRequest(
        event.stage, event.at, fact.digest, fact.role, fact.subject, fact.of, fact.needed, fact.expires
    )
    return replace(run, approval_requests=(*run.approval_requests, request))


@_folds(events.ApprovalGiven)
def _approval_given(run: Run, event: Event, fact: events.ApprovalGiven) -> Run:
    record = ApprovalRecord(
        event.stage,
        fact.digest,
        fact.decision,
        fact.name,
        fact.reason,
        fact.how,
        event.at,
        fact.expires_at,
        fact.statement,
    )
    return replace(run, approvals=(*run.approvals, record))


@_folds(events.RolloutStarted)
def _rollout_started(run: Run, event: Event, fact: events.RolloutStarted) -> Run:
    rollout = RolloutRecord(
        release=fact.release,
        deployment=fact.deployment,
        stable_release=fact.stable_release,
        stable_deployment=fact.stable_deployment,
        started_at=event.at,
        stage=event.stage,
        environment=fact.environment,
        ladder=fact.ladder,
        traffic=fact.traffic,
        drill=fact.drill,
        policy=fact.policy,
    )
    return replace(run, rollout=rollout)


def _rollout(run: Run, **changes: Any) -> Run:
    return run if run.rollout is None else replace(run, rollout=replace(run.rollout, **changes))


@_folds(events.AnswersCompared)
def _answers_compared(run: Run, _event: Event, fact: events.AnswersCompared) -> Run:
    return _rollout(run, compared=fact)


@_folds(events.PowerEstimated)
def _power_estimated(run: Run, _event: Event, fact: events.PowerEstimated) -> Run:
    return _rollout(run, power=fact)


@_folds(events.WeightIntended)
def _weight_intended(run: Run, _event: Event, fact: events.WeightIntended) -> Run:
    return _rollout(run, weight_intended=fact.weight, step=fact.weight if fact.step is None else fact.step)


@_folds(events.WeightConfirmed)
def _weight_confirmed(run: Run, event: Event, fact: events.WeightConfirmed) -> Run:
    if run.rollout is None:
        return run
    return _rollout(run, weight=fact.weight, weights=(*run.rollout.weights, (event.at, fact.weight)))


@_folds(events.RolloutSampled)
def _rollout_sampled(run: Run, event: Event, fact: events.RolloutSampled) -> Run:
    if run.rollout is None:
        return run
    return _rollout(run, samples=(*run.rollout.samples, replace(fact, recorded_at=event.at)))


@_folds(events.DriverTold)
def _driver_told(run: Run, event: Event, fact: events.DriverTold) -> Run:
    return run if run.rollout is None else _rollout(run, told=(*run.rollout.told, (event.at, fact)))


@_folds(events.RollbackRequested)
def _rollback_requested(run: Run, _event: Event, fact: events.RollbackRequested) -> Run:
    return _rollout(run, requested=f"{fact.name}: {fact.reason}")


@_folds(events.RolloutDecided)
def _rollout_decided(run: Run, _event: Event, fact: events.RolloutDecided) -> Run:
    return _rollout(
        run,
        decision=fact.decision,
        cause=fact.cause,
        reason=fact.reason,
        metric=fact.metric,
        measured=fact.measured,
        limit=fact.limit,
    )


@_folds(events.RolloutFinished)
def _rollout_finished(run: Run, event: Event, fact: events.RolloutFinished) -> Run:
    return _rollout(
        run,
        outcome=fact.outcome,
        rollback_seconds=fact.seconds,
        drained=fact.drained,
        finished_at=event.at,
    )


@_folds(events.RevertStarted)
def _revert_started(run: Run, event: Event, fact: events.RevertStarted) -> Run:
    revert = RevertRecord(
        fact.environment, fact.release, fact.deployment, fact.left_release, fact.left_deployment, fact.name,
        fact.reason, event.at, event.stage,
    )  # fmt: skip
    return replace(run, revert=revert)


@_folds(events.RevertFinished)
def _revert_finished(run: Run, event: Event, fact: events.RevertFinished) -> Run:
    if run.revert is None:
        return run
    done = replace(run.revert, seconds=fact.seconds, drained=fact.drained, finished_at=event.at)
    return replace(run, revert=done)


@_folds(events.Verified)
def _verified(run: Run, _event: Event, fact: events.Verified) -> Run:
    return replace(run, verified=fact.checks)


@_folds(events.RunFinished)
def _run_finished(run: Run, event: Event, fact: events.RunFinished) -> Run:
    return replace(run, result=fact.result, exit_code=fact.exit_code, reason=fact.reason, finished_at=event.at)


def _update(run: Run, stage_id: str, **changes: Any) -> Run:
    stage = replace(run.stages.get(stage_id, StageRecord(stage_id)), **changes)
    return replace(run, stages={**run.stages, stage_id: stage})
