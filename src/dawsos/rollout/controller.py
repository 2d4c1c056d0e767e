"""The rollout controller: a sample, a judgement and a decision every tick; each fact is in the journal before it takes effect.

Crash safety.  The controller records ``weight_intended`` before it sets the weight, and ``rollout_decided`` before it moves the
traffic.  A controller that resumes the rollout reads the fold of these facts: it carries out a recorded decision (again), and
without one it continues from the recorded step.  It first shows its judge the recorded samples, so that the evidence is the same
and the bound on false rollbacks holds over the whole rollout, however often the controller dies.  A controller that was suspended
for longer than its lease (SIGSTOP, a machine without memory) begins its step again as well.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from dawsos.analysis.judges import make_judge
from dawsos.analysis.measures import total
from dawsos.analysis.samples import from_facts, to_fact
from dawsos.analysis.statistical.judge import Judge
from dawsos.analysis.statistical.power import Baseline, power, sentences
from dawsos.errors import InfrastructureError
from dawsos.model.events import (
    PowerEstimated,
    RollbackRequested,
    RolloutDecided,
    RolloutFinished,
    WeightChange,
    WeightConfirmed,
    WeightIntended,
)
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Client, Decision, Judgement, Sample
from dawsos.model.run import RolloutRecord
from dawsos.model.status import RolloutDecision, RolloutOutcome
from dawsos.platforms.contract import NotFollowed, Telemetry, Traffic
from dawsos.ports import Clock, Recorder
from dawsos.rollout.decision import LadderState, decide, dimmed_weight, ended, requested

# How long the canary may take to answer what it has in flight.
DRAIN_DEADLINE = 10.0
_TRIES, _PAUSE = 60, 0.5


@dataclass(frozen=True)
class _Unfollowed:
    """A weight that not every proxy has shown yet: since when it is asked for, why it is, and what the proxies told last."""

    since: float
    weight: int
    change: WeightChange
    why: str
    told: str = ""


@dataclass(frozen=True)
class Finished:
    """How the rollout ended.  ``seconds`` runs from the decision to the last request that was sent to the canary."""

    outcome: RolloutOutcome
    reason: str
    seconds: float | None = None


class Keeping(Protocol):
    """Keeps what was recorded where another machine finds it; a platform that keeps nothing elsewhere does nothing."""

    async def keep(self) -> None:
        """Return once everything recorded so far is kept; raises InfrastructureError."""
        ...

    async def follow(self) -> None:
        """Keep what was recorded when the last time is a while ago; what fails now is kept the next time."""
        ...


class NotKept:
    """Keeps nothing: the run can be resumed on this machine only."""

    async def keep(self) -> None:
        pass

    async def follow(self) -> None:
        pass


def record_decision(recorder: Recorder, stage: str, decided: RolloutDecided) -> None:
    """Put the decision that ends a rollout into the journal, before anything of it takes effect."""
    recorder.record(decided, stage)


async def _kept(keeping: Keeping) -> None:
    """Keep what was recorded, as far as that can be done now."""
    with contextlib.suppress(InfrastructureError, OSError):
        await keeping.keep()


async def move_to_stable(traffic: Traffic, clock: Clock) -> None:
    """Give stable all traffic, and try until the proxies confirm: giving up would leave a rejected release with traffic.

    Raises the error of the last try.
    """
    for _ in range(_TRIES - 1):
        try:
            await traffic.set_weight(0)
        except (InfrastructureError, OSError):
            await clock.sleep(_PAUSE)
        else:
            return
    await traffic.set_weight(0)


@dataclass
class Controller:
    """Walks one canary up the ladder.  ``promote`` makes it the stable release once it is decided; ``client`` tells what the tool's
    own load saw since the last time."""

    stage: str
    policy: RolloutPolicy
    traffic: Traffic
    telemetry: Telemetry
    recorder: Recorder
    clock: Clock
    promote: Callable[[], Awaitable[None]]
    renew_lease: Callable[[float], Awaitable[None]]
    on_weight: Callable[[int], None] = lambda _weight: None
    client: Callable[[], Client | None] = lambda: None
    keeping: Keeping = field(default_factory=NotKept)
    first: bool = False
    seen: int = 0
    renewed: float = 0.0
    unfollowed: _Unfollowed | None = None

    async def run(self, record: RolloutRecord) -> Finished:
        """Carry the rollout ``record`` to its end and return how it ended."""
        if record.decision is RolloutDecision.ROLLBACK:
            return await self._roll_back(record.reason)
        # A request that a person made while no controller lived comes before anything that gives the canary traffic.
        request = self._requested()
        if request:
            return await self._end(request)
        if record.decision is RolloutDecision.PROMOTE:
            return await self._promote(record.reason)
        return await self._climb(record)

    async def _climb(self, record: RolloutRecord) -> Finished:
        """Walk up the ladder until something ends the rollout."""
        judge = make_judge(self.policy, first=self.first, warm=record.warm)
        for sample in from_facts(record.samples):
            judge.observe(sample)
        started = self.clock.monotonic()
        if not record.weight_intended and not self.first:
            request = await self._watch_stable(judge, started)
            if request:
                return await self._end(request)
        state = await self._enter(record)
        await self.telemetry.sample(0.0, self._weight(state))  # the baseline of the counters
        while True:
            unwatched = await self._until_the_next()
            if unwatched > self.policy.lease:
                request = self._requested()
                if request:
                    return await self._end(request)
                state = await self._come_back(state, unwatched)
                continue
            state = await self._ask_again(state)
            judgement = await self._tick(judge, state, started)
            await self.keeping.follow()
            request = self._requested()
            now = self.clock.monotonic()
            decision, reason = decide(state, judgement, now, self.policy)
            if request:
                return await self._end(request)
            if decision in ("rollback", "promote"):
                return await self._end(ended(decision, reason, judgement))
            state = await self._move(state, decision, judgement)

    async def _enter(self, record: RolloutRecord) -> LadderState:
        """Begin on the first step, or continue where an earlier controller was, with its dimmed weight."""
        weights = [step.weight for step in self.policy.ladder]
        step = record.step or record.weight_intended
        index = weights.index(step) if step in weights else 0
        dimmed = record.weight_intended if 0 < record.weight_intended < weights[index] else 0
        state = LadderState(index, self.clock.monotonic(), dimmed)
        await self._set_weight(state)
        return replace(state, since=self.clock.monotonic())

    async def _until_the_next(self) -> float:
        """Wait for the next tick and return for how many seconds the lease had not been renewed."""
        await self.clock.sleep(self.policy.tick)
        now = self.clock.monotonic()
        unwatched, self.renewed = now - self.renewed, now
        await self.renew_lease(self.policy.lease)
        return unwatched

    async def _come_back(self, state: LadderState, unwatched: float) -> LadderState:
        """Begin the step again: while this process was stopped, its lease ended and the supervisor took the traffic away.

        What happened meanwhile is not judged, because nobody knows how much of it was at which weight.
        """
        await self._set_weight(
            state, "resumed", f"after the controller had stood still for {unwatched:.0f} s: its lease had run out"
        )
        await self.telemetry.sample(0.0, self._weight(state))
        return replace(state, since=self.clock.monotonic())

    async def _tick(self, judge: Judge, state: LadderState, started: float) -> Judgement:
        sample = await self.telemetry.sample(self.clock.monotonic() - started, self._weight(state))
        sample = replace(sample, client=self.client())
        judgement = self._held(judge.observe(sample))
        step = self.policy.ladder[state.index].weight
        self.recorder.record(to_fact(sample, judgement, step), self.stage)
        return judgement

    def _held(self, judgement: Judgement) -> Judgement:
        """Return the judgement; of a weight that the proxies do not follow yet no step is passed, and a bad canary goes back."""
        if self.unfollowed is None or judgement.verdict == "failing":
            return judgement
        return replace(judgement, verdict="no_data", reason=f"held: {self.unfollowed.told}", proven=False)

    async def _watch_stable(self, judge: Judge, started: float) -> RolloutDecided | None:
        """Watch stable alone before the canary gets traffic, to learn what is slow for it and how much traffic there is.

        Returns the decision when a person asked for a rollback meanwhile.
        """
        await self.telemetry.sample(0.0, 0)
        seen: list[Sample] = []
        while self.clock.monotonic() - started < self.policy.baseline:
            await self.clock.sleep(self.policy.tick)
            await self.renew_lease(self.policy.lease)
            sample = await self.telemetry.sample(self.clock.monotonic() - started, 0)
            sample = replace(sample, client=self.client())
            judge.observe(sample)
            watching = Judgement("no_data", "watching the stable release before the first step")
            self.recorder.record(to_fact(sample, watching, 0), self.stage)
            seen += [sample] if sample.complete else []
            request = self._requested()
            if request:
                return request
        if seen and self.policy.judge == "statistical":
            await self._say_power(seen)
        return self._requested()

    async def _say_power(self, seen: list[Sample]) -> None:
        """Record before the first step what this rollout can find.  The computation takes a second or two, so it runs beside the
        loop.
        """
        usual = Baseline.of(total(sample.stable for sample in seen), sum(sample.seconds for sample in seen))
        found = await asyncio.to_thread(power, self.policy, usual)
        estimated = PowerEstimated(
            round(usual.rate, 2), round(usual.errors, 6), tuple(sentences(found)), (*found.warnings, *self._blind())
        )
        self.recorder.record(estimated, self.stage)

    def _blind(self) -> list[str]:
        return [f"not seen: {self.telemetry.blind}"] if self.telemetry.blind else []

    async def _move(self, state: LadderState, decision: Decision, judgement: Judgement) -> LadderState:
        """Carry out a decision that does not end the rollout: advance, dim, restore, hold."""
        if decision == "hold":
            return state
        if decision == "advance":
            state = LadderState(state.index + 1, self.clock.monotonic())
            await self._set_weight(state)
            return replace(state, since=self.clock.monotonic())
        full = self.policy.ladder[state.index].weight
        lower = dimmed_weight(full, judgement.dim_factor) if decision == "dim" else 0
        state = replace(state, dimmed=lower)
        await self._set_weight(state, "dimmed" if lower else "restored", judgement.reason)
        return state

    def _weight(self, state: LadderState) -> int:
        return state.dimmed or self.policy.ladder[state.index].weight

    async def _set_weight(self, state: LadderState, change: WeightChange = "", why: str = "") -> None:
        weight, step = self._weight(state), self.policy.ladder[state.index].weight
        self.recorder.record(WeightIntended(weight, step, change, why), self.stage)
        self.renewed = self.clock.monotonic()
        await self.renew_lease(self.policy.lease)
        await self.keeping.keep()
        self.on_weight(weight)
        self.unfollowed = _Unfollowed(self.clock.monotonic(), weight, change, why)
        await self._ask()

    async def _ask(self) -> None:
        """Give the canary its weight, and record when every proxy has shown it; until then it is judged and held."""
        asked = self.unfollowed
        if asked is None:
            return
        try:
            seconds = await self.traffic.set_weight(100 if self.first else asked.weight)
        except NotFollowed as error:
            self.unfollowed = replace(asked, told=error.message)
            return
        self.unfollowed = None
        whole = self.clock.monotonic() - asked.since if asked.told else seconds
        self.recorder.record(WeightConfirmed(asked.weight, round(whole, 4), asked.change, asked.why), self.stage)

    async def _ask_again(self, state: LadderState) -> LadderState:
        """Ask the proxies again for a weight that they have not shown; its step begins when they do."""
        if self.unfollowed is None:
            return state
        await self._ask()
        return state if self.unfollowed else replace(state, since=self.clock.monotonic())

    async def _end(self, decided: RolloutDecided) -> Finished:
        """Record the decision, then carry it out."""
        started = self.clock.monotonic()
        record_decision(self.recorder, self.stage, decided)
        if decided.decision is RolloutDecision.PROMOTE:
            await self.keeping.keep()
            return await self._promote(decided.reason)
        # Users do not wait for the journal: without this decision another machine would begin the step again, and see it fail.
        kept = asyncio.ensure_future(_kept(self.keeping))
        try:
            return await self._roll_back(decided.reason, started)
        finally:
            await kept

    async def _promote(self, reason: str) -> Finished:
        await self.renew_lease(self.policy.lease)
        await self.promote()
        self.recorder.record(RolloutFinished(RolloutOutcome.PROMOTED, reason), self.stage)
        return Finished(RolloutOutcome.PROMOTED, reason)

    async def _roll_back(self, reason: str, decided: float | None = None) -> Finished:
        """Move all traffic to stable.  ``decided`` is the time of the decision, None when an earlier controller made it."""
        started = self.clock.monotonic() if decided is None else decided
        await move_to_stable(self.traffic, self.clock)
        shifted = self.clock.monotonic() - started
        self.recorder.record(WeightConfirmed(0, round(shifted, 4)), self.stage)
        silent = await self.traffic.wait_until_drained(DRAIN_DEADLINE)
        # A canary that never had a request was silent before the decision.
        seconds = round(max(0.0, shifted + silent.received), 4)
        drained = None if silent.answered is None else round(shifted + silent.answered, 4)
        outcome = RolloutOutcome.WITHDRAWN if self.first else RolloutOutcome.ROLLED_BACK
        self.recorder.record(RolloutFinished(outcome, reason, seconds, drained), self.stage)
        return Finished(outcome, reason, seconds)

    def _requested(self) -> RolloutDecided | None:
        """Return the decision when a person asked for a rollback from another terminal."""
        for event in self.recorder.since(self.seen):
            self.seen = max(self.seen, event.seq)
            if isinstance(event.fact, RollbackRequested):
                return requested(event.fact.name, event.fact.reason)
        return None
