"""A request that waits is slow as soon as it is older than the edge, and is counted once."""

from __future__ import annotations

import math
import random

import pytest

from dawsos.analysis.statistical.judge import Statistical
from dawsos.analysis.statistical.latency import Edge
from dawsos.analysis.statistical.statistics import Table
from dawsos.analysis.statistical.waiting import Both, Waiting, older
from dawsos.model.policy import LadderStep, RolloutPolicy
from dawsos.model.rollout import Counts, Sample


def _counts(fast: int, slow: int, under_way: int | None = None, *waiting: tuple[float, int]) -> Counts:
    return Counts(
        fast + slow,
        latency=((1.0, fast), (math.inf, fast + slow)),
        under_way=under_way,
        waiting=waiting,
    )


def test_what_waits_is_counted_when_it_passes_the_edge_and_not_when_it_is_answered() -> None:
    waiting = Waiting()
    assert waiting.passed(_counts(10, 0, 3, (1.0, 2)), [1.0]) == [(12, 2)]
    assert waiting.passed(_counts(10, 0, 5, (1.0, 3)), [1.0]) == [(11, 1)]
    # Two of them are answered, one more waits.
    assert waiting.passed(_counts(10, 2, 4, (1.0, 2)), [1.0]) == [(11, 1)]
    assert waiting.passed(_counts(10, 2, 1, (1.0, 0)), [1.0]) == [(10, 0)]


def test_without_numbers_of_what_waits_slow_answers_are_counted_as_before() -> None:
    assert Waiting().passed(_counts(10, 2), [1.0]) == [(12, 2)]


def test_requests_that_were_given_up_are_not_taken_for_answers() -> None:
    """What hung was cancelled by its client: later slow answers are others."""
    waiting = Waiting()
    waiting.passed(_counts(10, 0, 50, (1.0, 50)), [1.0])
    waiting.passed(_counts(10, 0, 1), [1.0])
    assert waiting.passed(_counts(10, 5, 1), [1.0])[0][1] >= 4


def test_an_edge_that_is_new_does_not_count_what_was_past_it_before() -> None:
    waiting = Waiting()
    waiting.passed(_counts(10, 0, 9, (1.0, 6)), [0.5])
    assert waiting.passed(_counts(10, 0, 9, (1.0, 7)), [1.0]) == [(11, 1)]


@pytest.mark.parametrize("seed", range(5))
def test_nobody_is_counted_twice_or_before_its_time(seed: int) -> None:
    """Requests with their true ages, and a bound that is sometimes too low: never more are counted than have passed the edge."""
    rnd, waiting = random.Random(seed), Waiting()
    living: list[tuple[int, int]] = []
    counted = passed_in_all = 0
    for second in range(200):
        living += [
            (second, second + (rnd.randint(3, 40) if rnd.random() < 0.1 else 0)) for _ in range(rnd.randint(0, 12))
        ]
        ended = [(begin, end) for begin, end in living if end <= second]
        living = [(begin, end) for begin, end in living if end > second]
        slow = sum(end - begin >= 2 for begin, end in ended)
        old = sum(second - begin >= 2 for begin, _ in living)
        passed_in_all += sum(end - begin >= 2 and end == second for begin, end in ended)
        known = old if rnd.random() < 0.5 else rnd.randint(0, old)
        shown = _counts(len(ended) - slow, slow, len(living), (2.0, known))
        counted += waiting.passed(shown, [1.0])[0][1]
        assert counted <= passed_in_all + old
    assert counted >= 0.9 * passed_in_all


def test_both_versions_are_counted_in_the_second_in_which_they_pass_the_edge() -> None:
    tables, slow = Both().tables(
        [Edge(1.0, 1.0)] * 3, 1.0, _counts(10, 0, 8, (1.0, 6)), _counts(190, 0, 150, (1.0, 114))
    )
    assert tables[0] == Table(16, 6, 304, 114)
    assert slow == (16, 6)


def test_the_smallest_age_that_is_old_enough_counts() -> None:
    shown = Counts(waiting=((0.5, 9), (1.0, 5), (2.0, 3)))
    assert [older(shown, edge) for edge in (0.4, 0.5, 0.7, 2.0, 3.0)] == [9, 9, 5, 3, 0]


def test_a_canary_that_hangs_is_found_before_anything_of_it_is_answered() -> None:
    policy = RolloutPolicy(
        ladder=(LadderStep(weight=5, duration=300), LadderStep(weight=100, duration=60)), error_rate=0.005, p95=1.2
    )
    judge, edges = Statistical(policy), (0.1, 0.2, 0.5, 1.0, 2.0)

    def fast(requests: int, under_way: int, *waiting: tuple[float, int]) -> Counts:
        latency = (*((edge, requests) for edge in edges), (math.inf, requests))
        return Counts(requests, latency=latency, under_way=under_way, waiting=waiting)

    for at in range(5):
        judge.observe(Sample(at, 1.0, 0, Counts(), fast(200, 20)))
    for at in range(5, 30):
        # One request in ten hangs and none of them comes back.
        hung = at - 4
        judgement = judge.observe(Sample(at, 1.0, 5, fast(9, 1 + hung, (1.0, hung - 1)), fast(190, 20)))
        if judgement.verdict == "failing":
            break
    assert judgement.verdict == "failing"
    assert "the canary is slower than stable" in judgement.reason
    assert at <= 25
