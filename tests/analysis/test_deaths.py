"""A process that ends by itself: held at once, rolled back the second time, nobody's fault where stable's end, too."""

from __future__ import annotations

from dawsos.analysis.deaths import DEATH_DIM, Deaths
from dawsos.analysis.statistical.judge import Statistical
from dawsos.model.policy import LadderStep, RolloutPolicy
from dawsos.model.status import Cause
from dawsos.rollout.decision import LadderState, decide
from fakes import sample

POLICY = RolloutPolicy(
    ladder=(LadderStep(weight=25, duration=300), LadderStep(weight=100, duration=60)), error_rate=0.005, p95=1.2
)


def test_the_first_death_holds_and_dims_at_once() -> None:
    judge = Statistical(POLICY)
    for at in range(5):
        judge.observe(sample(at, weight=25, deaths=0, stable_deaths=0))
    judgement = judge.observe(sample(5, weight=25, deaths=1, stable_deaths=0))
    assert (judgement.verdict, judgement.suspected, judgement.dim_factor) == ("inconclusive", True, DEATH_DIM)
    assert judgement.reason == (
        "suspicion: a process of the canary ended by itself once, none of stable's did; a second time rolls it back"
    )
    assert decide(LadderState(0, 0.0), judgement, 6.0, POLICY)[0] == "dim"


def test_the_second_death_rolls_back_however_late() -> None:
    judge = Statistical(POLICY)
    judge.observe(sample(0, deaths=1, stable_deaths=0))
    for at in range(1, 400):
        judgement = judge.observe(sample(at, deaths=0, stable_deaths=0))
    assert (judgement.verdict, judgement.suspected) == ("healthy", False)
    judgement = judge.observe(sample(400, deaths=1, stable_deaths=0, complete=False))
    assert (judgement.verdict, judgement.cause, judgement.measured) == ("failing", Cause.CRASH_LOOP, 2.0)
    assert judgement.reason == "a process of the canary ended by itself 2 times, none of stable's did"


def test_two_processes_that_die_together_are_two_deaths() -> None:
    assert Statistical(POLICY).observe(sample(0, deaths=2, stable_deaths=0)).verdict == "failing"


def test_where_stable_s_processes_die_too_the_canary_is_not_to_blame() -> None:
    judge = Statistical(POLICY)
    judge.observe(sample(0, deaths=1, stable_deaths=1))
    judgement = judge.observe(sample(1, deaths=1, stable_deaths=0))
    assert (judgement.verdict, judgement.suspected) == ("healthy", False)


def test_while_all_traffic_is_on_the_canary_a_death_counts_as_well() -> None:
    judge = Statistical(POLICY)
    for at in range(70):
        judge.observe(sample(at, weight=100, deaths=0, stable_deaths=0))
    judgement = judge.observe(sample(70, weight=100, deaths=1, stable_deaths=0))
    assert (judgement.verdict, judgement.suspected) == ("inconclusive", True)
    assert judge.observe(sample(71, weight=100, deaths=1, stable_deaths=0)).verdict == "failing"


def test_a_first_release_is_never_dimmed() -> None:
    judge = Statistical(POLICY, first=True)
    for at in range(70):
        judge.observe(sample(at, weight=25, deaths=0))
    assert not judge.observe(sample(70, weight=25, deaths=1)).suspected


def test_what_was_not_measured_is_no_death() -> None:
    deaths = Deaths(POLICY)
    deaths.observe(sample(0))
    assert (deaths.canary, deaths.proof(), deaths.doubt()) == (0, None, None)
