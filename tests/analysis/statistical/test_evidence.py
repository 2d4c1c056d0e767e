"""The evidence of a rollout: found fast, rarely wrong, capped, restarted, indifferent to what hits both versions."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.analysis.statistical.evidence import BURST, ERRORS, NEARLY_DOWN, STREAMS, Bin, Evidence, Rules
from dawsos.analysis.statistical.statistics import Table

EMPTY = (Table(),) * (len(STREAMS) - 1)


def _bin(errors: Table, weight: int = 5, slow: int = 0, seconds: float = 1.0) -> Bin:
    return Bin(seconds, weight, (errors, *EMPTY), (errors.canary, slow))


def _draw(rnd: random.Random, rate: int, weight: int, bad: float, usual: float) -> Table:
    canary = sum(rnd.random() < weight / 100 for _ in range(rate))
    return Table(
        canary,
        sum(rnd.random() < bad for _ in range(canary)),
        rate - canary,
        sum(rnd.random() < usual for _ in range(rate - canary)),
    )


def _seconds_to_proof(bad: float, *, seed: int, healthy: int = 0, longest: int = 400, weight: int = 5) -> int:
    rnd, evidence = random.Random(seed), Evidence(Rules())
    for _ in range(healthy):
        evidence.observe(_bin(_draw(rnd, 200, weight, 0.001, 0.001), weight))
    for second in range(1, longest):
        evidence.observe(_bin(_draw(rnd, 200, weight, bad, 0.001), weight))
        if evidence.failing:
            return second
    return longest


def _median(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]


def test_a_canary_that_fails_every_request_is_out_within_two_seconds() -> None:
    assert max(_seconds_to_proof(1.0, seed=seed) for seed in range(20)) <= 2


def test_five_per_cent_of_errors_are_found_within_25_seconds() -> None:
    assert _median([_seconds_to_proof(0.05, seed=seed) for seed in range(15)]) <= 25


def test_a_healthy_past_does_not_hide_a_late_fault() -> None:
    early = _median([_seconds_to_proof(0.05, seed=seed, weight=25) for seed in range(9)])
    late = _median([_seconds_to_proof(0.05, seed=seed, healthy=400, weight=25) for seed in range(9)])
    assert late <= early + 4


def test_an_outage_of_both_versions_is_nobody_s_fault() -> None:
    rnd, evidence = random.Random(3), Evidence(Rules())
    for _ in range(300):
        evidence.observe(_bin(_draw(rnd, 200, 25, 0.3, 0.3), 25))
        assert not evidence.failing
    assert evidence.above_limit == "errors"
    for _ in range(120):
        evidence.observe(_bin(_draw(rnd, 200, 25, 0.001, 0.001), 25))
    assert evidence.above_limit == ""


@pytest.mark.parametrize("bad", [0.3, 1.0])
def test_a_burst_of_less_than_the_shortest_fault_is_no_proof_by_comparison(bad: float) -> None:
    rnd, evidence = random.Random(1), Evidence(Rules())
    for second in range(60):
        burst = 20 <= second < 30
        evidence.observe(_bin(_draw(rnd, 2000, 5, bad if burst else 0.001, 0.001)))
        assert evidence.log_e < evidence.rules.proof
        assert evidence.plainly_down == (evidence.plainly_down and bad == 1.0)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(40, 400), st.integers(0, 400)), max_size=80)
)
@settings(deadline=None)
def test_the_cap_bounds_growth_over_any_stretch(counts: list[tuple[int, int, int, int]]) -> None:
    evidence, path = Evidence(Rules()), [0.0]
    for canary, bad_canary, stable, bad_stable in counts:
        evidence.observe(_bin(Table(canary, min(canary, bad_canary), stable, min(stable, bad_stable))))
        path.append(evidence.log_e)
        assert math.isfinite(evidence.log_e)
    growth = evidence.rules.growth
    for start, low in enumerate(path):
        for end in range(start + 1, len(path)):
            assert path[end] <= max(0.0, low) + BURST + growth * (end - start) + 1e-6


def test_the_probability_of_false_proof_is_bounded() -> None:
    """At the very boundary of what is tolerated (odds ratio 1.5), looking every second; alpha is 10 % here."""
    rules, proofs = Rules(alpha=0.1, planned=60.0), 0
    for seed in range(150):
        rnd, evidence = random.Random(seed), Evidence(rules)
        for _ in range(60):
            evidence.observe(_bin(_draw(rnd, 40, 30, 0.15 / 1.05, 0.1), 30))
            if evidence.failing:
                proofs += 1
                break
    assert proofs <= 15


@pytest.mark.parametrize("tolerance", [1.5, 10.0])
def test_no_bet_is_below_what_is_tolerated(tolerance: float) -> None:
    """A bet on fewer errors than are tolerated would be won by a healthy canary."""
    evidence = Evidence(Rules(tolerance=tolerance))
    assert all(min(odds) > tolerated for odds, tolerated in evidence.bets)
    for _ in range(200):
        evidence.observe(_bin(Table(100, 5, 100, 5), 50))
    assert evidence.log_e <= 0.0


def test_suspicion_that_gets_no_worse_goes_stale() -> None:
    evidence = Evidence(Rules())
    while not evidence.suspected:
        evidence.observe(_bin(Table(10, 1, 190, 0)))
    assert evidence.dim_factor < 1.0
    quiet = 0
    while evidence.suspected and quiet < 1000:
        # Nothing bad on either side: no evidence for, none against.
        evidence.observe(_bin(Table(10, 0, 190, 0)))
        quiet += 1
    assert 120 <= quiet <= 122


def test_a_canary_that_looks_plainly_down_is_not_dimmed() -> None:
    """Three requests, all failed, are suspicious but no proof yet; of the next few each must count at once."""
    down, ill = Evidence(Rules()), Evidence(Rules())
    down.observe(_bin(Table(3, 3, 57, 0)))
    ill.observe(_bin(Table(12, 3, 228, 0)))
    assert down.suspected
    assert ill.suspected
    assert not down.failing
    assert down.dim_factor == 1.0
    assert ill.dim_factor < 1.0


def test_in_an_outage_of_both_a_doubt_dims_as_ever() -> None:
    """A canary that fails most requests, as stable does, is not down; what is held against it here is its latency."""
    evidence = Evidence(Rules())
    while not evidence.suspected:
        outage, slower = Table(20, 12, 380, 228), Table(20, 19, 380, 190)
        evidence.observe(Bin(1.0, 5, (outage, slower, slower, slower, *EMPTY[3:]), (20, 0)))
    assert evidence.downs[ERRORS].share.log_wealth() >= NEARLY_DOWN
    assert evidence.dim_factor < 1.0


def test_what_was_routed_by_a_higher_weight_is_not_compared() -> None:
    evidence = Evidence(Rules())
    for _ in range(5):
        evidence.observe(_bin(Table(50, 0, 150, 0), 25))
    before = evidence.log_e
    # The canary's slow answers of the higher weight arrive among the few of the lower one.
    evidence.observe(_bin(Table(10, 5, 190, 1), 2))
    evidence.observe(_bin(Table(10, 5, 190, 1), 2))
    assert evidence.log_e == before
    evidence.observe(_bin(Table(10, 5, 190, 1), 2))
    assert evidence.log_e > before


@given(st.integers(1, 39), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_a_bin_is_closed_by_traffic_alone(requests: int, bad: int) -> None:
    """Looks may be split: seconds with few requests are judged together, whatever happens to the requests."""
    split, merged = Evidence(Rules()), Evidence(Rules())
    one = Table(requests, min(bad, requests), requests, 0)
    seconds = -(-40 // (2 * requests))
    for _ in range(seconds):
        split.observe(_bin(one, 50, seconds=1.0 / seconds))
    whole = Table(requests * seconds, min(bad, requests) * seconds, requests * seconds, 0)
    merged.observe(_bin(whole, 50))
    assert split.log_e == pytest.approx(merged.log_e)


def test_a_cold_start_is_forgiven_for_as_long_as_the_policy_says() -> None:
    for errors_count, found in ((True, True), (False, False)):
        rnd, evidence = random.Random(2), Evidence(Rules(warm_up=30.0, warm_up_errors=errors_count))
        for second in range(120):
            evidence.observe(_bin(_draw(rnd, 200, 25, 0.05 if second < 30 else 0.001, 0.001), 25))
            if evidence.failing:
                break
        assert evidence.failing == found


def test_a_canary_that_is_down_is_found_while_it_warms_up() -> None:
    rnd, evidence = random.Random(2), Evidence(Rules(warm_up=30.0, warm_up_errors=False))
    for _ in range(3):
        evidence.observe(_bin(_draw(rnd, 200, 5, 1.0, 0.001)))
    assert evidence.plainly_down


def test_promotion_needs_the_requests_that_prove_it() -> None:
    evidence = Evidence(Rules())
    seconds = 0
    while not evidence.within_limits and seconds < 200:
        evidence.observe(_bin(Table(10, 0, 190, 0)))
        seconds += 1
    # ln(20) nats at ln(1/0.995) for each good request, and what the mixture costs.
    assert 60 <= seconds <= 90
    evidence.observe(_bin(Table(50, 0, 150, 0), 25))
    assert not evidence.within_limits


def _start(second: int, slow: Table, errors: Table) -> Bin:
    return Bin(1.0, 25, (errors, slow, slow, slow, *EMPTY[3:]), (50, 0))


def test_a_canary_that_nobody_saw_warm_may_start_slowly_and_fail_because_of_it() -> None:
    evidence = Evidence(Rules(start=30.0))
    for second in range(35):
        evidence.observe(_start(second, Table(50, 45, 150, 75), Table(50, 3 if second > 3 else 0, 150, 0)))
        assert not evidence.failing
        assert evidence.starting or not second
        if second < 30:
            assert evidence.log_e < 0.1


def test_a_canary_that_remains_slow_is_found_a_start_later() -> None:
    found = {}
    for start in (0.0, 30.0):
        evidence, seconds = Evidence(Rules(start=start)), 0
        while not evidence.failing:
            evidence.observe(_start(seconds, Table(50, 45, 150, 75), Table(50, 0, 150, 0)))
            seconds += 1
        found[start] = seconds
    assert found[30.0] == found[0.0] + 30


def test_errors_without_slowness_are_no_start() -> None:
    evidence = Evidence(Rules(start=30.0))
    for second in range(14):
        evidence.observe(_start(second, Table(50, 25, 150, 75), Table(50, 10, 150, 0)))
    assert evidence.failing
