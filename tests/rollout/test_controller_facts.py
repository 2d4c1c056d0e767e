"""What a rollout leaves in the journal, and tells the load that goes with it: each weight, each decision, each sample once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dawsos.model.events import RolloutSampled
from dawsos.model.rollout import Sample
from dawsos.model.run import RolloutRecord
from dawsos.model.status import RolloutDecision
from fakes import counts, sample
from rollout.test_controller import POLICY, RECORD, World

LADDER = [5, 25, 45, 65, 85, 100]


def healthy(at: float, weight: int) -> Sample:
    return sample(at, weight)


def crashing(at: float, weight: int) -> Sample:
    return sample(at, weight, crash_looping=at > 2, restarts=3)


def told(world: World) -> RolloutRecord:
    rollout = world.recorder.state.rollout
    assert rollout is not None
    return rollout


def test_each_weight_is_announced_and_once_it_holds_confirmed() -> None:
    world = World(healthy)
    world.run()
    assert world.announced == LADDER
    assert [weight for _, weight in told(world).weights] == LADDER


def test_a_promotion_is_decided_once_and_its_end_is_told() -> None:
    world = World(healthy)
    world.run()
    assert (told(world).decision, told(world).outcome) == ("promote", "promoted")
    assert told(world).reason == "healthy at 100 % for 10 s"
    assert [world.recorder.kinds.count(kind) for kind in ("rollout_decided", "rollout_finished")] == [1, 1]


def test_a_promotion_that_was_decided_before_a_crash_is_not_decided_again() -> None:
    world = World(healthy)
    assert (
        world.run(replace(RECORD, weight_intended=100, decision=RolloutDecision.PROMOTE, reason="all is well")).reason
        == "all is well"
    )
    assert world.promoted == 1
    assert [world.recorder.kinds.count(kind) for kind in ("rollout_decided", "rollout_finished")] == [0, 1]


def test_a_rollback_is_decided_once_and_the_weight_of_nothing_is_confirmed() -> None:
    world = World(crashing)
    world.run()
    rollout = told(world)
    assert (rollout.decision, rollout.outcome) == ("rollback", "rolled_back")
    assert [weight for _, weight in rollout.weights] == [5, 0]
    # The fake traffic has its last request 0.02 s and its last answer 0.5 s after it was asked.
    assert (rollout.rollback_seconds, rollout.drained) == (0.02, 0.5)
    assert [world.recorder.kinds.count(kind) for kind in ("rollout_decided", "rollout_finished")] == [1, 1]


@pytest.mark.parametrize(
    ("record", "first", "baseline"),
    [
        (RECORD, False, 0),
        (RECORD, False, 3),
        (replace(RECORD, weight_intended=25, step=25), False, 3),
        (RECORD, True, 3),
    ],
    ids=["at once", "after a watch", "resumed", "a first release"],
)
def test_the_reading_that_only_begins_the_counting_is_no_sample(
    record: RolloutRecord, first: bool, baseline: float
) -> None:
    """A proxy's counters run since its start: the first reading has nothing to be compared with."""
    read = 0

    def cold(at: float, weight: int) -> Sample:
        nonlocal read
        read += 1
        return sample(at, weight, complete=read > 1)

    world = World(cold)
    world.run(record, first=first, policy=POLICY.model_copy(update={"baseline": baseline}))
    sampled = world.facts(RolloutSampled)
    verdicts = [each.verdict for each in sampled]
    assert read > len(verdicts) > 10
    watched = verdicts[: int(baseline) if record.weight_intended == 0 and not first else 0]
    assert set(watched) <= {"no_data"}
    assert "no_data" not in verdicts[len(watched) :]
    assert all(each.complete for each in sampled)


@pytest.mark.parametrize(
    ("judge", "complete", "said"),
    [("statistical", True, True), ("statistical", False, False), ("thresholds", True, False)],
)
def test_what_can_be_found_is_said_by_a_judge_that_weighs_evidence_and_has_seen_traffic(
    judge: str, complete: bool, said: bool
) -> None:
    world = World(lambda at, weight: sample(at, weight, counts(20), complete=complete or weight > 0))
    policy = POLICY.model_copy(update={"judge": judge, "baseline": 3, "no_data_deadline": 1.0})
    world.run(policy=policy)
    assert ("power_estimated" in world.recorder.kinds) is said
