"""Samples as numbers: nothing is lost when ticks are merged, and what cannot be read is no traffic."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.model.events import RolloutSampled
from dawsos.model.run import RolloutRecord
from dawsos.reporting.series import (
    Side,
    Tick,
    last_weight,
    merge,
    rolling,
    step_totals,
    thin,
    tick_of,
    ticks,
    weight_steps,
    window,
)

ROLLOUT = RolloutRecord("r", "d", "s", "sd", 100.0)
SIDES = st.builds(Side, st.integers(0, 500), st.integers(0, 50), st.none() | st.floats(0, 10))
TICKS = st.lists(
    st.builds(Tick, st.just(0.0), st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([5, 25, 100]), SIDES, SIDES),
    max_size=12,
).map(lambda found: tuple(replace(tick, at=float(index)) for index, tick in enumerate(found)))


def sampled(**changes: Any) -> RolloutSampled:
    plain = {
        "recorded_at": 103.0,
        "at": 7.0,
        "seconds": 1.0,
        "weight": 5,
        "canary": {"requests": 20, "errors": 1, "p95": 0.1},
    }
    return RolloutSampled.read({**plain, **changes})


def test_a_sample_is_counted_from_the_rollout_s_start() -> None:
    tick = tick_of(sampled(verdict="healthy", evidence=[{"name": "worse", "log_e": 1.5, "limit": 4.6}]), 100.0)
    assert tick == Tick(3.0, 1.0, 5, Side(20, 1, 0.1), Side(), "healthy", "", 1.5)
    assert (tick.rate(tick.canary), tick.canary.error_rate, tick.stable.error_rate) == (20.0, 0.05, None)
    assert tick_of(sampled(recorded_at=None), 100.0).at == 7.0
    assert tick_of(sampled(recorded_at=90.0), 100.0).at == 0.0


@pytest.mark.parametrize(
    "broken", [{}, {"seconds": "x", "weight": None, "at": "?"}, {"canary": {"p95": "slow"}, "stable": {}}]
)
def test_what_cannot_be_read_is_no_traffic(broken: dict[str, Any]) -> None:
    tick = tick_of(RolloutSampled.read(broken), 100.0)
    assert (tick.canary, tick.stable) == (Side(), Side())
    assert tick.rate(tick.canary) is None


@pytest.mark.parametrize("log_e", [None, "x", float("nan")])
def test_evidence_that_is_no_number_is_none(log_e: object) -> None:
    assert tick_of(sampled(evidence=[{"name": "worse", "log_e": log_e, "limit": 4.6}]), 100.0).evidence is None


def test_a_judge_that_keeps_no_evidence_has_none() -> None:
    assert tick_of(sampled(), 100.0).evidence is None


def test_time_never_goes_back() -> None:
    found = ticks(replace(ROLLOUT, samples=tuple(sampled(recorded_at=at) for at in (103.0, 101.0, 104.0))))
    assert [tick.at for tick in found] == [3.0, 3.0, 4.0]


@settings(max_examples=30, deadline=None)
@given(TICKS, st.integers(1, 10))
def test_no_request_is_lost_when_ticks_are_thinned(found: tuple[Tick, ...], most: int) -> None:
    thinned = thin(found, most)
    assert len(thinned) <= most
    for name in ("requests", "errors"):
        for side in ("canary", "stable"):
            assert sum(getattr(getattr(t, side), name) for t in thinned) == sum(
                getattr(getattr(t, side), name) for t in found
            )
    assert sum(t.seconds for t in thinned) == pytest.approx(sum(t.seconds for t in found))
    if found:
        assert thinned[-1].at == found[-1].at


@settings(max_examples=30, deadline=None)
@given(TICKS)
def test_the_time_at_each_weight_adds_up_to_all_of_it(found: tuple[Tick, ...]) -> None:
    rows = step_totals(found)
    assert sum(row.total.seconds for row in rows) == pytest.approx(sum(tick.seconds for tick in found))
    assert all(before.weight != after.weight for before, after in pairwise(rows))
    assert all(row.start >= 0 for row in rows)


@settings(max_examples=30, deadline=None)
@given(TICKS, st.sampled_from([1.0, 3.0, 5.0]))
def test_a_window_is_of_the_newest_and_no_longer_than_it_must(found: tuple[Tick, ...], seconds: float) -> None:
    seen = window(found, seconds)
    if not found:
        assert seen is None
        return
    assert seen is not None
    assert seen.at == found[-1].at
    assert seen.seconds >= min(seconds, sum(tick.seconds for tick in found)) - 1e-6
    assert seen.seconds < seconds + max(tick.seconds for tick in found)


@settings(max_examples=30, deadline=None)
@given(TICKS, st.sampled_from([1.0, 5.0]))
def test_a_rolling_sum_has_a_value_for_each_tick(found: tuple[Tick, ...], seconds: float) -> None:
    rolled = rolling(found, seconds)
    assert [tick.at for tick in rolled] == [tick.at for tick in found]
    if rolled:
        assert rolled[0] == merge(found[:1])


def test_one_late_tick_does_not_shorten_the_sums_of_the_others() -> None:
    lengths = [1.0] * 20 + [12.0] + [1.0] * 20
    found = [Tick(float(at), seconds, 5, Side(10), Side(90)) for at, seconds in enumerate(lengths)]
    rolled = rolling(found, 10.0)
    assert rolled[15].seconds == 10.0
    assert rolled[-1].canary.requests == 100


def test_a_p95_is_never_added_up() -> None:
    sides = [Side(1, 0, None), Side(1, 0, 0.4), Side(1, 0, 0.2)]
    merged = merge([Tick(0.0, 1.0, 5, side, Side()) for side in sides])
    assert (merged.canary.p95, merged.stable.p95) == (0.4, None)


def test_weights_are_steps_from_nothing() -> None:
    assert weight_steps(ROLLOUT) == ((0.0, 0.0),)
    told = replace(ROLLOUT, weights=((101.0, 5), (100.5, 25), (130.0, 0)))
    assert weight_steps(told) == ((0.0, 0.0), (1.0, 5.0), (1.0, 25.0), (30.0, 0.0))


@pytest.mark.parametrize(
    ("changes", "weight"),
    [
        ({"step": 25, "weights": ((101.0, 5), (102.0, 7))}, 25),
        ({"weights": ((101.0, 5), (102.0, 25), (103.0, 0))}, 25),
        ({"weight_intended": 5}, 5),
        ({}, 0),
    ],
    ids=["dimmed on a step", "taken back", "not confirmed", "not begun"],
)
def test_how_far_the_canary_came(changes: dict[str, Any], weight: int) -> None:
    assert last_weight(replace(ROLLOUT, **changes)) == weight
