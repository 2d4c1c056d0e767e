"""A gateway's counters tell whether it follows a new weight."""

from __future__ import annotations

import random

import pytest

from dawsos.platforms.kubernetes.following import Follower

STEPS = [(0, 5), (5, 25), (25, 50), (50, 100), (100, 50), (50, 25), (5, 0), (50, 0), (100, 0), (0, 100), (1, 2)]


def played(old: int, new: int, at: int, requests: int, seed: int) -> Follower:
    """Send ``requests``, of which the first are at weight ``at``, one by one until it is seen to follow."""
    made, chance = Follower(old, new), random.Random(seed)
    for _ in range(requests):
        if made.follows:
            break
        canary = chance.random() < at / 100
        made.observe(float(canary), float(not canary))
    return made


@pytest.mark.parametrize(("old", "new"), STEPS)
def test_a_gateway_that_follows_is_seen_to(old: int, new: int) -> None:
    for seed in range(20):
        made = played(old, new, new, 20_000, seed)
        assert made.follows


@pytest.mark.parametrize(("old", "new"), STEPS)
def test_a_gateway_that_does_not_follow_is_not(old: int, new: int) -> None:
    wrong = sum(played(old, new, old, 200, seed).follows for seed in range(200))
    assert wrong <= 30  # a false alarm once in a thousand requests or less: 40,000 requests here


def test_all_requests_of_a_canary_without_weight_count_against_it() -> None:
    made = Follower(50, 0)
    made.observe(0, 9)
    assert not made.follows
    made.observe(1, 0)
    made.observe(0, 9)
    assert not made.follows
    made.observe(0, 1)
    assert made.follows


def test_the_first_request_of_a_canary_shows_that_it_has_a_weight() -> None:
    made = Follower(0, 5)
    made.observe(0, 50)
    assert not made.follows
    made.observe(1, 0)
    assert made.follows


def test_too_few_requests_show_nothing() -> None:
    made = Follower(5, 0)
    assert made.silent
    made.observe(0, 100)
    assert made.silent
    made.observe(5, 400)
    assert not made.silent
    assert not made.follows


def test_few_requests_at_the_old_weight_are_no_silence() -> None:
    made = Follower(20, 3)
    made.observe(1, 30)
    assert made.silent
    # 24 of 100 at 20 %: nobody has to see more to doubt that it is 3 %.
    made.observe(23, 46)
    assert not made.silent
    assert not made.follows


def test_what_was_at_the_old_weight_before_is_forgotten() -> None:
    made = Follower(20, 3)
    made.observe(5, 15)
    assert not made.silent
    made.observe(0, 60)
    assert made.silent


def test_the_same_weight_is_followed() -> None:
    assert Follower(25, 25).follows
