"""The rollout controller: every tick a sample, a judgement, a decision; each fact is in the journal before it takes effect.

Crash safety.  ``weight_intended`` is written before the proxy is told, ``rollout_decided`` before the traffic moves.  A
controller that comes back reads the fold of these: a decision is carried out (again), without one the rollout
goes on from the rung it stood on.  Its judge is shown the recorded samples first, so that the evidence is what it was and
the bound on false rollbacks holds over the whole rollout, however often the controller dies.  One that only stood still
for longer than its lease (SIGSTOP, a machine without memory) begins its rung anew as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from dawsos.analysis.judges import make_judge
from dawsos.analysis.measures import total
from dawsos.analysis.samples import from_bodies, to_body
from dawsos.analysis.statistical.judge import Judge
from dawsos.analysis.statistical.power import Baseline, power, sentences
from dawsos.errors import InfrastructureError
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Decision, Judgement, Sample
from dawsos.model.run import RolloutRecord
from dawsos.ports import Clock, Recorder, Traffic
from dawsos.rollout.decision import LadderState, decide, dimmed_weight

_SILENCE_DEADLINE = 10.0


@dataclass(frozen=True)
class Finished:
    """How the rollout ended.  ``seconds`` runs from the decision to the last request that was sent to the canary."""

    outcome: str
    reason: str
    seconds: float | None = None


@dataclass
class Controller:
    """Walks one canary up the ladder.  ``promote`` makes it the stable release once it is decided."""

    stage: str
    policy: RolloutPolicy
    traffic: Traffic
    recorder: Recorder
    clock: Clock
    promote: Callable[[], Awaitable[None]]
    renew_lease: Callable[[float], None]
    on_weight: Callable[[int], None] = lambda _weight: None
    first: bool = False
    seen: int = 0
    renewed: float = 0.0

    async def run(self, record: RolloutRecord) -> Finished:
        """Carry the rollout ``record`` to its end and return how it ended."""
        if record.decision == "rollback":
            return await self._roll_back(record.reason, decided=True)
        # What a person asked for while no controller lived comes before anything that gives the canary traffic.
        asked = self._rollback_asked()
        if asked:
            return await self._roll_back(asked)
        if record.decision == "promote":
            return await self._promote(record.reason, decided=True)
        return await self._climb(record)

    async def _climb(self, record: RolloutRecord) -> Finished:
        """Walk up the ladder until something ends the rollout."""
        judge = make_judge(self.policy, first=self.first)
        for sample in from_bodies(record.samples):
            judge.observe(sample)
        started = self.clock.monotonic()
        if not record.weight_intended and not self.first:
            asked = await self._watch_stable(judge, started)
            if asked:
                return await self._roll_back(asked)
        state = await self._stand(record)
        await self.traffic.sample(0.0, self._weight(state))  # the baseline of the counters
        while True:
            away = await self._until_the_next()
            if away > self.policy.lease:
                asked = self._rollback_asked()
                if asked:
                    return await self._roll_back(asked)
                state = await self._come_back(state, away)
                continue
            judgement = await self._tick(judge, state, started)
            asked = self._rollback_asked()
            now = self.clock.monotonic()
            decision, reason = decide(state, judgement, now, self.policy)
            if asked:
                return await self._roll_back(asked)
            if decision == "rollback":
                return await self._roll_back(reason)
            if decision == "promote":
                return await self._promote(reason)
            state = await self._move(state, decision, judgement)

    async def _stand(self, record: RolloutRecord) -> LadderState:
        """Begin on the first rung, or go on where a controller before this one stood, dimmed if it was."""
        weights = [step.weight for step in self.policy.ladder]
        rung = record.rung or record.weight_intended
        index = weights.index(rung) if rung in weights else 0
        dimmed = record.weight_intended if 0 < record.weight_intended < weights[index] else 0
        state = LadderState(index, self.clock.monotonic(), dimmed)
        await self._set_weight(state)
        return replace(state, since=self.clock.monotonic())

    async def _until_the_next(self) -> float:
        """Wait for the next tick and return for how many seconds the lease had not been renewed."""
        await self.clock.sleep(self.policy.tick)
        now = self.clock.monotonic()
        away, self.renewed = now - self.renewed, now
        self.renew_lease(self.policy.lease)
        return away

    async def _come_back(self, state: LadderState, away: float) -> LadderState:
        """Begin the rung anew: while this process stood still its lease ran out, and the supervisor took the traffic away.

        What happened meanwhile is not judged: how much of it was at which weight is not known."""
        await self._set_weight(
            state, why=f"after the controller had stood still for {away:.0f} s: its lease had run out"
        )
        await self.traffic.sample(0.0, self._weight(state))
        return replace(state, since=self.clock.monotonic())

    async def _tick(self, judge: Judge, state: LadderState, started: float) -> Judgement:
        sample = await self.traffic.sample(self.clock.monotonic() - started, self._weight(state))
        judgement = judge.observe(sample)
        rung = self.policy.ladder[state.index].weight
        self.recorder.record("rollout_sampled", self.stage, **to_body(sample, judgement, rung))
        return judgement

    async def _watch_stable(self, judge: Judge, started: float) -> str:
        """Look at stable alone for a moment: what is slow, and how much traffic there is, is known before the canary has any.

        Returns the reason when a person asked for a rollback meanwhile, which ends the watch."""
        await self.traffic.sample(0.0, 0)
        seen: list[Sample] = []
        while self.clock.monotonic() - started < self.policy.baseline:
            await self.clock.sleep(self.policy.tick)
            self.renew_lease(self.policy.lease)
            sample = await self.traffic.sample(self.clock.monotonic() - started, 0)
            judge.observe(sample)
            watching = Judgement("no_data", "watching the stable release before the first step")
            self.recorder.record("rollout_sampled", self.stage, **to_body(sample, watching, 0))
            seen += [sample] if sample.complete else []
            asked = self._rollback_asked()
            if asked:
                return asked
        if seen and self.policy.judge == "statistical":
            await self._say_power(seen)
        return self._rollback_asked()

    async def _say_power(self, seen: list[Sample]) -> None:
        """Say before the first step what this rollout can find; worked out beside the loop, for it takes a second or two."""
        usual = Baseline.of(total(sample.stable for sample in seen), sum(sample.seconds for sample in seen))
        found = await asyncio.to_thread(power, self.policy, usual)
        self.recorder.record(
            "power_estimated",
            self.stage,
            rate=round(usual.rate, 2),
            errors=round(usual.errors, 6),
            steps=list(sentences(found)),
            warnings=list(found.warnings),
        )

    async def _move(self, state: LadderState, decision: Decision, judgement: Judgement) -> LadderState:
        """Carry out what does not end the rollout: advance, dim, restore, hold."""
        if decision == "hold":
            return state
        if decision == "advance":
            state = LadderState(state.index + 1, self.clock.monotonic())
            await self._set_weight(state)
            return replace(state, since=self.clock.monotonic())
        full = self.policy.ladder[state.index].weight
        lower = dimmed_weight(full, judgement.dim_factor) if decision == "dim" else 0
        state = replace(state, dimmed=lower)
        await self._set_weight(state, why=f"{'dimmed' if lower else 'restored'}: {judgement.reason}")
        return state

    def _weight(self, state: LadderState) -> int:
        return state.dimmed or self.policy.ladder[state.index].weight

    async def _set_weight(self, state: LadderState, why: str = "") -> None:
        weight, rung = self._weight(state), self.policy.ladder[state.index].weight
        self.recorder.record("weight_intended", self.stage, weight=weight, rung=rung, why=why)
        self.renewed = self.clock.monotonic()
        self.renew_lease(self.policy.lease)
        self.on_weight(weight)
        seconds = await self.traffic.set_weight(100 if self.first else weight)
        self.recorder.record("weight_confirmed", self.stage, weight=weight, seconds=round(seconds, 4), why=why)

    async def _promote(self, reason: str, *, decided: bool = False) -> Finished:
        if not decided:
            self.recorder.record("rollout_decided", self.stage, decision="promote", reason=reason)
        self.renew_lease(self.policy.lease)
        await self.promote()
        self.recorder.record("rollout_finished", self.stage, outcome="promoted", seconds=None, reason=reason)
        return Finished("promoted", reason)

    async def _roll_back(self, reason: str, *, decided: bool = False) -> Finished:
        started = self.clock.monotonic()
        if not decided:
            self.recorder.record("rollout_decided", self.stage, decision="rollback", reason=reason)
        await self._to_stable()
        shifted = self.clock.monotonic() - started
        self.recorder.record("weight_confirmed", self.stage, weight=0, seconds=round(shifted, 4))
        silent = await self.traffic.wait_until_drained(_SILENCE_DEADLINE)
        seconds = round(shifted + silent.received, 4)
        drained = None if silent.answered is None else round(shifted + silent.answered, 4)
        outcome = "withdrawn" if self.first else "rolled_back"
        self.recorder.record(
            "rollout_finished", self.stage, outcome=outcome, seconds=seconds, drained=drained, reason=reason
        )
        return Finished(outcome, reason, seconds)

    async def _to_stable(self) -> None:
        """Try until the proxy confirms: giving up would leave a rejected release with traffic."""
        for attempt in range(60):
            try:
                await self.traffic.set_weight(0)
                return
            except (InfrastructureError, OSError):
                if attempt == 59:
                    raise
                await self.clock.sleep(0.5)

    def _rollback_asked(self) -> str:
        """Return the reason when a person asked for a rollback from another terminal."""
        for event in self.recorder.since(self.seen):
            self.seen = max(self.seen, event.seq)
            if event.kind == "rollback_requested":
                return f"asked for by {event.body.get('name', 'somebody')}: {event.body.get('reason', '')}"
        return ""
