"""What a rollout is said to find is what simulated rollouts find."""

from __future__ import annotations

import pytest

from dawsos.analysis.simulation.contest import contest
from dawsos.analysis.simulation.draws import usual_latency
from dawsos.analysis.simulation.scenarios import World, parse_scenario
from dawsos.analysis.statistical.power import Baseline, power, sentences
from dawsos.model.policy import LadderStep, RolloutPolicy
from dawsos.model.rollout import Counts

POLICY = RolloutPolicy(
    ladder=tuple(LadderStep(weight=w, duration=300) for w in (5, 50, 100)), error_rate=0.005, p95=1.2
)


def _usual(rate: float) -> Baseline:
    return Baseline(rate, 0.001, usual_latency(World()))


@pytest.mark.parametrize("place", [0, 1])
def test_the_time_is_about_the_median_of_simulated_rollouts(place: int) -> None:
    share, seconds = power(POLICY, _usual(200.0)).steps[0].errors[place]
    plain = POLICY.model_copy(update={"dim": False})
    (found,) = contest(World(rate=200.0), parse_scenario(f"errors={share:.0%}"), [("ours", plain)], 100, seed=1)
    assert seconds is not None
    assert found.median is not None
    assert found.median / 1.6 <= seconds <= found.median * 1.6


def test_more_traffic_finds_smaller_faults() -> None:
    few, many = (power(POLICY, _usual(rate)).steps[0].smallest_error for rate in (20.0, 200.0))
    assert few is not None
    assert many is not None
    assert many < few
    assert power(POLICY, _usual(2000.0)).warnings == ()


def test_a_step_that_cannot_find_a_breach_is_warned_of() -> None:
    (warning, *_) = power(POLICY, _usual(20.0)).warnings
    assert warning.startswith("errors above the limit of 0.50% may pass a step unseen when they are below ")
    assert warning.endswith(" at 50 %")
    hopeless = POLICY.model_copy(
        update={"ladder": (LadderStep(weight=1, duration=10), LadderStep(weight=100, duration=10))}
    )
    assert "no share of errors can be found" in power(hopeless, _usual(1.0)).warnings[0]


def test_evidence_needs_requests_and_the_warning_says_how_many() -> None:
    strict = POLICY.model_copy(update={"advance": "evidence"})
    assert "about 763 without an error are needed" in power(strict, _usual(20.0)).warnings[-1]


def test_without_any_traffic_nothing_is_promised() -> None:
    found = power(POLICY, Baseline.of(Counts(), 5.0))
    assert found.warnings == ("no traffic was seen: no step can find anything",)
    assert "no share" in sentences(found)[0]


def test_none_seen_is_not_none_ever() -> None:
    usual = Baseline.of(Counts(399, 0), 4.0)
    assert (usual.rate, usual.errors) == (99.75, 0.00125)


def test_refusals_are_in_the_statement_where_they_are_told_and_what_is_expected_is_said() -> None:
    small = POLICY.model_copy(update={"ladder": POLICY.ladder[:1] + POLICY.ladder[2:]})
    seen = Counts(1000, 1, usual_latency(World()).latency, {"4xx": 10})
    told = power(small, Baseline.of(seen, 5.0))
    (step,) = told.steps
    assert step.smallest_refused is not None
    assert 0.02 < step.smallest_refused < 0.08
    assert "; refusals (4xx) from " in sentences(told)[0]
    assert "4xx" not in sentences(power(small, Baseline.of(Counts(1000, 1, seen.latency), 5.0)))[0]
    meant = power(small.model_copy(update={"expect": {"4xx": "more"}}), Baseline.of(seen, 5.0))
    assert meant.warnings[0] == "not compared, because the release means it: 4xx more"
    assert meant.steps[0].smallest_refused is None
