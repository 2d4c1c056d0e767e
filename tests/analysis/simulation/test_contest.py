"""Simulated rollouts: the same seed gives the same result; who wins where, in small."""

from __future__ import annotations

import pytest

from dawsos.analysis.simulation.contest import contest, longest
from dawsos.analysis.simulation.scenarios import SCENARIOS, World, parse_scenario
from dawsos.errors import BadInput
from dawsos.model.policy import LadderStep, RolloutPolicy

POLICY = RolloutPolicy(
    ladder=tuple(LadderStep(weight=w, duration=60) for w in (5, 50, 100)),
    error_rate=0.005,
    p95=1.2,
    no_data_deadline=60,
)
SHORT = POLICY.model_copy(update={"ladder": tuple(LadderStep(weight=w, duration=20) for w in (5, 100))})
BOTH = [("ours", POLICY), ("plain", POLICY.model_copy(update={"dim": False}))]


def test_the_same_seed_gives_the_same_rollouts() -> None:
    first = contest(World(), parse_scenario("errors=5%"), BOTH, 20, seed=1)
    assert contest(World(), parse_scenario("errors=5%"), BOTH, 20, seed=1) == first
    assert contest(World(), parse_scenario("errors=5%"), BOTH, 20, seed=2) != first


def test_a_bad_canary_is_found_and_dimming_spares_requests() -> None:
    ours, plain = contest(World(rate=2000.0), parse_scenario("errors=5%"), BOTH, 60, seed=1)
    assert ours.rolled_back == plain.rolled_back == 1.0
    assert ours.failed < 0.6 * plain.failed
    assert ours.dimmed > 0.9
    assert ours.median is not None
    assert ours.median <= 25


def test_a_failure_counter_is_proof_for_us_and_a_failed_check_after_the_other_for_flagger() -> None:
    policies = [(judge, SHORT.model_copy(update={"judge": judge, "failed_checks": 2, "check_interval": 10.0}))
                for judge in ("statistical", "thresholds", "flagger")]  # fmt: skip
    found = contest(World(), parse_scenario("failure"), policies, 10, seed=1)
    assert [(one.rolled_back, one.median) for one in found] == [(1.0, 1.0), (1.0, 1.0), (1.0, 30.0)]


@pytest.mark.parametrize("rate", [50.0, 200.0])
def test_a_total_failure_is_found_as_fast_as_without_dimming(rate: float) -> None:
    ours, plain = contest(World(rate=rate), parse_scenario("down"), BOTH, 100, seed=1)
    assert ours.rolled_back == plain.rolled_back == 1.0
    assert (ours.median, ours.p95) == (plain.median, plain.p95)


def test_a_healthy_canary_is_promoted_in_its_time() -> None:
    told: list[float] = []
    ours, _ = contest(World(rate=50.0), parse_scenario("aa"), BOTH, 20, 1, told.append)
    assert (ours.promoted, ours.to_promote) == (1.0, 180.0)
    assert ours.median is None
    assert told[-1] == 1.0


def test_every_named_scenario_runs() -> None:
    for name in [*SCENARIOS, "errors=1%", "latency=900ms", "slow=1%", "late=5%", "both=2%"]:
        (found,) = contest(World(rate=20.0), parse_scenario(name), [("short", SHORT)], 2, seed=1)
        assert found.rolled_back + found.promoted + found.undecided == pytest.approx(1.0)


def test_a_rollout_is_given_up_after_twice_its_deadline() -> None:
    assert longest(POLICY) == 300


@pytest.mark.parametrize("text", ["errors", "errors=fast", "nonsense", "late=2"])
def test_an_unknown_scenario_is_told_what_there_is(text: str) -> None:
    with pytest.raises(BadInput, match="scenario"):
        parse_scenario(text)
