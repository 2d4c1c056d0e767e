"""Flagger's rule, as its scheduler does it: cumulative failures, rollback one tick late, silence is a failure."""

from __future__ import annotations

from dawsos.analysis.flagger import FlaggerRule
from dawsos.model.policy import LadderStep, RolloutPolicy
from dawsos.model.rollout import Counts, Judgement
from dawsos.model.status import Cause
from fakes import counts, sample

POLICY = RolloutPolicy(
    judge="flagger",
    ladder=(LadderStep(weight=5, duration=300), LadderStep(weight=100, duration=60)),
    tick=1, check_interval=60, failed_checks=5, error_rate=0.005, p95=1.2,
)  # fmt: skip
GOOD, BAD = counts(20), counts(20, errors=2)


def _minutes(*minutes: Counts, policy: RolloutPolicy = POLICY) -> list[Judgement]:
    """Return the judgement at the end of each minute."""
    rule, found = FlaggerRule(policy), []
    for number, minute in enumerate(minutes):
        for second in range(60):
            judgement = rule.observe(sample(number * 60 + second, canary=minute))
        found.append(judgement)
    return found


def test_the_rollback_comes_one_tick_after_the_last_failed_check() -> None:
    verdicts = [judgement.verdict for judgement in _minutes(*[BAD] * 6)]
    assert verdicts == ["inconclusive"] * 5 + ["failing"]


def test_a_check_that_passes_takes_no_failure_away() -> None:
    found = _minutes(BAD, GOOD, BAD, GOOD, BAD, GOOD, BAD, GOOD, BAD, GOOD)
    assert found[-2].verdict == "inconclusive"
    assert found[-1].verdict == "failing"
    assert found[-1].reason.startswith("failed checks threshold reached 5")


def test_silence_is_a_failed_check() -> None:
    assert _minutes(*[Counts()] * 6)[-1].reason == "failed checks threshold reached 5: no values found"


def test_a_step_needs_its_checks_to_pass() -> None:
    found = _minutes(GOOD, BAD, GOOD, GOOD, GOOD, GOOD)
    assert [judgement.verdict for judgement in found] == ["inconclusive"] * 5 + ["healthy"]


def test_with_a_short_interval_a_check_still_looks_at_a_minute() -> None:
    rule = FlaggerRule(POLICY.model_copy(update={"check_interval": 10.0}))
    for second in range(50):
        rule.observe(sample(second))
    for second in range(50, 60):
        judgement = rule.observe(sample(second, canary=counts(20, errors=1)))
    assert judgement.error_rate == 10 / 1200
    assert judgement.consecutive_failures == 1


def test_a_crash_loop_rolls_back_at_once() -> None:
    assert FlaggerRule(POLICY).observe(sample(0, crash_looping=True, restarts=3)).verdict == "failing"


def test_a_failure_counter_that_has_risen_fails_each_check_from_then_on() -> None:
    rule = FlaggerRule(POLICY)
    found = [
        rule.observe(sample(second, canary=GOOD, counters={"packs_failed_total": float(second == 70)}))
        for second in range(60 * 7)
    ]
    assert [judgement.consecutive_failures for judgement in found[59::60]] == [0, 1, 2, 3, 4, 5, 6]
    assert (found[-2].verdict, found[-1].verdict) == ("inconclusive", "failing")
    assert (found[-1].cause, found[-1].metric) == (Cause.FAILURE_COUNTER, "packs_failed_total")
    assert "packs_failed_total rose by 1" in found[-1].reason


def test_the_time_before_the_first_step_is_no_failed_check() -> None:
    rule = FlaggerRule(POLICY)
    for second in range(600):
        assert rule.observe(sample(second, weight=0, canary=Counts())).verdict == "no_data"
    found = [rule.observe(sample(600 + second, canary=GOOD)) for second in range(60)]
    assert (found[-1].consecutive_failures, found[-1].requests) == (0, 60 * 20)
