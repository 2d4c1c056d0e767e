"""A canary is warm when it is shown to answer as fast as stable, however slow it was at first."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.analysis.warmth import Warmth


def _asked(factor: float, seed: int, most: int = 240) -> int:
    """Return after how many questions a canary that is so many times slower is taken for warm, ``most`` for never."""
    rnd, warmth = random.Random(seed), Warmth(0.05)
    for _ in range(12):
        warmth.add_stable("/", 0.2 * rnd.lognormvariate(0, 0.6))
    for asked in range(1, most):
        warmth.add_stable("/", 0.2 * rnd.lognormvariate(0, 0.6))
        warmth.add_canary("/", factor * 0.2 * rnd.lognormvariate(0, 0.6))
        if warmth.warm:
            return asked
    return most


def test_a_canary_as_fast_as_stable_is_warm_within_seconds_and_a_cold_one_is_not() -> None:
    assert sorted(_asked(1.0, seed) for seed in range(60))[54] <= 40
    # Half a minute of four questions a second, at two and a half times stable's latency.
    assert sum(_asked(2.5, seed, 120) < 120 for seed in range(100)) <= 2


def test_six_answers_that_are_as_fast_are_enough() -> None:
    warmth = Warmth(0.05)
    warmth.add_stable("/", 0.002)
    for _ in range(5):
        warmth.add_canary("/", 0.003)
    assert not warmth.warm
    warmth.add_canary("/", 0.003)
    assert warmth.warm


@pytest.mark.parametrize("slow", [10, 1000])
def test_what_was_slow_at_first_does_not_weigh_on_what_is_fast_now(slow: int) -> None:
    warmth = Warmth(0.05)
    warmth.add_stable("/", 0.1)
    for _ in range(slow):
        warmth.add_canary("/", 1.0)
    for _ in range(6):
        warmth.add_canary("/", 0.1)
    assert warmth.warm


def test_an_answer_that_fails_is_as_good_as_slow() -> None:
    warmth = Warmth(0.05)
    warmth.add_stable("/", 0.1)
    for _ in range(200):
        warmth.add_canary("/", 0.01, failed=True)
    assert not warmth.warm


@given(st.lists(st.floats(0.0, 10.0), max_size=80))
@settings(deadline=None)
def test_without_an_answer_of_stable_nothing_is_shown(seconds: list[float]) -> None:
    warmth = Warmth(0.05)
    warmth.add_stable("/other", 0.1)
    for each in seconds:
        warmth.add_canary("/", each)
    assert not warmth.warm
