"""Memory that grows with requests is seen at the first step; a cache that fills, a larger process and noise are not held."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from dawsos.analysis.resources import Course, Memory
from dawsos.analysis.statistical.judge import Statistical
from dawsos.model.policy import LadderStep, RolloutPolicy
from dawsos.model.rollout import Conclusion, Counts, Resources
from dawsos.model.status import Cause
from fakes import counts, sample

POLICY = RolloutPolicy(
    ladder=(LadderStep(weight=5, duration=300), LadderStep(weight=100, duration=60)), error_rate=0.005, p95=1.2
)
MB = 1e6


def _watched(
    memory: Callable[[int], float],
    *,
    seconds: int = 120,
    limit: float | None = None,
    stable: Callable[[int], float] | None = None,
) -> list[Conclusion | None]:
    rnd, watched = random.Random(2), Memory(POLICY)
    found = []
    for at in range(seconds):
        noise = 200_000 * rnd.random()
        usual = stable(at) if stable else 80 * MB
        one = sample(
            at, canary=Counts(10),
            canary_resources=Resources(2, 2 * (memory(at) + noise), 1.0, limit and 2 * limit),
            stable_resources=Resources(2, 2 * (usual + noise), 1.0, limit and 2 * limit),
        )  # fmt: skip
        watched.observe(one)
        found.append(watched.conclude())
    return found


def test_a_leak_is_held_within_the_first_step_and_said_with_its_limit() -> None:
    # Ten requests a second on two processes, 0.4 MB each.
    found = _watched(lambda at: 80 * MB + 2 * MB * at, limit=1000 * MB)
    first = next(at for at, one in enumerate(found) if one)
    held = found[first]
    assert first <= 35
    assert held is not None
    assert held.verdict == "inconclusive"
    assert held.reason.startswith("held: the canary's memory grows by 4")
    assert "the limit is 1 GB, which all the traffic would reach in " in held.reason


def test_near_its_limit_the_canary_is_rolled_back() -> None:
    found = _watched(lambda at: 80 * MB + 2 * MB * at, limit=256 * MB)
    failing = next(at for at, one in enumerate(found) if one and one.verdict == "failing")
    end = found[failing]
    assert end is not None
    assert end.cause is Cause.MEMORY
    assert end.measured is not None
    assert 0.8 * 256 * MB <= end.measured < 256 * MB


@pytest.mark.parametrize(
    "memory",
    [
        lambda _at: 80 * MB,
        lambda _at: 300 * MB,
        lambda at: 80 * MB + min(at, 20) * 4 * MB,
        lambda at: 80 * MB + 0.01 * MB * at,
        lambda at: 80 * MB + (at % 30) * 2 * MB,
    ],
    ids=["flat", "larger", "a cache that is full", "hardly", "a collector that runs"],
)
def test_what_is_harmless_is_promoted(memory: Callable[[int], float]) -> None:
    assert _watched(memory, limit=1000 * MB)[-1] is None


def test_what_grows_as_stable_does_is_nobody_s_fault() -> None:
    assert _watched(lambda at: 80 * MB + MB * at, stable=lambda at: 80 * MB + 22 * MB * at)[-1] is None


def test_without_a_limit_one_is_assumed_and_said() -> None:
    (*_, last) = _watched(lambda at: 80 * MB + 4 * MB * at)
    assert last is not None
    assert "no limit is known, 1 GB is taken for it" in last.reason


def test_too_few_blocks_and_another_number_of_processes_say_nothing() -> None:
    course = Course()
    for at in range(29):
        course.add(1.0, Counts(10), Resources(1, MB * at, 0.0))
    assert course.growth() is None
    course.add(1.0, Counts(10), Resources(1, MB * 29, 0.0))
    found = course.growth()
    assert found is not None
    assert found.slope == pytest.approx(0.1 * MB)
    course.add(1.0, Counts(10), Resources(2, MB * 60, 0.0))
    assert course.growth() is None
    course.add(1.0, Counts(10), None)
    assert course.now == 30 * MB


def test_the_judge_holds_a_canary_that_leaks_also_with_all_the_traffic() -> None:
    judge = Statistical(POLICY)
    for at in range(60):
        used = Resources(1, 80 * MB + 3 * MB * at, 1.0)
        one = sample(at, canary_resources=used, stable_resources=replace(used, memory=80 * MB))
        judgement = judge.observe(one)
    assert (judgement.verdict, "memory grows" in judgement.reason) == ("inconclusive", True)
    for at in range(60, 90):
        used = Resources(1, 80 * MB + 3 * MB * at, 1.0)
        judgement = judge.observe(sample(at, weight=100, canary=counts(20), canary_resources=used))
    assert (judgement.verdict, "memory grows" in judgement.reason) == ("inconclusive", True)
