"""The rollout controller: every tick a sample, a judgement, a decision; each fact is in the journal before it takes effect.

Crash safety.  ``weight_intended`` is written before the proxy is told, ``rollout_decided`` before the traffic moves.  A
controller that comes back reads the fold of these: a decision is carried out (again), without one the rollout
goes on from the rung it stood on, with fresh evidence.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from dawsos.canary.judge import judge
from dawsos.canary.ladder import LadderState, decide
from dawsos.canary.measures import quantile
from dawsos.errors import InfrastructureError
from dawsos.model.rollout import Counts, Judgement, RolloutPolicy, Sample
from dawsos.model.run import RolloutRecord
from dawsos.ports import Clock, Recorder, Traffic

_SILENCE_DEADLINE = 10.0

Judge = Callable[[list[Sample], RolloutPolicy], Judgement]


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
    judge: Judge = judge
    first: bool = False
    samples: list[Sample] = field(default_factory=list)
    seen: int = 0

    async def run(self, record: RolloutRecord) -> Finished:
        """Carry the rollout ``record`` to its end and return how it ended."""
        if record.decision == "rollback":
            return await self._roll_back(record.reason, decided=True)
        if record.decision == "promote":
            return await self._promote(record.reason, decided=True)
        weights = [step.weight for step in self.policy.ladder]
        index = weights.index(record.weight_intended) if record.weight_intended in weights else 0
        started = self.clock.monotonic()
        state = await self._step_to(index)
        await self.traffic.sample(0.0, weights[index])  # the baseline of the counters
        while True:
            await self.clock.sleep(self.policy.tick)
            self.renew_lease(self.policy.lease)
            now = self.clock.monotonic()
            sample = await self.traffic.sample(now - started, self.policy.ladder[state.index].weight)
            self.samples.append(sample)
            judgement = self.judge(self.samples, self.policy)
            self._record(sample, judgement)
            asked = self._rollback_asked()
            decision, reason = ("rollback", asked) if asked else decide(state, judgement, now, self.policy)
            if decision == "rollback":
                return await self._roll_back(reason)
            if decision == "promote":
                return await self._promote(reason)
            if decision == "advance":
                state = await self._step_to(state.index + 1)

    async def _step_to(self, index: int) -> LadderState:
        weight = self.policy.ladder[index].weight
        self.recorder.record("weight_intended", self.stage, weight=weight)
        self.renew_lease(self.policy.lease)
        self.on_weight(weight)
        seconds = await self.traffic.set_weight(100 if self.first else weight)
        self.recorder.record("weight_confirmed", self.stage, weight=weight, seconds=round(seconds, 4))
        return LadderState(index, self.clock.monotonic())

    async def _promote(self, reason: str, *, decided: bool = False) -> Finished:
        if not decided:
            self.recorder.record("rollout_decided", self.stage, decision="promote", reason=reason)
        await self.promote()
        self.recorder.record("rollout_finished", self.stage, outcome="promoted", seconds=None, reason=reason)
        return Finished("promoted", reason)

    async def _roll_back(self, reason: str, *, decided: bool = False) -> Finished:
        started = self.clock.monotonic()
        if not decided:
            self.recorder.record("rollout_decided", self.stage, decision="rollback", reason=reason)
        await self._to_stable()
        shifted = self.clock.monotonic() - started
        silent = await self.traffic.canary_silent(_SILENCE_DEADLINE)
        seconds = round(shifted + silent.received, 4)
        drained = None if silent.answered is None else round(shifted + silent.answered, 4)
        outcome = "withdrawn" if self.first else "rolled_back"
        self.recorder.record("weight_confirmed", self.stage, weight=0, seconds=round(shifted, 4))
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
            except InfrastructureError:
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

    def _record(self, sample: Sample, judgement: Judgement) -> None:
        self.recorder.record(
            "rollout_sampled",
            self.stage,
            at=round(sample.at, 3),
            weight=sample.weight,
            seconds=round(sample.seconds, 3),
            canary=_summary(sample.canary),
            stable=_summary(sample.stable),
            restarts=sample.restarts,
            complete=sample.complete,
            verdict=judgement.verdict,
            reason=judgement.reason,
            check={"error_rate": judgement.error_rate, "p95": judgement.p95, "requests": judgement.requests},
        )


def _summary(counts: Counts) -> dict[str, object]:
    p95 = quantile(counts, 0.95)
    return {"requests": counts.requests, "errors": counts.errors, "p95": None if p95 is None else round(p95, 5)}
