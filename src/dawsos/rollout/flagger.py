"""Conducts a rollout that Flagger drives: brings the release to its Deployment, waits for this revision's end, and tells it.

Flagger moves the traffic.  The phase in the cluster is the truth, so a tool that was killed asks again and goes on.  What the tool
adds: it starts a run only when none is under way, it knows a phase of its own revision from one of another, it ends the wait when
Flagger never begins or holds a weight for too long, and it carries out a rollback that a person asks for: it cuts the route at once
and lets Flagger count its threshold of failed checks, so that Flagger itself scales the canary down and says Failed.

=====================  =========================================================
phase                  what it means for our revision
=====================  =========================================================
hash or time as before  Flagger has not seen the revision (``Promoted`` is true, and means the one before)
Initialized            it was the first: promoted at once, nothing was checked
Progressing, Waiting*  under way
Promoting, Finalising  accepted: a rollback is too late
Succeeded              promoted
Failed                 rolled back
=====================  =========================================================
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from dawsos.adapters.kubernetes import ApiError, Unreachable
from dawsos.errors import InfrastructureError
from dawsos.model.events import (
    Deployed,
    DriverTold,
    RollbackRequested,
    RolloutDecided,
    RolloutFinished,
    RolloutStarted,
    WeightConfirmed,
    WeightIntended,
)
from dawsos.model.policy import RolloutPolicy
from dawsos.model.run import RolloutRecord
from dawsos.model.status import RolloutDecision, RolloutOutcome
from dawsos.platforms.kubernetes.flagger import PROMOTING, RUNNING, CanaryState, FlaggerCanary
from dawsos.platforms.kubernetes.flagger_target import FlaggerTarget, NewTemplate
from dawsos.ports import Clock, Recorder
from dawsos.rollout.controller import Finished, record_decision
from dawsos.rollout.decision import flagger_failed, flagger_promoted, overtaken, rejected, requested, stood_still

Stage = Literal["unseen", "running", "promoting", "first", "promoted", "failed"]

# Seconds beside some of Flagger's ticks: to notice a new revision (pods start, images are pulled), and to end after a request.
_START, _END, _TICKS = 120.0, 60.0, 3
# How long the API server may be away before the tool gives up waiting; `dawsos resume` goes on then.
_AWAY = 300.0
T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What is rolled out, and how.

    ``documents`` are the objects of the export.  ``interval`` is Flagger's, in seconds, ``threshold`` its number of failed checks,
    ``judged`` says that `dawsos judge` holds each weight for the time of its step.
    """

    environment: str
    url: str
    new: NewTemplate
    policy: RolloutPolicy
    documents: Sequence[Mapping[str, Any]]
    interval: float
    threshold: int
    judged: bool = False

    @property
    def step_limit(self) -> float:
        """The seconds that a weight may stand still."""
        step = max(step.duration for step in self.policy.ladder) if self.judged else self.interval
        return step + self.policy.no_data_deadline + _TICKS * self.interval


def stage_of(before: CanaryState, now: CanaryState | None) -> Stage:
    """Return what Flagger's state means for the revision that came after ``before``."""
    if now is None or not now.applied or now.applied == before.applied or now.since == before.since:
        return "unseen"
    if now.phase in PROMOTING:
        return "promoting"
    if now.phase == "Initialized":
        # Only a new Canary gets there; one that was there before goes on to Progressing.
        return "unseen" if before.applied else "first"
    ends: dict[str, Stage] = {"Succeeded": "promoted", "Failed": "failed"}
    return ends.get(now.phase, "running" if now.phase in RUNNING else "unseen")


@dataclass
class FlaggerConductor:
    """One rollout by Flagger.  ``stage`` is that of the pipeline, under which facts are recorded.

    ``prepare`` runs the commands of the release that come before any change; it may be called again.
    """

    stage: str
    plan: Plan
    canary: FlaggerCanary
    target: FlaggerTarget
    recorder: Recorder
    clock: Clock
    prepare: Callable[[], Awaitable[None]]
    _seen: int = 0
    _weight: int = 0
    _since: float = 0.0
    _revision: str = ""
    _known: list[str] = field(default_factory=list)

    async def conduct(self, record: RolloutRecord | None) -> Finished:
        """Begin the rollout, or go on with the recorded one, and bring it to its end.  Raises BadInput and InfrastructureError."""
        if record is not None and record.outcome:
            return Finished(record.outcome, record.reason, record.rollback_seconds)
        if record is None:
            before = await self._begin()
        else:
            found = await self.target.state()
            if found is None or found.deployment != self.plan.new.deployment:
                if found is not None and record.told:
                    return self._end(
                        overtaken(f"the Deployment has the release {found.release[:12] or 'of somebody else'}")
                    )
                before = await self._change(await self.canary.state() or CanaryState())
            else:
                before = found.before
                await self.target.apply([dict(each) for each in self.plan.documents])
            if record.decision is RolloutDecision.ROLLBACK:
                return await self._abort(record.reason)
        return await self._watch(before)

    async def _begin(self) -> CanaryState:
        plan = self.plan
        await self._flagger_must_be_there()
        await self._idle()
        await self.prepare()
        # The commands may have taken minutes, in which somebody else may have begun.
        state = await self._idle()
        found = await self.target.state()
        started = RolloutStarted(
            release=plan.new.release,
            deployment=plan.new.deployment,
            environment=plan.environment,
            stable_release=found.release if found and state else "",
            stable_deployment=found.deployment if found and state else "",
            ladder=tuple(step.weight for step in plan.policy.ladder),
            policy=plan.policy.model_dump(mode="json"),
            traffic="real",
            first=state is None,
        )
        self.recorder.record(started, self.stage)
        before = await self._change(state or CanaryState())
        self.recorder.record(Deployed(plan.environment, plan.new.release, plan.new.deployment, plan.url), self.stage)
        return before

    async def _idle(self) -> CanaryState | None:
        """Return what Flagger says; raises InfrastructureError while a run is under way."""
        state = await self.canary.state()
        if state is not None and (state.phase in RUNNING | PROMOTING):
            raise InfrastructureError(
                f"Flagger is at work on the Canary {self._name} already: {state.phase}",
                fix=f"wait for its end: kubectl -n {self.canary.namespace} get canary {self.canary.name} -w",
            )
        return state

    async def _change(self, before: CanaryState) -> CanaryState:
        """Bring the release and the export to the cluster.  A Canary that is new must find the release in its Deployment."""
        documents = [dict(each) for each in self.plan.documents]
        if before.applied:
            await self.target.apply(documents)
            await self.target.change(self.plan.new, before)
        else:
            await self.target.change(self.plan.new, before)
            await self.target.apply(documents)
        return before

    async def _flagger_must_be_there(self) -> None:
        if await self.canary.cluster.find("/apis/flagger.app/v1beta1") is None:
            raise InfrastructureError(
                f"the cluster of the context {self.canary.cluster.context!r} does not know Flagger's Canary",
                fix="install Flagger (https://docs.flagger.app), or set driver: dawsos",
            )

    @property
    def _name(self) -> str:
        return f"{self.canary.namespace}/{self.canary.name}"

    async def _watch(self, before: CanaryState) -> Finished:
        """Wait for the end of our revision's run."""
        began = self._since = self.clock.monotonic()
        while True:
            finished = await self._insist(lambda: self._step(before, began))
            if finished is not None:
                return finished
            await self.clock.sleep(self.plan.policy.tick)

    async def _insist(self, act: Callable[[], Awaitable[T]]) -> T:
        """Return what ``act`` returns; while the API server does not answer it is tried again, since Flagger goes on meanwhile."""
        began = self.clock.monotonic()
        while True:
            try:
                return await act()
            except (ApiError, Unreachable) as error:
                refused = isinstance(error, ApiError) and error.status < 500
                if refused or self.clock.monotonic() - began > _AWAY:
                    raise
            await self.clock.sleep(self.plan.policy.tick)

    async def _step(self, before: CanaryState, began: float) -> Finished | None:
        """Look once, and return the end when it is reached; it may be repeated."""
        state = await self._look()
        stage = stage_of(before, state)
        late = await self._overtaken(state) if state is not None and stage != "unseen" else None
        why = await self._why() if stage == "failed" else None
        if late is not None:
            return self._end(late)
        asked = self._requested()
        if asked and stage in ("unseen", "running"):
            return await (self._withdraw(asked) if stage == "unseen" else self._stop(asked))
        if stage in ("first", "promoted"):
            return self._end(flagger_promoted(first=stage == "first"))
        if why is not None:
            return self._end(why)
        limit = self._limit(stage)
        if self.clock.monotonic() - (began if stage == "unseen" else self._since) > limit:
            return await self._too_late(stage, limit)
        return None

    def _limit(self, stage: Stage) -> float:
        return _START + _TICKS * self.plan.interval if stage == "unseen" else self.plan.step_limit

    async def _too_late(self, stage: Stage, limit: float) -> Finished | None:
        if stage == "unseen":
            said = "; ".join(self._known[-3:]) or "no event of Flagger tells of it"
            await self._insist(lambda: self.target.undo(self.plan.new.deployment))
            raise InfrastructureError(
                f"Flagger has not begun with the Canary {self._name} within {limit:.0f} s: {said}",
                fix="see whether Flagger runs, watches this namespace, and has the provider of the Canary: "
                f"kubectl -n {self.canary.namespace} describe canary {self.canary.name}. The Deployment is as it was before",
            )
        if stage == "promoting":
            raise InfrastructureError(
                f"Flagger has been promoting the Canary {self._name} for {limit:.0f} s",
                fix=f"kubectl -n {self.canary.namespace} get pods; dawsos resume goes on waiting",
            )
        if self.plan.policy.at_deadline == "hold":
            self._since = self.clock.monotonic()
            return None
        return await self._stop(stood_still(self._weight, limit))

    async def _look(self) -> CanaryState | None:
        """Read the Canary, and record what is new: the weight, the phase and what Flagger said."""
        state = await self.canary.state()
        if state is None:
            return None
        said = await self.canary.events()
        for message in said:
            if message not in self._known:
                self._known.append(message)
                self.recorder.record(DriverTold(message, state.phase), self.stage)
        route = await self.canary.route()
        weight = route.weight if route is not None else state.weight
        if weight != self._weight and state.phase in RUNNING:
            self._weight, self._since = weight, self.clock.monotonic()
            self.recorder.record(WeightIntended(weight), self.stage)
            self.recorder.record(WeightConfirmed(weight), self.stage)
        return state

    async def _overtaken(self, state: CanaryState) -> RolloutDecided | None:
        """Return the decision when Flagger or the Deployment follows another revision than ours."""
        revision = f"{state.applied}/{state.configs}"
        found = await self.target.state()
        if found is None or found.deployment != self.plan.new.deployment:
            return overtaken("somebody changed the Deployment")
        if self._revision and revision != self._revision:
            return overtaken("the pod template, or a ConfigMap or Secret that it names, changed meanwhile")
        self._revision = revision
        return None

    async def _why(self) -> RolloutDecided:
        """Return the decision about a run that failed: the judge's, when its verdict is about this revision."""
        route = await self.canary.route()
        verdict = route.verdict if route is not None else None
        if verdict is not None and verdict.run.startswith(f"{self._revision}/"):
            return rejected(verdict.cause, verdict.reason, verdict.metric, verdict.measured, verdict.limit)
        return flagger_failed(self._known)

    async def _stop(self, decided: RolloutDecided) -> Finished:
        """Record the decision to end a run that is under way, and carry it out."""
        record_decision(self.recorder, self.stage, decided)
        return await self._abort(decided.reason)

    async def _abort(self, reason: str) -> Finished:
        """Take the traffic from the canary at once, and let Flagger fail its run; both again until it says Failed.

        A Flagger that does not answer finds its threshold reached whenever it comes back, so nothing is left to do then.
        """
        started, seconds = self.clock.monotonic(), None
        while self.clock.monotonic() - started < _END + _TICKS * self.plan.interval:
            await self._insist(self.canary.cut)
            seconds = seconds or round(self.clock.monotonic() - started, 4)
            state = await self._insist(self._look)
            if state is None or state.phase not in RUNNING:
                break
            if state.failed < self.plan.threshold:
                await self._insist(lambda: self.canary.fail(self.plan.threshold))
            await self.clock.sleep(min(1.0, self.plan.policy.tick))
        self.recorder.record(RolloutFinished(RolloutOutcome.ROLLED_BACK, reason, seconds), self.stage)
        return Finished(RolloutOutcome.ROLLED_BACK, reason, seconds)

    async def _withdraw(self, decided: RolloutDecided) -> Finished:
        """End a rollout that Flagger has not begun: the Deployment gets back what it had."""
        record_decision(self.recorder, self.stage, decided)
        await self._insist(lambda: self.target.undo(self.plan.new.deployment))
        self.recorder.record(RolloutFinished(RolloutOutcome.ROLLED_BACK, decided.reason), self.stage)
        return Finished(RolloutOutcome.ROLLED_BACK, decided.reason)

    def _end(self, decided: RolloutDecided) -> Finished:
        """Record what Flagger has done already."""
        promoted = decided.decision is RolloutDecision.PROMOTE
        outcome = RolloutOutcome.PROMOTED if promoted else RolloutOutcome.ROLLED_BACK
        record_decision(self.recorder, self.stage, decided)
        self.recorder.record(RolloutFinished(outcome, decided.reason), self.stage)
        return Finished(outcome, decided.reason)

    def _requested(self) -> RolloutDecided | None:
        """Return the decision when a person asked for a rollback from another terminal."""
        for event in self.recorder.since(self._seen):
            self._seen = max(self._seen, event.seq)
            if isinstance(event.fact, RollbackRequested):
                return requested(event.fact.name, event.fact.reason)
        return None
