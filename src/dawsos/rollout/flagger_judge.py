"""The judge beside Flagger: watches a Canary every second, and answers Flagger's webhooks.

Flagger decides once an interval, with limits.  This judge decides every second, with evidence, and has three ways to act:

- it refuses ``confirm-traffic-increase`` until the step's time is over and the canary is healthy, and after a verdict for ever;
- it **cuts** the route when it has proof: one JSON Patch that gives the primary everything and notes the verdict;
- it answers ``rollback`` with 200 from then on, so that Flagger scales the canary down and says Failed at its next tick.

The verdict stands on the HTTPRoute, beside the weights that it set.  A judge that is started anew reads it before it answers
anything; what it has not looked at, it refuses.  When no judge answers, Flagger does not raise the weight.  ``judge`` makes what is
decided here; no other module of the tool changes the weights of a route that Flagger has made.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from dawsos.adapters.pages import Answer, Page
from dawsos.analysis.judges import make_judge
from dawsos.analysis.statistical.judge import Judge
from dawsos.errors import InfrastructureError
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Judgement, Sample
from dawsos.platforms.contract import Telemetry
from dawsos.platforms.kubernetes.flagger import RUNNING, CanaryState, FlaggerCanary, Verdict
from dawsos.ports import Clock
from dawsos.rollout.decision import LadderState, decide, ended

# An answer of the judge is as old as its last look at the cluster; after so many seconds it refuses.
STALE = 5.0
# Seconds between two looks once there is a verdict: Flagger may have been about to raise the weight.
GUARD = 0.1
ROLLBACK, CONFIRM, STATUS, HEALTH = "/rollback", "/confirm-traffic-increase", "/status", "/healthz"
# Flagger repeats a webhook that was answered by 5xx or 429, for as long as its `retries` say; "no" must not be repeated.
_YES, _NO = 200, 403


@dataclass(frozen=True)
class Look:
    """What one look at the cluster found: ``verdict`` is what stands on the route."""

    state: CanaryState
    weight: int
    verdict: Verdict | None = None
    sample: Sample | None = None


class CanaryJudge:
    """What the judge knows and answers.  Times are seconds on one monotonic clock."""

    def __init__(self, policy: RolloutPolicy) -> None:
        # A lower weight is no step of Flagger's, and it would take 100 % for the next one.
        self._policy = policy.model_copy(update={"dim": False})
        self._looked: float | None = None
        self.verdict: Verdict | None = None
        self._run = ""
        self._begin("", 0.0)

    def _begin(self, run: str, now: float) -> None:
        self._run, self.verdict = run, None
        self._judge: Judge = make_judge(self._policy)
        self._started, self._step = now, -1
        self._since = now
        self.decision, self.reason = "hold", "no canary is under way"

    def see(self, look: Look, now: float, at: float = 0.0) -> Verdict | None:
        """Take in one look, and return the verdict when the route has to be cut now.  ``at``: seconds since the epoch."""
        self._looked = now
        if look.state.phase not in RUNNING:
            if self._run:
                self._begin("", now)
            self.reason = f"Flagger's phase is {look.state.phase or 'not set yet'}"
            return None
        if look.state.run != self._run:
            self._begin(look.state.run, now)
            if look.verdict is not None and look.verdict.run == self._run:
                self.verdict = look.verdict
        if self.verdict is None:
            self._judge_it(look, now, at)
        if self.verdict is None:
            return None
        self.decision, self.reason = "rollback", self.verdict.reason
        return self.verdict if look.weight > 0 or look.verdict != self.verdict else None

    def _judge_it(self, look: Look, now: float, at: float) -> None:
        if look.sample is None:
            self.decision, self.reason = "hold", "no sample of the traffic"
            return
        judgement = self._judge.observe(look.sample)
        index = self._index(look.weight)
        if index != self._step:
            self._step, self._since = index, now
        if index < 0:
            self._before_traffic(judgement, now)
        else:
            self.decision, self.reason = decide(LadderState(index, self._since), judgement, now, self._policy)
        if self.decision == "rollback":
            fact = ended("rollback", self.reason, judgement)
            self.verdict = Verdict(self._run, fact.reason, fact.cause, fact.metric, fact.measured, fact.limit, at)

    def _before_traffic(self, judgement: Judgement, now: float) -> None:
        """Watch stable alone for a time before the first step, as the tool's own controller does."""
        watched = now - self._started
        if judgement.verdict == "failing":
            self.decision, self.reason = "rollback", judgement.reason
        elif watched < self._policy.baseline:
            self.decision, self.reason = "hold", f"watching the primary for {self._policy.baseline:g} s"
        else:
            self.decision, self.reason = "advance", "the canary may get its first traffic"

    def _index(self, weight: int) -> int:
        """Return the step of the ladder that a weight is, the one below when it is none; -1 without traffic."""
        reached = [index for index, step in enumerate(self._policy.ladder) if step.weight <= weight]
        return reached[-1] if reached else (0 if weight else -1)

    def may_increase(self, now: float) -> tuple[bool, str]:
        """Answer ``confirm-traffic-increase``, which Flagger asks before each step and before the promotion."""
        if self._looked is None or now - self._looked > STALE:
            return False, "the judge has not seen the cluster for some seconds"
        return self._run != "" and self.decision in ("advance", "promote"), self.reason

    def must_roll_back(self) -> tuple[bool, str]:
        """Answer ``rollback``."""
        return self.verdict is not None, self.reason


class JudgeService:
    """Looks at one Canary again and again, acts, and answers Flagger."""

    def __init__(
        self,
        canary: FlaggerCanary,
        telemetry: Telemetry,
        policy: RolloutPolicy,
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self._canary, self._telemetry, self._clock, self._say = canary, telemetry, clock, say
        self._tick = policy.tick
        self.judge = CanaryJudge(policy)
        self._weight = self._before = 0
        self._state = CanaryState()
        self._told = ""
        self._began = clock.monotonic()

    async def run(self) -> None:
        """Watch until the task is cancelled."""
        while True:
            await self.look()
            guarding = self.judge.verdict is not None
            await self._clock.sleep(min(GUARD, self._tick) if guarding else self._tick)

    async def look(self) -> None:
        """Look once and act on it.  An API server that does not answer is told, and asked again."""
        try:
            await self._look()
        except InfrastructureError as error:
            self._tell(f"cannot see the cluster: {error.message}")

    async def _look(self) -> None:
        state, route = await self._canary.state(), await self._canary.route()
        if state is None or route is None:
            missing = "Canary" if state is None else "HTTPRoute"
            self._tell(f"there is no {missing} {self._canary.namespace}/{self._canary.name} yet")
            return
        self._state, self._before, self._weight = state, self._weight, route.weight
        sample = None if self.judge.verdict is not None else await self._sample()
        found = Look(state, route.weight, route.verdict, sample)
        verdict = self.judge.see(found, self._clock.monotonic(), self._clock.now())
        if verdict is not None:
            started = self._clock.monotonic()
            await self._canary.cut(verdict)
            cut = f"cut {route.weight} % -> 0 % in {self._clock.monotonic() - started:.3f} s"
            self._say(f"{self._clock.now():.3f} {cut}: {verdict.reason}")
        self._tell(f"{state.phase or 'no phase'}, {route.weight} %: {self.judge.reason}")

    async def _sample(self) -> Sample:
        sample = await self._telemetry.sample(self._clock.monotonic() - self._began, self._weight)
        # Nobody knows how much of it was at which weight.
        return sample if self._before == self._weight else replace(sample, complete=False)

    def _tell(self, text: str) -> None:
        said = text if self.judge.verdict is not None else text.partition(":")[0]
        if said != self._told:
            self._told = said
            self._say(f"{self._clock.now():.3f} {text}")

    @property
    def answers(self) -> dict[str, Answer]:
        """What Flagger asks, and what people and probes may look at, by path."""
        return {path: partial(self._answered, path) for path in (ROLLBACK, CONFIRM, STATUS, HEALTH)}

    async def _answered(self, path: str, body: bytes) -> Page:
        return self.answer(path, body)

    def answer(self, path: str, body: bytes) -> Page:
        """Answer one request: a webhook of Flagger's, ``/status`` or ``/healthz``."""
        if path == HEALTH:
            return Page("ok\n")
        if path == STATUS:
            return Page(json.dumps(self._status()) + "\n", "application/json")
        if _asked(body) != (self._canary.namespace, self._canary.name):
            return Page(f"this judge watches {self._canary.namespace}/{self._canary.name}\n", status=_NO)
        yes, why = self.judge.must_roll_back() if path == ROLLBACK else self.judge.may_increase(self._clock.monotonic())
        self._say(f"{self._clock.now():.3f} {path} {'yes' if yes else 'no'}: {why}")
        return Page(why + "\n", status=_YES if yes else _NO)

    def _status(self) -> dict[str, object]:
        judge = self.judge
        found: dict[str, object] = {
            "canary": f"{self._canary.namespace}/{self._canary.name}", "phase": self._state.phase, "weight": self._weight,
            "decision": judge.decision, "reason": judge.reason,
        }  # fmt: skip
        return {**found, "verdict": None if judge.verdict is None else judge.verdict.reason}


def _asked(body: bytes) -> tuple[str, str] | None:
    """Return the namespace and the name that a webhook is about, None when the body is none of Flagger's."""
    try:
        read = json.loads(body)
        return str(read["namespace"]), str(read["name"])
    except (ValueError, TypeError, LookupError):
        return None
