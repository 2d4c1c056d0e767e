"""The metrics are a pure fold of the events of all runs: one function for each kind, in one table.

``fold_metrics(later, fold_metrics(earlier))`` is ``fold_metrics([*earlier, *later])``, so a reader that keeps its position reads
each event once.  docs/metrics.md has the definitions, and which events count for each of DORA's metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from dawsos.model import events
from dawsos.model.events import Event, Fact
from dawsos.model.metrics import (
    FAMILIES,
    Histogram,
    Metrics,
    OpenRollout,
    OpenRun,
    PendingApproval,
    Serving,
    cleared,
    resumed,
)
from dawsos.model.rollout import Reading
from dawsos.model.status import ApprovalDecision, RolloutOutcome, RunResult, StageState

_F = TypeVar("_F", bound=Fact)
_Handler = Callable[["_Folding", OpenRun, Event, Any], OpenRun]
_HANDLERS: dict[type[Fact], _Handler] = {}
# What an older journal does not say.
_PRODUCTION, _UNKNOWN = "production", "unknown"


def fold_metrics(found: Iterable[Event], before: Metrics | None = None) -> Metrics:
    """Return the metrics after the events ``found``; continues from ``before`` when given.

    The events of one run come in their order.  Events of a run whose beginning is missing, or that has ended, change nothing.
    """
    folding = _Folding(before or Metrics())
    for event in found:
        folding.take(event)
    return folding.done()


class _Folding:
    """The metrics while they are counted on, in dictionaries of their own."""

    def __init__(self, before: Metrics) -> None:
        self.counters = {name: dict(values) for name, values in before.counters.items()}
        self.histograms = {name: dict(values) for name, values in before.histograms.items()}
        self.runs = dict(before.runs)
        # The last event of each run that was taken: (number, time).
        self.reached: dict[str, tuple[int, float]] = {}
        self.last_ended = dict(before.last_ended)
        self.serving = dict(before.serving)
        self.valid_until = dict(before.valid_until)

    def done(self) -> Metrics:
        for name, (seq, at) in self.reached.items():
            if name in self.runs:
                self.runs[name] = replace(self.runs[name], seq=seq, last_at=at)
        return Metrics(self.counters, self.histograms, self.runs, self.last_ended, self.serving, self.valid_until)

    def take(self, event: Event) -> None:
        run = _begun(event, event.fact) if isinstance(event.fact, events.RunStarted) else self.runs.get(event.run)
        if run is None:
            return
        handler = _HANDLERS.get(type(event.fact))
        self.runs[event.run] = handler(self, run, event, event.fact) if handler else run
        self.reached[event.run] = (event.seq, event.at)
        if isinstance(event.fact, events.RunFinished) and event.fact.result is not RunResult.WAITING:
            del self.runs[event.run]

    def count(self, name: str, *labels: str) -> None:
        """Count one more in the series of the family ``name`` with these labels."""
        series = self.counters.setdefault(name, {})
        series[labels] = series.get(labels, 0) + 1

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Put ``seconds`` into a histogram; a clock that was set back gives 0."""
        series = self.histograms.setdefault(name, {})
        before = series.get(labels) or Histogram.empty(name)
        series[labels] = before.plus(max(0.0, seconds), FAMILIES[name].buckets)

    # DORA.

    def failed(self, environment: str, at: float) -> None:
        """What serves ``environment`` needed a person: its deployment failed, and at ``at`` it was over."""
        serving = self.serving.get(environment)
        if serving is None or serving.failed:
            return
        self.count("dora_failed_deployments_total")
        self.observe("dora_recovery_seconds", at - serving.since)
        self.serving[environment] = replace(serving, failed=True, recovered=True)

    def deployed(self, run: OpenRun, environment: str, now: Serving, at: float) -> None:
        """A ship brought ``now`` to all users of ``environment`` at ``at``; ``now.failed``: it serves, and is not as it must be."""
        before = self.serving.get(environment)
        self.count("dora_deployments_total")
        if run.hotfix:
            self.count("dora_rework_deployments_total")
            self.failed(environment, at)
        if now.failed:
            self.count("dora_failed_deployments_total")
        elif before is not None and before.failed and not before.recovered:
            self.observe("dora_recovery_seconds", at - before.since)
        if run.committed_at is not None and not now.failed and (before is None or before.commit != run.commit):
            self.observe("dora_lead_time_seconds", at - run.committed_at)
        self.serving[environment] = now


def _begun(event: Event, fact: events.RunStarted) -> OpenRun:
    # A drill must be rolled back, unless it has no fault.
    with_fault = fact.command == "drill" and fact.options.get("fault") != "none"
    return OpenRun(
        command=fact.command,
        started_at=event.at,
        commit=fact.commit,
        committed_at=fact.committed_at,
        hotfix=bool(fact.options.get("hotfix")),
        wanted=RunResult.ROLLED_BACK if with_fault else RunResult.PASSED,
        deploys=dict(fact.deploys),
        rollouts=dict(fact.rollouts),
    )


def _folds(kind: type[_F]) -> Callable[[Callable[[_Folding, OpenRun, Event, _F], OpenRun]], None]:
    """Register the function that folds facts of ``kind``; it returns the run as it is then."""

    def register(handler: Callable[[_Folding, OpenRun, Event, _F], OpenRun]) -> None:
        _HANDLERS[kind] = handler

    return register


@_folds(events.RunResumed)
def _run_resumed(folding: _Folding, run: OpenRun, event: Event, _fact: events.RunResumed) -> OpenRun:
    # An owner that was killed recorded no end: nothing went on since its last event.
    _, last_at = folding.reached.get(event.run, (run.seq, run.last_at))
    return resumed(replace(run, paused_at=last_at if run.paused_at is None else run.paused_at), event.at)


@_folds(events.RunFinished)
def _run_finished(folding: _Folding, run: OpenRun, event: Event, fact: events.RunFinished) -> OpenRun:
    if fact.result is RunResult.WAITING:
        return replace(run, paused_at=event.at if run.paused_at is None else run.paused_at)
    result = "success" if fact.result == run.wanted else "failure"
    folding.count("ci_pipeline_runs_total", run.command, "true" if run.hotfix else "false", fact.result, result)
    folding.observe("ci_pipeline_duration_seconds", event.at - run.started_at, run.command)
    folding.last_ended[run.command, result] = event.at
    return run


@_folds(events.StageFinished)
def _stage_finished(folding: _Folding, run: OpenRun, event: Event, fact: events.StageFinished) -> OpenRun:
    stage = event.stage
    if fact.result is StageState.WAITING:
        return run
    folding.count("ci_pipeline_stages_total", stage, fact.result)
    folding.observe("ci_pipeline_stage_duration_seconds", fact.seconds, stage)
    if stage in run.approvals:
        run = replace(resumed(run, event.at), approvals=cleared(run.approvals, stage))
    if run.command == "ship" and run.rollout is None and stage not in run.settled:
        _stage_deployed(folding, run, event, fact)
    if stage not in run.deployed and stage not in run.settled:
        return run
    deployed = {key: release for key, release in run.deployed.items() if key != stage}
    return replace(run, deployed=deployed, settled=tuple(name for name in run.settled if name != stage))


def _stage_deployed(folding: _Folding, run: OpenRun, event: Event, fact: events.StageFinished) -> None:
    """Count a deployment without a rollout, and a rollout stage that failed before its rollout began."""
    stage, passed = event.stage, fact.result is StageState.PASSED
    environment, release = run.deployed.get(stage, ("", ""))
    if stage in run.rollouts:
        if not passed:
            folding.count("deployments_total", run.rollouts[stage], "failure")
        return
    # An older journal does not say which stages deploy; one that passed after it had put a release somewhere does.
    environment = run.deploys.get(stage, environment if passed else "")
    if not environment:
        return
    folding.count("deployments_total", environment, "success" if passed else "failure")
    if environment == _PRODUCTION and release:
        now = Serving(release, run.commit, event.at - fact.seconds, failed=not passed)
        folding.deployed(run, environment, now, event.at)


@_folds(events.StageRestored)
def _stage_restored(folding: _Folding, run: OpenRun, event: Event, _fact: events.StageRestored) -> OpenRun:
    folding.count("ci_pipeline_stages_total", event.stage, StageState.RESTORED)
    return run


@_folds(events.StageSkipped)
def _stage_skipped(folding: _Folding, run: OpenRun, event: Event, _fact: events.StageSkipped) -> OpenRun:
    folding.count("ci_pipeline_stages_total", event.stage, StageState.SKIPPED)
    return run


@_folds(events.GateEvaluated)
def _gate_evaluated(folding: _Folding, run: OpenRun, event: Event, fact: events.GateEvaluated) -> OpenRun:
    verdict = fact.verdict
    folding.count("ci_pipeline_gates_total", event.stage, verdict.gate, verdict.kind, verdict.result)
    if verdict.passed:
        folding.valid_until[event.stage, verdict.gate] = verdict.valid_until
    return run


@_folds(events.ApprovalRequested)
def _approval_requested(_folding: _Folding, run: OpenRun, event: Event, fact: events.ApprovalRequested) -> OpenRun:
    before = run.approvals.get(event.stage)
    asked = PendingApproval(event.at, fact.digest, fact.needed)
    if before is not None and before.digest == fact.digest:
        asked = replace(before, needed=fact.needed)
    paused = event.at if run.paused_at is None else run.paused_at
    return replace(run, paused_at=paused, approvals={**run.approvals, event.stage: asked})


@_folds(events.ApprovalGiven)
def _approval_given(_folding: _Folding, run: OpenRun, event: Event, fact: events.ApprovalGiven) -> OpenRun:
    asked = run.approvals.get(event.stage)
    if asked is None or asked.digest != fact.digest:
        return run
    names = tuple(dict.fromkeys((*asked.names, fact.name)))
    if fact.decision is ApprovalDecision.REJECTED or len(names) >= asked.needed:
        return replace(run, approvals=cleared(run.approvals, event.stage))
    return replace(run, approvals={**run.approvals, event.stage: replace(asked, names=names)})


@_folds(events.Deployed)
def _deployed(_folding: _Folding, run: OpenRun, event: Event, fact: events.Deployed) -> OpenRun:
    return replace(run, deployed={**run.deployed, event.stage: (fact.environment, fact.release)})


# Rollouts.


@_folds(events.RolloutStarted)
def _rollout_started(folding: _Folding, run: OpenRun, event: Event, fact: events.RolloutStarted) -> OpenRun:
    if run.command == "ship":
        folding.count("canary_deployments_total")
        folding.observe("ci_pipeline_time_to_canary_seconds", event.at - run.started_at - run.idle)
    environment = fact.environment or run.deployed.get(event.stage, (_PRODUCTION, ""))[0]
    policy = fact.policy
    rollout = OpenRollout(
        environment,
        fact.release,
        lease=float(policy.get("lease") or OpenRollout.lease),
        limits=(policy.get("error_rate"), policy.get("p95")),
    )
    return replace(run, rollout=rollout)


@_folds(events.WeightConfirmed)
def _weight_confirmed(_folding: _Folding, run: OpenRun, event: Event, fact: events.WeightConfirmed) -> OpenRun:
    if run.rollout is None:
        return run
    first = event.at if fact.weight and run.rollout.served_at is None else run.rollout.served_at
    return replace(run, rollout=replace(run.rollout, weight=fact.weight, served_at=first))


@_folds(events.RolloutSampled)
def _rollout_sampled(_folding: _Folding, run: OpenRun, _event: Event, fact: events.RolloutSampled) -> OpenRun:
    if run.rollout is None:
        return run
    checked = (("check error rate", fact.check.error_rate), ("check p95 seconds", fact.check.p95))
    measured = tuple(
        Reading(name, value, limit)
        for (name, value), limit in zip(checked, run.rollout.limits, strict=True)
        if value is not None and limit is not None
    )
    return replace(run, rollout=replace(run.rollout, evidence=(*fact.evidence, *measured)))


@_folds(events.RolloutDecided)
def _rollout_decided(_folding: _Folding, run: OpenRun, event: Event, fact: events.RolloutDecided) -> OpenRun:
    if run.rollout is None:
        return run
    return replace(run, rollout=replace(run.rollout, decided_at=event.at, cause=fact.cause))


@_folds(events.RolloutFinished)
def _rollout_finished(folding: _Folding, run: OpenRun, event: Event, fact: events.RolloutFinished) -> OpenRun:
    rollout = run.rollout
    if rollout is not None and run.command == "ship":
        promoted = fact.outcome is RolloutOutcome.PROMOTED
        folding.count("deployments_total", rollout.environment, "success" if promoted else "failure")
        if promoted:
            now = Serving(rollout.release, run.commit, rollout.served_at or event.at)
            folding.deployed(run, rollout.environment, now, event.at)
        else:
            _rolled_back(folding, run, rollout, _over(event.at, rollout.decided_at, fact.seconds))
    return replace(run, rollout=None, settled=(*run.settled, event.stage))


def _rolled_back(folding: _Folding, run: OpenRun, rollout: OpenRollout, at: float) -> None:
    """Count a rollout that ended at ``at`` without a promotion; one whose release never served is no deployment to DORA."""
    folding.count("canary_rollbacks_total")
    folding.count("canary_rollbacks_by_cause_total", rollout.cause or _UNKNOWN)
    if rollout.served_at is None:
        return
    folding.count("dora_deployments_total")
    if run.hotfix:
        folding.count("dora_rework_deployments_total")
    folding.count("dora_failed_deployments_total")
    folding.observe("dora_recovery_seconds", at - rollout.served_at)


def _over(recorded: float, decided: float | None, seconds: float | None) -> float:
    """Return when the last request was sent: ``seconds`` after the decision where both are known, else when it was recorded."""
    return recorded if decided is None or seconds is None else min(recorded, decided + seconds)


@_folds(events.RevertStarted)
def _revert_started(_folding: _Folding, run: OpenRun, event: Event, fact: events.RevertStarted) -> OpenRun:
    return replace(run, revert=(fact.environment, fact.left_release, fact.release, event.at))


@_folds(events.RevertFinished)
def _revert_finished(folding: _Folding, run: OpenRun, event: Event, fact: events.RevertFinished) -> OpenRun:
    if run.revert is None:
        return run
    environment, left, release, began = run.revert
    at = _over(event.at, began, fact.seconds)
    serving = folding.serving.get(environment)
    if serving is not None and left in ("", serving.release):
        folding.failed(environment, at)
    folding.serving[environment] = Serving(release, run.commit, at)
    return replace(run, revert=None)
