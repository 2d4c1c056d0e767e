"""The state of a run is a pure fold of its events: one function for each kind, in one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from dawsos.model.events import Event
from dawsos.model.findings import Finding
from dawsos.model.run import ApprovalRecord, RolloutRecord, Run, StageRecord, StepRecord
from dawsos.model.verdicts import GateVerdict


def fold(events: Iterable[Event], run: Run | None = None) -> Run:
    """Return the run's state after ``events``; continues from ``run`` when given."""
    state = run or Run()
    for event in events:
        state = replace(apply(state, event), last_seq=event.seq)
    return state


def apply(run: Run, event: Event) -> Run:
    """Return the run's state after one more event."""
    handler = _HANDLERS.get(event.kind)
    return handler(run, event) if handler else run


def _run_started(run: Run, event: Event) -> Run:
    body = event.body
    return replace(
        run,
        id=event.run,
        command=body.get("command", ""),
        commit=body.get("commit", ""),
        ref=body.get("ref", ""),
        dirty=int(body.get("dirty", 0)),
        profile=body.get("profile", ""),
        definition=body.get("definition", ""),
        options=body.get("options", {}),
        started_at=event.at,
        stages={stage: StageRecord(stage) for stage in body.get("stages", ())},
    )


def _run_resumed(run: Run, event: Event) -> Run:
    # What was running or waiting when the last owner went away has to be looked at again.
    stages = {
        key: stage if stage.done or stage.state in ("pending", "rolled_back") else replace(stage, state="pending")
        for key, stage in run.stages.items()
    }
    return replace(run, result="", exit_code=None, reason="", finished_at=None, stages=stages)


def _key_certified(run: Run, event: Event) -> Run:
    return replace(run, certificate=event.body)


def _stage_started(run: Run, event: Event) -> Run:
    # Work that was done before the run was resumed keeps its steps; its gates are asked again.
    steps = run.stages[event.stage].steps if event.body.get("done") and event.stage in run.stages else ()
    return _update(
        run,
        event.stage,
        state="running",
        started_at=event.at,
        finished_at=None,
        attempt=event.body.get("attempt", 1),
        fingerprint=event.body.get("fingerprint", ""),
        tools=event.body.get("tools", {}),
        reason="",
        steps=steps,
        gates=(),
    )


def _step_started(run: Run, event: Event) -> Run:
    stage = run.stages.get(event.stage, StageRecord(event.stage))
    step = StepRecord(event.body.get("name", ""), event.body.get("command", ""))
    return _update(run, event.stage, steps=(*stage.steps, step))


def _step_finished(run: Run, event: Event) -> Run:
    stage = run.stages.get(event.stage, StageRecord(event.stage))
    if not stage.steps:
        return run
    body = event.body
    last = replace(
        stage.steps[-1],
        classification=body.get("classification", ""),
        exit_code=body.get("exit_code"),
        seconds=body.get("seconds", 0.0),
        log=body.get("log", ""),
    )
    return _update(run, event.stage, steps=(*stage.steps[:-1], last))


def verdict_from(body: dict[str, Any]) -> GateVerdict:
    """Return the verdict that a ``gate_evaluated`` body holds."""
    return GateVerdict(
        gate=body["gate"],
        kind=body["kind"],
        result=body["result"],
        measured=body["measured"],
        limit=body["limit"],
        message=body["message"],
        evidence=tuple(body.get("evidence", ())),
        findings=tuple(body.get("findings", ())),
        valid_until=body.get("valid_until"),
        places=tuple(Finding.from_body(place) for place in body.get("places", ())),
    )


def _gate_evaluated(run: Run, event: Event) -> Run:
    stage = run.stages.get(event.stage, StageRecord(event.stage))
    return _update(run, event.stage, gates=(*stage.gates, verdict_from(event.body)))


def _stage_restored(run: Run, event: Event) -> Run:
    body = event.body
    # What an attempt before the resume came to is not what was restored.
    return _update(
        run,
        event.stage,
        state="restored",
        reason="",
        seconds=0.0,
        steps=(),
        fingerprint=body.get("fingerprint", ""),
        from_run=body.get("from_run", ""),
        original=body.get("original", ""),
        evidence=body.get("evidence", {}),
        tools=body.get("tools", {}),
        started_at=event.at,
        finished_at=event.at,
        gates=(),
    )


def _stage_finished(run: Run, event: Event) -> Run:
    body = event.body
    return _update(
        run,
        event.stage,
        state=body["result"],
        finished_at=event.at,
        seconds=body.get("seconds", 0.0),
        reason=body.get("reason", ""),
        evidence=body.get("evidence", {}),
    )


def _stage_skipped(run: Run, event: Event) -> Run:
    return _update(run, event.stage, state="skipped", reason=event.body.get("reason", ""))


def _files_changed(run: Run, event: Event) -> Run:
    return replace(run, changed_files=(*run.changed_files, {**event.body, "stage": event.stage}))


def _release_built(run: Run, event: Event) -> Run:
    body = event.body
    builder, why = body.get("builder", ""), body.get("why", "")
    return replace(run, release=body["release"], builder=builder, builder_why=why, release_bytes=body.get("bytes", 0))


def _deployed(run: Run, event: Event) -> Run:
    return replace(run, deployments=(*run.deployments, {**event.body, "at": event.at}))


def _approval_requested(run: Run, event: Event) -> Run:
    return replace(
        run, approval_requests=(*run.approval_requests, {**event.body, "stage": event.stage, "at": event.at})
    )


def _approval_given(run: Run, event: Event) -> Run:
    body = event.body
    record = ApprovalRecord(
        event.stage,
        body["digest"],
        body["decision"],
        body["name"],
        body.get("reason", ""),
        body.get("how", ""),
        event.at,
        body.get("expires_at", 0.0),
        body.get("statement", ""),
    )
    return replace(run, approvals=(*run.approvals, record))


def _rollout_started(run: Run, event: Event) -> Run:
    body = event.body
    rollout = RolloutRecord(
        release=body["release"],
        deployment=body["deployment"],
        stable_release=body.get("stable_release", ""),
        stable_deployment=body.get("stable_deployment", ""),
        started_at=event.at,
        ladder=tuple(body.get("ladder", ())),
        traffic=body.get("traffic", ""),
        drill=body.get("drill", ""),
        policy=body.get("policy", {}),
    )
    return replace(run, rollout=rollout)


def _rollout(run: Run, **changes: Any) -> Run:
    return run if run.rollout is None else replace(run, rollout=replace(run.rollout, **changes))


def _power_estimated(run: Run, event: Event) -> Run:
    return _rollout(run, power=event.body)


def _weight_intended(run: Run, event: Event) -> Run:
    weight = event.body["weight"]
    return _rollout(run, weight_intended=weight, rung=event.body.get("rung", weight))


def _weight_confirmed(run: Run, event: Event) -> Run:
    if run.rollout is None:
        return run
    weight = event.body["weight"]
    return _rollout(run, weight=weight, weights=(*run.rollout.weights, (event.at, weight)))


def _rollout_sampled(run: Run, event: Event) -> Run:
    if run.rollout is None:
        return run
    return _rollout(run, samples=(*run.rollout.samples, {**event.body, "recorded_at": event.at}))


def _rollback_requested(run: Run, event: Event) -> Run:
    return _rollout(run, requested=f"{event.body.get('name', '')}: {event.body.get('reason', '')}")


def _rollout_decided(run: Run, event: Event) -> Run:
    return _rollout(run, decision=event.body["decision"], reason=event.body.get("reason", ""))


def _rollout_finished(run: Run, event: Event) -> Run:
    body = event.body
    return _rollout(
        run,
        outcome=body["outcome"],
        rollback_seconds=body.get("seconds"),
        drained=body.get("drained"),
        finished_at=event.at,
    )


def _verified(run: Run, event: Event) -> Run:
    return replace(run, verified=tuple(event.body.get("checks", ())))


def _run_finished(run: Run, event: Event) -> Run:
    body = event.body
    return replace(
        run, result=body["result"], exit_code=body.get("exit_code"), reason=body.get("reason", ""), finished_at=event.at
    )


def _update(run: Run, stage_id: str, **changes: Any) -> Run:
    stage = replace(run.stages.get(stage_id, StageRecord(stage_id)), **changes)
    return replace(run, stages={**run.stages, stage_id: stage})


_HANDLERS = {
    "run_started": _run_started,
    "run_resumed": _run_resumed,
    "key_certified": _key_certified,
    "stage_started": _stage_started,
    "step_started": _step_started,
    "step_finished": _step_finished,
    "gate_evaluated": _gate_evaluated,
    "stage_restored": _stage_restored,
    "stage_finished": _stage_finished,
    "stage_skipped": _stage_skipped,
    "files_changed": _files_changed,
    "release_built": _release_built,
    "deployed": _deployed,
    "approval_requested": _approval_requested,
    "approval_given": _approval_given,
    "rollout_started": _rollout_started,
    "power_estimated": _power_estimated,
    "weight_intended": _weight_intended,
    "weight_confirmed": _weight_confirmed,
    "rollout_sampled": _rollout_sampled,
    "rollback_requested": _rollback_requested,
    "rollout_decided": _rollout_decided,
    "rollout_finished": _rollout_finished,
    "verified": _verified,
    "run_finished": _run_finished,
}
