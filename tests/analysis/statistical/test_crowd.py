"""Where bad requests come in crowds, of one user each, a crowd counts as one; a bad canary does not look like that."""

from __future__ import annotations

import random

import pytest

from dawsos.analysis.statistical.crowd import CROWD
from dawsos.analysis.statistical.evidence import ERRORS, REFUSED, STREAMS, Bin, Evidence, Rules
from dawsos.analysis.statistical.statistics import Table


def _bin(table: Table, weight: int, place: int = ERRORS) -> Bin:
    tables = [Table()] * len(STREAMS)
    tables[ERRORS] = Table(table.canary, 0, table.stable, 0)
    tables[place] = table
    return Bin(1.0, weight, tuple(tables), (table.canary, 0))


def _users(seed: int, seconds: int, weight: int) -> Evidence:
    """Twenty failed requests of one user within ten seconds, now and then, all on one version."""
    rnd, evidence = random.Random(seed), Evidence(Rules())
    canary, bad = 2 * weight, [0, 0]
    left = [0, 0]
    for _ in range(seconds):
        if rnd.random() < 0.03:
            left[rnd.random() < weight / 100] = 10
        bad = [2 if each else 0 for each in left]
        left = [max(0, each - 1) for each in left]
        evidence.observe(_bin(Table(canary, bad[1], 200 - canary, bad[0]), weight))
        if evidence.failing:
            break
    return evidence


def test_users_who_stick_are_not_held_against_a_healthy_canary() -> None:
    found = [_users(seed, 600, 25) for seed in range(60)]
    assert sum(one.failing for one in found) <= 3
    assert sum(one.crowds[ERRORS].size == CROWD for one in found) >= 50
    # Each stream has its own.
    assert all(one.crowds[REFUSED].size == 1 for one in found)


@pytest.mark.parametrize("place", [ERRORS, REFUSED])
def test_a_burst_of_the_canary_that_went_by_shows_a_crowd(place: int) -> None:
    evidence = Evidence(Rules())
    for _ in range(8):
        evidence.observe(_bin(Table(50, 2, 150, 0), 25, place))
    assert evidence.suspected
    for _ in range(9):
        evidence.observe(_bin(Table(50, 0, 150, 0), 25, place))
    assert evidence.crowds[place].size == CROWD
    assert not evidence.suspected
    # From now on it takes as many bad requests as 25 times before.
    for _ in range(8):
        evidence.observe(_bin(Table(50, 2, 150, 0), 25, place))
    assert not evidence.suspected


@pytest.mark.parametrize(("rate", "seed"), [(0.05, seed) for seed in range(10)] + [(0.01, seed) for seed in range(5)])
def test_a_bad_canary_shows_no_crowd(rate: float, seed: int) -> None:
    rnd, evidence = random.Random(seed), Evidence(Rules())
    for _ in range(600):
        canary = sum(rnd.random() < 0.05 for _ in range(200))
        bad, usual = (sum(rnd.random() < p for _ in range(n)) for n, p in ((canary, rate), (200 - canary, 0.001)))
        evidence.observe(_bin(Table(canary, bad, 200 - canary, usual), 5))
        if evidence.failing:
            break
    assert evidence.failing
    assert evidence.crowds[ERRORS].size == 1


def test_bursts_of_both_versions_show_no_crowd() -> None:
    rnd, evidence = random.Random(4), Evidence(Rules())
    for second in range(600):
        share = 0.3 if second % 100 < 10 else 0.001
        bad, usual = (sum(rnd.random() < share for _ in range(n)) for n in (50, 150))
        evidence.observe(_bin(Table(50, bad, 150, usual), 25))
    assert evidence.crowds[ERRORS].size == 1
    assert not evidence.failing


def test_crowds_that_were_declared_as_large_are_known_already() -> None:
    evidence = Evidence(Rules(cluster=40))
    for _ in range(60):
        evidence.observe(_bin(Table(50, 0, 150, 2), 25))
    assert evidence.crowds[ERRORS].size == 40
