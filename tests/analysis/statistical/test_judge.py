"""The statistical judge over samples: its verdicts, its sentences, what it refuses to believe."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.analysis.judges import JUDGES, make_judge
from dawsos.analysis.statistical.judge import Judge, Statistical, rules_of
from dawsos.model.policy import LadderStep, RolloutPolicy, WarmUp
from dawsos.model.rollout import Counts, Judgement, JudgeName, Sample
from fakes import counts, sample

POLICY = RolloutPolicy(
    ladder=(LadderStep(weight=5, duration=300), LadderStep(weight=50, duration=300), LadderStep(weight=100, duration=60)),
    tick=1, check_interval=60, failed_checks=5, error_rate=0.005, p95=1.2,
)  # fmt: skip


def _run(judge: Judge, samples: list[Sample]) -> Judgement:
    for each in samples[:-1]:
        judge.observe(each)
    return judge.observe(samples[-1])


def test_a_good_canary_is_healthy_and_shows_its_evidence() -> None:
    judgement = _run(Statistical(POLICY), [sample(at) for at in range(60)])
    assert judgement.verdict == "healthy"
    worse = judgement.tests[0]
    assert worse.log_e < worse.limit
    assert worse.low is not None
    assert worse.high is not None
    assert worse.low <= (worse.estimate or 0.0) <= worse.high


def test_a_bad_canary_is_failing_with_a_sentence_a_person_understands() -> None:
    rnd = random.Random(4)
    judge = Statistical(POLICY)
    for at in range(100):
        judgement = judge.observe(sample(at, canary=counts(20, errors=sum(rnd.random() < 0.1 for _ in range(20)))))
        if judgement.verdict == "failing":
            break
    assert judgement.verdict == "failing"
    assert at <= 25
    assert "the canary answers with an error" in judgement.reason
    assert "a healthy canary looks so bad in fewer than 1 of" in judgement.reason


def test_suspicion_comes_before_proof_and_asks_for_less_traffic() -> None:
    judge = Statistical(POLICY)
    verdicts = [judge.observe(sample(at, canary=counts(20, errors=4))) for at in range(20)]
    first = next(judgement for judgement in verdicts if judgement.suspected)
    assert first.verdict == "inconclusive"
    assert first.reason.startswith("suspicion: ")
    assert first.dim_factor < 0.7


def test_a_slow_canary_is_found_by_what_stable_usually_takes() -> None:
    judge = Statistical(POLICY)
    for at in range(5):
        judge.observe(sample(at, weight=0, canary=Counts()))
    for at in range(5, 60):
        judgement = judge.observe(sample(at, canary=counts(20, slow=20)))
        if judgement.verdict == "failing":
            break
    assert judgement.verdict == "failing"
    assert "the canary is slower than stable" in judgement.reason


def test_a_canary_that_is_down_is_out_at_once() -> None:
    judgement = _run(Statistical(POLICY), [sample(0, canary=counts(20, errors=20))])
    assert judgement.verdict == "failing"
    assert judgement.reason == "the canary is down: 20 of 20 requests failed, 0 of 200 of stable's"


def test_both_versions_bad_is_held_and_said_to_be_nobody_s_fault() -> None:
    both = [replace(sample(at, canary=counts(20, errors=4)), stable=counts(200, errors=40)) for at in range(60)]
    judgement = _run(Statistical(POLICY), both)
    assert judgement.verdict == "inconclusive"
    assert judgement.reason.startswith("held: errors above 0.50%")
    assert "not shown to be worse than stable" in judgement.reason


def test_too_little_traffic_says_so() -> None:
    assert _run(Statistical(POLICY), [sample(0, canary=Counts())]).verdict == "no_data"
    patient = POLICY.model_copy(update={"min_requests": 50})
    judgement = _run(Statistical(patient), [sample(0), sample(1)])
    assert (judgement.verdict, "40 of 50 requests" in judgement.reason) == ("inconclusive", True)
    assert _run(Statistical(patient), [sample(at) for at in range(3)]).verdict == "healthy"


def test_advance_by_evidence_waits_for_it() -> None:
    strict = POLICY.model_copy(update={"advance": "evidence"})
    judge = Statistical(strict)
    early = judge.observe(sample(0))
    assert (early.verdict, early.proven) == ("inconclusive", False)
    assert "not yet shown to be within the limits" in early.reason
    late = _run(judge, [sample(at) for at in range(1, 60)])
    assert (late.verdict, late.proven) == ("healthy", True)


@pytest.mark.parametrize(
    "odd",
    [
        {"complete": False},
        {"seconds": 0.0},
        {"seconds": -1.0},
        {"seconds": math.nan},
        {"seconds": 4000.0},
        {"canary": Counts(10, 11)},
        {"canary": Counts(-1, 0)},
        {"stable": Counts(10, -1)},
        {"canary": Counts(10, 0, ((0.1, 5), (1.0, 4), (math.inf, 10)))},
        {"stable": Counts(10, 0, ((0.1, -5), (math.inf, 10)))},
    ],
)
def test_what_cannot_be_is_no_data_and_changes_nothing(odd: dict[str, Any]) -> None:
    judge, other = Statistical(POLICY), Statistical(POLICY)
    for at in range(10):
        judge.observe(sample(at))
        other.observe(sample(at))
    assert judge.observe(replace(sample(10), **odd)).verdict == "no_data"
    assert judge.observe(sample(11)).tests == other.observe(sample(11)).tests


def test_a_crash_loop_and_a_failure_counter_are_proof_at_once() -> None:
    assert "crash loop" in _run(Statistical(POLICY), [sample(0, crash_looping=True, restarts=3)]).reason
    judgement = _run(Statistical(POLICY), [sample(0, counters={"pricing_pack_build_failures_total": 1.0})])
    assert (judgement.verdict, "rose by 1" in judgement.reason) == ("failing", True)


def test_without_a_comparator_the_thresholds_watch_and_say_so() -> None:
    first = Statistical(POLICY, first=True)
    judgement = _run(first, [sample(at, canary=counts(20, errors=2)) for at in range(300)])
    assert judgement.verdict == "failing"
    assert "nothing to compare with: first release" in judgement.reason
    soak = Statistical(POLICY)
    soaked = _run(soak, [sample(0), *[sample(at, weight=100, canary=counts(20, errors=2)) for at in range(1, 301)]])
    assert soaked.verdict == "failing"
    assert "all traffic is on the canary" in soaked.reason


def test_a_cold_start_is_judged_by_the_policy() -> None:
    cold = [sample(at, canary=counts(20, errors=3)) for at in range(20)]
    warm = POLICY.model_copy(update={"warm_up": WarmUp(duration=30, errors=False)})
    assert _run(Statistical(POLICY), cold).verdict == "failing"
    assert _run(Statistical(warm), cold).verdict != "failing"


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 300), st.integers(0, 9)), max_size=40))
@settings(max_examples=50, deadline=None)
def test_every_judge_answers_whatever_it_is_shown(drawn: list[tuple[int, int, int, int]]) -> None:
    for name in JUDGES:
        judge = make_judge(POLICY.model_copy(update={"judge": name}))
        for at, (requests, errors, stable, stable_errors) in enumerate(drawn):
            shown = Sample(
                float(at), 1.0, 5, counts(requests, min(errors, requests)), counts(stable, min(stable, stable_errors))
            )
            judgement = judge.observe(shown)
            assert judgement.reason
            assert all(not math.isnan(reading.log_e) for reading in judgement.tests)


def test_every_name_in_the_policy_has_its_judge() -> None:
    assert set(JUDGES) == set(get_args(JudgeName))
    assert isinstance(make_judge(POLICY, first=True), Statistical)


def test_the_rules_follow_the_policy() -> None:
    rules = rules_of(POLICY.model_copy(update={"alpha": 0.05, "requests_per_user": 20}))
    assert (rules.alpha, rules.cluster, rules.planned) == (0.05, 20, 660.0)


def _answering(at: float, refused: int, *, bodies: int = 0) -> Sample:
    """Return a second in which ``refused`` of the canary's 20 requests got 404, and ``bodies`` an empty body."""
    sizes = ((100.0, 0), (1000.0, 1), (10_000.0, 200), (math.inf, 200))
    stable = replace(counts(200), codes={"2xx": 199, "3xx": 0, "4xx": 1, "404": 1}, sizes=sizes)
    codes = {"2xx": 20 - refused, "3xx": 0, "4xx": refused, "404": refused}
    mine = ((100.0, bodies), (1000.0, bodies), (10_000.0, 20), (math.inf, 20))
    return Sample(at, 1.0, 5, replace(counts(20), codes=codes, sizes=mine), stable)


def _until_failing(judge: Judge, refused: int, bodies: int = 0) -> tuple[int, Judgement]:
    for at in range(60):
        judgement = judge.observe(_answering(at, refused, bodies=bodies))
        if judgement.verdict == "failing":
            break
    return at, judgement


def test_a_canary_that_answers_404_to_everything_is_out_in_seconds() -> None:
    at, judgement = _until_failing(Statistical(POLICY), 20)
    assert at <= 1
    assert judgement.reason.startswith("the canary is down: ")
    assert "requests were refused (4xx) (404: " in judgement.reason


def test_a_canary_that_refuses_more_than_stable_is_rolled_back_unless_the_release_means_it() -> None:
    at, judgement = _until_failing(Statistical(POLICY), 2)
    assert (judgement.verdict, at <= 30) == ("failing", True)
    assert judgement.reason.startswith("the canary refuses requests (4xx) (404: ")
    meant = POLICY.model_copy(update={"expect": {"4xx": "more"}})
    assert _until_failing(Statistical(meant), 2)[1].verdict == "healthy"


def test_a_canary_whose_bodies_are_empty_is_out_in_seconds() -> None:
    judge = Statistical(POLICY)
    for at in range(5):
        judge.observe(replace(_answering(at, 0), weight=0, canary=Counts()))
    at, judgement = _until_failing(judge, 0, bodies=20)
    assert at <= 1
    assert "bodies were smaller than nearly all of stable's" in judgement.reason


def test_a_recording_without_codes_and_sizes_has_the_evidence_of_errors_and_latency_alone() -> None:
    judge = Statistical(POLICY)
    for at in range(30):
        judgement = judge.observe(sample(at))
    unknown = [reading for reading in judgement.tests if reading.name in ("refused (4xx)", "small bodies")]
    assert [reading.requests for reading in unknown] == [0, 0]
    assert judgement.verdict == "healthy"
