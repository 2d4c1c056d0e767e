"""The threshold rule: five consecutive failed checks, proof at once, missing data neither way."""

from __future__ import annotations

import pytest

from dawsos.analysis.thresholds import Thresholds, twice_as_often
from dawsos.model.policy import LadderStep, RolloutPolicy
from dawsos.model.rollout import Counts, Judgement, Sample
from fakes import counts, sample

POLICY = RolloutPolicy(
    ladder=(LadderStep(weight=5, duration=10), LadderStep(weight=100, duration=10)),
    tick=1, check_interval=1, failed_checks=5, error_rate=0.005, p95=1.2, min_requests=5,
)  # fmt: skip


def judge(samples: list[Sample], policy: RolloutPolicy) -> Judgement:
    rule = Thresholds(policy)
    for each in samples[:-1]:
        rule.observe(each)
    return rule.observe(samples[-1])


def _judge(samples: list[Sample]) -> str:
    return judge(samples, POLICY).verdict


def test_good_samples_are_healthy() -> None:
    assert _judge([sample(at) for at in range(10)]) == "healthy"


@pytest.mark.parametrize("bad", [counts(20, errors=1), counts(20, slow=3)], ids=["errors", "latency"])
def test_the_fifth_consecutive_failed_check_is_proof(bad: Counts) -> None:
    samples = [sample(0), sample(1)] + [sample(at, canary=bad) for at in range(2, 7)]
    assert _judge(samples[:-1]) == "inconclusive"
    assert _judge(samples) == "failing"


def test_a_good_check_in_between_starts_the_count_again() -> None:
    bad = counts(20, errors=1)
    samples = [sample(at, canary=bad) for at in range(4)] + [sample(4)] + [sample(at, canary=bad) for at in range(5, 9)]
    judgement = judge(samples, POLICY)
    assert (judgement.verdict, judgement.consecutive_failures) == ("inconclusive", 4)


def test_the_limit_itself_is_within() -> None:
    assert _judge([sample(0, canary=counts(200, errors=1))]) == "healthy"
    assert _judge([sample(0, canary=counts(200, errors=2))]) == "inconclusive"


def test_too_little_data_neither_fails_nor_clears() -> None:
    bad, none = counts(20, errors=20), counts(4)
    samples = [sample(at, canary=bad) for at in range(4)] + [sample(4, canary=none)]
    assert _judge(samples) == "no_data"
    assert _judge([*samples, sample(5, canary=bad)]) == "failing"


def test_an_incomplete_sample_proves_nothing() -> None:
    assert _judge([sample(0, canary=counts(20, errors=20), complete=False)]) == "no_data"


def test_a_crash_loop_and_a_failure_counter_are_proof_at_once() -> None:
    assert "crash loop" in judge([sample(0, crash_looping=True, restarts=3)], POLICY).reason
    failed = judge([sample(0, counters={"pricing_pack_build_failures_total": 1.0})], POLICY)
    assert failed.verdict == "failing"
    assert "pricing_pack_build_failures_total rose by 1" in failed.reason


def test_a_check_joins_the_samples_of_its_interval() -> None:
    minute = POLICY.model_copy(update={"check_interval": 60.0})
    samples = [sample(at, canary=counts(20, errors=1 if at % 60 == 0 else 0)) for at in range(300)]
    assert judge(samples, minute).verdict == "healthy"
    worse = [sample(at, canary=counts(20, errors=1 if at % 6 == 0 else 0)) for at in range(300)]
    assert judge(worse, minute).verdict == "failing"
    assert judge(worse[:299], minute).consecutive_failures == 4


def test_between_two_checks_the_last_one_stands() -> None:
    minute = POLICY.model_copy(update={"check_interval": 60.0})
    samples = [sample(at, canary=counts(20, errors=1)) for at in range(60)] + [sample(at) for at in range(60, 119)]
    assert judge(samples, minute).verdict == "inconclusive"
    assert judge([*samples, sample(119)], minute).verdict == "healthy"


def test_the_soak_looks_twice_as_often_over_the_same_time() -> None:
    minute = POLICY.model_copy(update={"check_interval": 60.0})
    soak = twice_as_often(minute)
    assert soak.check_interval * soak.failed_checks == minute.check_interval * minute.failed_checks
    burst = [sample(at, canary=counts(20, errors=10 if at % 60 < 10 else 0)) for at in range(600)]
    assert judge(burst, minute).verdict == "failing"
    assert judge(burst, soak).verdict != "failing"
    assert twice_as_often(POLICY) is POLICY


def test_the_first_check_begins_with_the_canarys_traffic() -> None:
    """Watched alone before, stable would otherwise leave the first check only a part of its time."""
    policy = POLICY.model_copy(update={"check_interval": 10.0, "failed_checks": 2})
    watched = [sample(at, weight=0, canary=counts(0)) for at in range(5)]
    bad = [sample(5 + at, canary=counts(20, errors=5)) for at in range(20)]
    assert judge([*watched, *bad[:19]], policy).verdict == "inconclusive"
    assert judge([*watched, *bad], policy).verdict == "failing"


def test_a_check_that_is_not_over_is_no_failed_check() -> None:
    """One bad second of the first minute must not be the one failed check that rolls back."""
    policy = POLICY.model_copy(update={"check_interval": 10.0, "failed_checks": 1})
    bad, good = sample(0, canary=counts(20, errors=5)), [sample(at) for at in range(1, 9)]
    judgement = judge([bad], policy)
    assert (judgement.verdict, judgement.consecutive_failures) == ("inconclusive", 0)
    assert judgement.reason.startswith("the first check is not over, and so far its error rate")
    assert judge([bad, *good], policy).verdict == "inconclusive"
    over = judge([bad, *good, sample(9)], policy)
    assert (over.verdict, over.consecutive_failures) == ("failing", 1)
    quick = [sample(at, canary=counts(20, errors=1 if at == 0 else 0)) for at in range(10)]
    assert judge(quick, policy.model_copy(update={"error_rate": 0.01})).verdict == "healthy"
