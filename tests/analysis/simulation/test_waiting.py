"""The simulated proxy tells who waits, and many rollouts are counted as one is."""

from __future__ import annotations

import math
import random

import numpy as np

from dawsos.analysis.simulation.contest import contest
from dawsos.analysis.simulation.scenarios import World, parse_scenario
from dawsos.analysis.simulation.waiting import HANG, Version, Waiting, age_of
from dawsos.analysis.statistical.waiting import Waiting as OneWaiting
from dawsos.model.policy import Compare, CompareRequest, LadderStep, RolloutPolicy
from dawsos.model.rollout import Counts


def test_what_hangs_waits_for_half_a_minute_and_is_told_by_its_age() -> None:
    generator, version = np.random.default_rng(1), Version(1, 0.3)
    seen = []
    for second in range(HANG + 3):
        version.tick(second, np.array([10]), 1.0 if second == 0 else 0.0, generator)
        one, two = (int(older[0]) for older in version.waiting(second))
        seen.append((one, two, int(version.released[0])))
    assert seen[0] == (0, 0, 0)
    assert seen[1] == (10, 0, 0)
    assert seen[2:HANG] == [(10, 10, 0)] * (HANG - 2)
    assert seen[HANG:] == [(0, 0, 10), (0, 0, 0), (0, 0, 0)]


def test_many_are_counted_as_one_is() -> None:
    rnd = random.Random(3)
    one, many = OneWaiting(), Waiting(2, 1)
    for _ in range(300):
        old = rnd.randint(0, 9)
        older = rnd.randint(0, old)
        fast, slow, slower, under_way = (
            rnd.randint(0, 20),
            rnd.randint(0, 4),
            rnd.randint(0, 4),
            old + rnd.randint(0, 20),
        )
        shown = Counts(
            fast + slow + slower,
            latency=((1.0, fast), (2.0, fast + slow), (math.inf, fast + slow + slower)),
            under_way=under_way,
            waiting=((1.0, old), (2.0, older)),
        )
        alone = [bad for _, bad in one.passed(shown, [1.0, 2.0])]
        columns = [np.array([value]) for value in (slow + slower, slower, old, older, under_way)]
        together = many.passed(columns[:2], columns[2:4], columns[4])
        assert [int(found[0]) for found in together] == alone


def test_an_edge_has_the_bound_of_the_next_whole_second() -> None:
    assert [age_of(edge) for edge in (0.1, 1.0, 1.2, 1.8)] == [0, 0, 1, 1]


def test_what_hangs_is_found_while_it_hangs_and_what_hangs_on_both_is_nobody_s_fault() -> None:
    policy = RolloutPolicy(
        ladder=tuple(LadderStep(weight=w, duration=60) for w in (10, 100)),
        error_rate=0.005,
        p95=1.2,
        no_data_deadline=60,
        # The canary is asked before it has users, so that its first seconds count.
        compare=Compare(requests=(CompareRequest(path="/"),)),
    )
    (found,) = contest(World(), parse_scenario("hang=20%"), [("ours", policy)], 20, seed=1)
    assert found.rolled_back == 1.0
    assert found.median is not None
    assert found.median < HANG


def test_what_hangs_on_both_is_nobody_s_fault() -> None:
    """Also where the canary has one request a second: nothing of it may be counted late and at once."""
    ladder = tuple(LadderStep(weight=weight, duration=300) for weight in (5, 25, 45, 65, 100))
    policy = RolloutPolicy(ladder=ladder, error_rate=0.005, p95=1.2, no_data_deadline=1800)
    (both,) = contest(World(rate=20.0), parse_scenario("hang-both=20%"), [("ours", policy)], 100, seed=11)
    # alpha is 1 of 100.  A canary whose waiting requests were counted late was rolled back in 8 of them before the last step.
    assert sum(time < 1200 for time in both.times) <= 2
