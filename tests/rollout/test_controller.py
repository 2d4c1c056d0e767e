"""The controller walks the ladder, goes back, survives its own death: all in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from dawsos.errors import InfrastructureError
from dawsos.model.events import (
    Fact,
    PowerEstimated,
    RolloutDecided,
    RolloutSampled,
    WeightConfirmed,
    WeightIntended,
)
from dawsos.model.policy import LadderStep, RolloutPolicy
from dawsos.model.rollout import Client, ClientSide, Drained, Sample
from dawsos.model.run import RolloutRecord
from dawsos.model.status import Cause, RolloutDecision
from dawsos.rollout.controller import Controller, Finished, Keeping
from fakes import MemoryRecorder, ScriptedTraffic, VirtualClock, counts, sample
from support.facts import fact

POLICY = RolloutPolicy(
    ladder=tuple(LadderStep(weight=weight, duration=10) for weight in (5, 25, 45, 65, 85, 100)),
    judge="thresholds", baseline=0, tick=1, check_interval=1, failed_checks=5, error_rate=0.005, p95=1.2, min_requests=5,
    no_data_deadline=20,
)  # fmt: skip
F = TypeVar("F", bound=Fact)
RECORD = RolloutRecord("release", "canary", "old", "stable", 0.0)


class World:
    """A controller with its fakes around it."""

    def __init__(self, script: Callable[[float, int], Sample]) -> None:
        self.clock = VirtualClock()
        self.recorder = MemoryRecorder(self.clock)
        self.traffic = ScriptedTraffic(script)
        self.promoted = 0
        self.leases = 0
        self.announced: list[int] = []
        self.keeping: Keeping | None = None
        self.client: Client | None = None
        self.recorder.record(
            fact(
                "rollout_started",
                release="release",
                deployment="canary",
                stable_release="old",
                stable_deployment="stable",
            ),
            "canary",
        )

    def facts(self, kind: type[F]) -> list[F]:
        return [event.fact for event in self.recorder.events if isinstance(event.fact, kind)]

    def run(
        self, record: RolloutRecord = RECORD, *, first: bool = False, seen: int = 1, policy: RolloutPolicy = POLICY
    ) -> Finished:
        async def promote() -> None:
            self.promoted += 1

        async def renew(_seconds: float) -> None:
            self.leases += 1

        keeping: dict[str, Any] = {"keeping": self.keeping} if self.keeping else {}
        controller = Controller(
            "canary", policy, self.traffic, self.traffic, self.recorder, self.clock, promote, renew, self.announced.append,
            first=first, seen=seen, client=lambda: self.client, **keeping,
        )  # fmt: skip
        return asyncio.run(controller.run(record))


def test_a_healthy_canary_climbs_every_step_and_is_promoted() -> None:
    world = World(lambda at, weight: sample(at, weight))
    assert world.run().outcome == "promoted"
    assert world.traffic.weights == [5, 25, 45, 65, 85, 100]
    assert [decided.cause for decided in world.facts(RolloutDecided)] == [Cause.HEALTHY]
    assert world.promoted == 1
    assert 60 <= world.clock.elapsed < 70
    assert world.leases > 60


def test_what_the_load_saw_is_in_every_sample() -> None:
    world = World(lambda at, weight: sample(at, weight))
    world.client = Client(ClientSide(4, 1), ClientSide(90, 0))
    world.run()
    assert {fact.client for fact in world.facts(RolloutSampled)} == {world.client}


def test_a_bad_canary_is_back_after_five_checks() -> None:
    world = World(lambda at, weight: sample(at, weight, counts(20, errors=5)))
    finished = world.run()
    assert finished.outcome == "rolled_back"
    assert finished.seconds == pytest.approx(0.02)
    assert world.traffic.weights == [5, 0]
    (decided,) = world.facts(RolloutDecided)
    assert (decided.decision, decided.cause) == ("rollback", Cause.ERROR_RATE)
    assert (decided.measured, decided.limit) == (0.25, 0.005)
    assert world.promoted == 0
    assert world.clock.elapsed == 5


def test_a_weight_that_the_proxies_do_not_follow_yet_is_held_and_its_step_begins_when_they_do() -> None:
    world = World(lambda at, weight: sample(at, weight))
    world.traffic.slow = {25: 7}
    assert world.run().outcome == "promoted"
    assert world.traffic.weights == [5, 25, 45, 65, 85, 100]
    assert world.clock.elapsed == 60 + 7
    held = [fact for fact in world.facts(RolloutSampled) if fact.reason == "held: one proxy does not follow 25 %"]
    assert [(fact.verdict, fact.weight) for fact in held] == [("no_data", 25)] * 6
    confirmed = [(fact.weight, fact.seconds) for fact in world.facts(WeightConfirmed)]
    assert confirmed[:3] == [(5, 0.01), (25, 7.0), (45, 0.01)]


def test_a_weight_that_the_proxies_never_follow_is_rolled_back_at_the_deadline_and_never_said_to_be_given() -> None:
    world = World(lambda at, weight: sample(at, weight))
    world.traffic.slow = {25: 1000}
    finished = world.run()
    assert finished.outcome == "rolled_back"
    assert (
        "no healthy verdict within 20 s after the step's time: held: one proxy does not follow 25 %" in finished.reason
    )
    assert [decided.cause for decided in world.facts(RolloutDecided)] == [Cause.NO_VERDICT]
    assert world.traffic.weights == [5, 0]
    assert {fact.weight for fact in world.facts(WeightConfirmed)} == {5, 0}


def test_a_bad_canary_goes_back_at_once_also_while_a_proxy_does_not_follow() -> None:
    world = World(lambda at, weight: sample(at, weight, crash_looping=weight == 25, restarts=3))
    world.traffic.slow = {25: 1000}
    assert world.run().outcome == "rolled_back"
    assert [decided.cause for decided in world.facts(RolloutDecided)] == [Cause.CRASH_LOOP]
    assert world.clock.elapsed == 11


def test_every_fact_is_recorded_before_it_takes_effect() -> None:
    world = World(lambda at, weight: sample(at, weight, crash_looping=at > 2, restarts=3))
    seen: list[tuple[int, list[str]]] = []
    inner = world.traffic.set_weight

    async def spy(weight: int) -> float:
        seen.append((weight, list(world.recorder.kinds)))
        return await inner(weight)

    world.traffic.set_weight = spy  # type: ignore[method-assign]
    world.run()
    assert seen[0][1][-1] == "weight_intended"
    assert seen[-1][0] == 0
    assert seen[-1][1][-1] == "rollout_decided"


class Elsewhere:
    """Keeps the kinds of the facts of ``world``; from the decision on nobody answers when it is ``lost``."""

    def __init__(self, world: World, *, lost: bool = False) -> None:
        self.world, self.lost, self.kept, self.followed = world, lost, list[str](), 0

    async def keep(self) -> None:
        if self.lost and "rollout_decided" in self.world.recorder.kinds:
            raise InfrastructureError("nobody answers", fix="")
        self.kept = list(self.world.recorder.kinds)

    async def follow(self) -> None:
        self.followed += 1


def test_another_machine_finds_a_weight_and_a_promotion_before_they_take_effect() -> None:
    world = World(lambda at, weight: sample(at, weight))
    elsewhere = world.keeping = Elsewhere(world)
    inner, found = world.traffic.set_weight, list[str]()

    async def spy(weight: int) -> float:
        found.append(elsewhere.kept[-1])
        return await inner(weight)

    world.traffic.set_weight = spy  # type: ignore[method-assign]
    assert world.run().outcome == "promoted"
    assert set(found) == {"weight_intended"}
    assert elsewhere.kept[-1] == "rollout_decided"
    assert elsewhere.followed > 50


@pytest.mark.parametrize("lost", [False, True])
def test_a_rollback_does_not_wait_for_another_machine(lost: bool) -> None:
    world = World(lambda at, weight: sample(at, weight, counts(20, errors=5)))
    elsewhere = world.keeping = Elsewhere(world, lost=lost)
    finished = world.run()
    assert finished.outcome == "rolled_back"
    assert finished.seconds == pytest.approx(0.02)
    assert world.traffic.weights == [5, 0]
    assert ("rollout_decided" in elsewhere.kept) is not lost


def test_a_promotion_that_no_other_machine_would_find_is_not_carried_out() -> None:
    world = World(lambda at, weight: sample(at, weight))
    world.keeping = Elsewhere(world, lost=True)
    with pytest.raises(InfrastructureError, match="nobody answers"):
        world.run()
    assert world.promoted == 0


def test_missing_data_holds_and_then_rolls_back_at_the_deadline() -> None:
    world = World(lambda at, weight: sample(at, weight, counts(0)))
    finished = world.run()
    assert finished.outcome == "rolled_back"
    assert "no healthy verdict within 20 s" in finished.reason
    assert [(decided.decision, decided.cause) for decided in world.facts(RolloutDecided)] == [
        ("rollback", Cause.NO_VERDICT)
    ]
    assert world.traffic.weights == [5, 0]
    assert world.clock.elapsed == 30


def test_a_person_may_ask_for_a_rollback_at_any_tick() -> None:
    def script(at: float, weight: int) -> Sample:
        if at == 3:
            world.recorder.record(fact("rollback_requested", name="op", reason="odd totals"), "canary")
        return sample(at, weight)

    world = World(script)
    finished = world.run()
    assert finished.outcome == "rolled_back"
    assert finished.reason == "asked for by op: odd totals"
    assert [decided.cause for decided in world.facts(RolloutDecided)] == [Cause.REQUESTED]
    assert world.clock.elapsed == 3


def test_after_a_crash_a_decision_is_carried_out_without_looking_again() -> None:
    world = World(lambda at, weight: sample(at, weight))
    finished = world.run(
        replace(RECORD, weight_intended=45, weight=45, decision=RolloutDecision.ROLLBACK, reason="errors")
    )
    assert (finished.outcome, finished.reason) == ("rolled_back", "errors")
    assert world.traffic.weights == [0]
    assert "rollout_decided" not in world.recorder.kinds


def test_after_a_crash_without_a_decision_the_step_is_climbed_again() -> None:
    world = World(lambda at, weight: sample(at, weight))
    assert world.run(replace(RECORD, weight_intended=65, weight=45)).outcome == "promoted"
    assert world.traffic.weights == [65, 85, 100]


def test_a_rollback_is_tried_until_the_proxy_confirms() -> None:
    world = World(lambda at, weight: sample(at, weight, crash_looping=True))
    record = replace(RECORD, decision=RolloutDecision.ROLLBACK, reason="errors")
    world.traffic.broken = 3
    assert world.run(record).outcome == "rolled_back"
    assert world.traffic.weights == [0]


def test_without_a_stable_release_the_canary_has_all_traffic_and_is_withdrawn_when_bad() -> None:
    good = World(lambda at, weight: sample(at, weight))
    assert good.run(first=True).outcome == "promoted"
    assert good.traffic.weights == [100] * 6
    bad = World(lambda at, weight: sample(at, weight, counts(20, errors=5)))
    assert bad.run(first=True).outcome == "withdrawn"
    assert bad.traffic.weights == [100, 0]


STATISTICAL = POLICY.model_copy(update={"judge": "statistical", "shortest_fault": 3.0, "baseline": 3.0})


def test_stable_is_watched_before_the_canary_has_any_traffic() -> None:
    world = World(lambda at, weight: sample(at, weight))
    assert world.run(policy=STATISTICAL).outcome == "promoted"
    weights = [sampled.weight for sampled in world.facts(RolloutSampled)]
    assert weights[:4] == [0, 0, 0, 5]
    assert world.traffic.weights == [5, 25, 45, 65, 85, 100]


def test_a_suspected_canary_is_dimmed_and_a_cleared_one_is_restored() -> None:
    """A few bad seconds at 45 %, then none: too short for proof."""
    world = World(lambda at, weight: sample(at, weight, counts(20, errors=1 if 23 < at < 27 and weight > 5 else 0)))
    assert world.run(policy=STATISTICAL.model_copy(update={"shortest_fault": 10.0})).outcome == "promoted"
    dimmed, restored = [intended for intended in world.facts(WeightIntended) if intended.change][:2]
    assert dimmed.change == "dimmed"
    assert dimmed.why.startswith("suspicion: the canary answers with an error")
    assert dimmed.step == 45
    assert dimmed.weight < 45
    assert (restored.change, restored.weight, restored.step) == ("restored", 45, 45)
    assert restored.why
    confirmed = [confirmed for confirmed in world.facts(WeightConfirmed) if confirmed.change][:2]
    assert [(each.change, each.weight, each.why) for each in confirmed] == [
        (each.change, each.weight, each.why) for each in (dimmed, restored)
    ]


def test_a_controller_that_comes_back_knows_what_the_one_before_saw() -> None:
    """Killed again and again, each time after a few seconds: the evidence adds up all the same."""
    bad = counts(20, errors=3)
    lasting = World(lambda at, weight: sample(at, weight, bad))
    lasting.run(policy=STATISTICAL)
    assert lasting.recorder.state.rollout is not None
    samples = lasting.recorder.state.rollout.samples
    assert len(samples) > 5
    again = World(lambda at, weight: sample(at, weight, bad))
    record = replace(RECORD, weight_intended=5, step=5, samples=samples[:-1])
    assert again.run(record, policy=STATISTICAL).outcome == "rolled_back"
    assert again.clock.elapsed == 1


def test_a_dimmed_canary_stays_dimmed_after_a_crash() -> None:
    world = World(lambda at, weight: sample(at, weight))
    assert world.run(replace(RECORD, weight_intended=4, step=45), policy=STATISTICAL).outcome == "promoted"
    assert world.traffic.weights[:2] == [4, 45]


def test_what_the_rollout_can_find_is_said_before_its_first_step() -> None:
    world = World(lambda at, weight: sample(at, weight))
    world.run(policy=STATISTICAL)
    kinds = world.recorder.kinds
    assert kinds.index("power_estimated") < kinds.index("weight_intended")
    (estimated,) = world.facts(PowerEstimated)
    assert estimated.rate == 200.0
    assert len(estimated.steps) == 5
    first = World(lambda at, weight: sample(at, weight))
    first.run(first=True, policy=STATISTICAL)
    assert "power_estimated" not in first.recorder.kinds


def test_what_the_telemetry_cannot_see_is_said_with_it() -> None:
    policy = POLICY.model_copy(update={"judge": "statistical", "baseline": 5.0})
    told = []
    for blind in ("", "which answers broke off"):
        world = World(lambda at, weight: sample(at, weight))
        world.traffic.blind = blind
        world.run(policy=policy)
        (fact,) = world.facts(PowerEstimated)
        told.append([warning for warning in fact.warnings if warning.startswith("not seen: ")])
    assert told == [[], ["not seen: which answers broke off"]]


def test_a_rollback_that_was_asked_for_while_no_controller_lived_gives_the_canary_no_traffic() -> None:
    world = World(lambda at, weight: sample(at, weight))
    world.recorder.record(fact("rollback_requested", name="op", reason="odd totals"), "canary")
    finished = world.run(replace(RECORD, weight_intended=65, weight=65))
    assert (finished.outcome, finished.reason) == ("rolled_back", "asked for by op: odd totals")
    assert world.traffic.weights == [0]


def test_a_rollback_that_is_asked_for_before_the_first_step_ends_the_watch() -> None:
    def script(at: float, weight: int) -> Sample:
        if at == 1:
            world.recorder.record(fact("rollback_requested", name="op", reason="odd totals"), "canary")
        return sample(at, weight)

    world = World(script)
    assert world.run(policy=STATISTICAL.model_copy(update={"baseline": 30.0})).outcome == "rolled_back"
    assert world.traffic.weights == [0]
    assert world.clock.elapsed <= 2


def test_a_promotion_that_was_not_carried_out_yet_gives_way_to_a_person() -> None:
    world = World(lambda at, weight: sample(at, weight))
    world.recorder.record(fact("rollout_decided", decision="promote", reason="healthy"), "canary")
    world.recorder.record(fact("rollback_requested", name="op", reason="odd totals"), "canary")
    finished = world.run(
        replace(RECORD, weight_intended=100, weight=100, decision=RolloutDecision.PROMOTE, reason="healthy")
    )
    assert (finished.outcome, finished.reason) == ("rolled_back", "asked for by op: odd totals")
    assert (world.promoted, world.traffic.weights) == (0, [0])


def test_that_the_traffic_has_gone_is_told_before_the_canary_has_answered_its_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(lambda at, weight: sample(at, weight, crash_looping=True))

    async def slowly(deadline: float) -> Drained:
        await world.clock.sleep(8)
        return Drained(0.02, 8.0)

    monkeypatch.setattr(world.traffic, "wait_until_drained", slowly)
    assert world.run().outcome == "rolled_back"
    confirmed, finished = world.recorder.events[-2:]
    assert isinstance(confirmed.fact, WeightConfirmed)
    assert (confirmed.fact.weight, finished.kind) == (0, "rollout_finished")
    assert finished.at - confirmed.at == 8


def test_a_rollback_is_also_tried_again_while_the_disk_refuses() -> None:
    world = World(lambda at, weight: sample(at, weight, crash_looping=True))
    refused: list[int] = []
    inner = world.traffic.set_weight

    async def full(weight: int) -> float:
        if weight == 0 and len(refused) < 3:
            refused.append(weight)
            raise OSError(28, "No space left on device")
        return await inner(weight)

    world.traffic.set_weight = full  # type: ignore[method-assign]
    assert world.run().outcome == "rolled_back"
    assert (refused, world.traffic.weights) == ([0, 0, 0], [5, 0])


class Stopped(VirtualClock):
    """Once, at second ``at``, the process stands still for ``seconds``."""

    def __init__(self, at: float, seconds: float) -> None:
        super().__init__()
        self._at, self._seconds = at, seconds

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if self.elapsed >= self._at and self._seconds:
            self.elapsed += self._seconds
            self._seconds = 0.0


def stopped(seconds: float) -> World:
    """Return a world whose controller stands still at second 25, on the step of 45 %."""
    world = World(lambda at, weight: sample(at, weight))
    world.clock = world.recorder.clock = Stopped(25, seconds)
    return world


def test_a_controller_that_stood_still_for_longer_than_its_lease_begins_its_step_anew() -> None:
    world = stopped(41)
    assert world.run().outcome == "promoted"
    # The supervisor had taken the traffic away: it is given again, and the step has all of its time again.
    assert world.traffic.weights == [5, 25, 45, 45, 65, 85, 100]
    assert world.clock.elapsed == pytest.approx(60 + 41 + 5, abs=3)
    (resumed,) = [intended for intended in world.facts(WeightIntended) if intended.change]
    assert (resumed.change, resumed.weight) == ("resumed", 45)
    assert resumed.why == "after the controller had stood still for 42 s: its lease had run out"
    # What happened meanwhile is in no sample that is judged.
    judged = [sampled.at for sampled in world.facts(RolloutSampled)]
    assert not [at for at in judged if 25 <= at <= 66]


def test_a_controller_that_stood_still_within_its_lease_goes_on() -> None:
    world = stopped(POLICY.lease - 1.5)
    assert world.run().outcome == "promoted"
    assert world.traffic.weights == [5, 25, 45, 65, 85, 100]


def test_what_was_asked_for_while_the_controller_stood_still_comes_before_its_traffic() -> None:
    world = stopped(41)
    clock = world.clock
    inner = clock.sleep

    async def asked(seconds: float) -> None:
        before = clock.elapsed
        await inner(seconds)
        if clock.elapsed - before > POLICY.lease:
            world.recorder.record(fact("rollback_requested", name="op", reason="odd totals"), "canary")

    clock.sleep = asked  # type: ignore[method-assign]
    finished = world.run()
    assert (finished.outcome, finished.reason) == ("rolled_back", "asked for by op: odd totals")
    assert world.traffic.weights == [5, 25, 45, 0]
