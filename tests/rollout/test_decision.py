"""The state table of the ladder: every verdict in every phase has its decision."""

from __future__ import annotations

from typing import Literal, get_args

import pytest

from dawsos.model.comparison import ComparedPage, ComparisonVerdict
from dawsos.model.events import AnswersCompared, RolloutDecided
from dawsos.model.policy import LadderStep, RolloutPolicy
from dawsos.model.rollout import Judgement, Verdict
from dawsos.model.status import Cause, RolloutDecision
from dawsos.rollout.decision import (
    LadderState,
    answers_differ,
    decide,
    dimmed_weight,
    ended,
    flagger_failed,
    flagger_promoted,
    requested,
)

POLICY = RolloutPolicy(
    ladder=(LadderStep(weight=5, duration=10), LadderStep(weight=100, duration=7)),
    check_interval=1, error_rate=0.005, p95=1.2, no_data_deadline=20,
)  # fmt: skip

TABLE = {
    "healthy": ("hold", "advance", "advance"),
    "inconclusive": ("hold", "hold", "rollback"),
    "no_data": ("hold", "hold", "rollback"),
    "failing": ("rollback", "rollback", "rollback"),
}


def test_the_table_covers_every_verdict() -> None:
    assert set(TABLE) == set(get_args(Verdict))


@pytest.mark.parametrize("verdict", TABLE)
@pytest.mark.parametrize(("column", "elapsed"), [(0, 0.0), (0, 9.9), (1, 10.0), (1, 29.9), (2, 30.0), (2, 1e9)])
def test_decisions(verdict: Verdict, column: int, elapsed: float) -> None:
    decision, reason = decide(LadderState(0, 100.0), Judgement(verdict, "because"), 100.0 + elapsed, POLICY)
    assert decision == TABLE[verdict][column]
    assert "because" in reason


@pytest.mark.parametrize("verdict", TABLE)
@pytest.mark.parametrize(("column", "elapsed"), [(0, 6.9), (1, 7.0), (2, 27.0)])
def test_at_the_top_the_only_difference_is_that_to_advance_is_to_promote(
    verdict: Verdict, column: int, elapsed: float
) -> None:
    decision, reason = decide(LadderState(1, 0.0), Judgement(verdict, "because"), elapsed, POLICY)
    below = TABLE[verdict][column]
    assert decision == ("promote" if below == "advance" else below)
    if decision == "promote":
        assert reason == "healthy at 100 % for 7 s"


def test_at_the_deadline_the_policy_may_hold_instead() -> None:
    patient = POLICY.model_copy(update={"at_deadline": "hold"})
    assert decide(LadderState(0, 0.0), Judgement("inconclusive", ""), 1e6, patient)[0] == "hold"
    assert decide(LadderState(0, 0.0), Judgement("failing", ""), 1e6, patient)[0] == "rollback"


def test_suspicion_dims_and_a_cleared_canary_is_restored() -> None:
    steep = RolloutPolicy(
        ladder=(LadderStep(weight=50, duration=10), LadderStep(weight=100, duration=10)), error_rate=0.005, p95=1.2
    )
    suspected = Judgement("inconclusive", "hm", suspected=True, dim_factor=0.1)
    assert decide(LadderState(0, 0.0), suspected, 1.0, steep) == ("dim", "hm")
    assert decide(LadderState(0, 0.0, 5), suspected, 1.0, steep)[0] == "hold"
    assert decide(LadderState(0, 0.0, 5), Judgement("healthy", ""), 20.0, steep)[0] == "restore"
    assert decide(LadderState(0, 0.0, 5), Judgement("failing", ""), 1.0, steep)[0] == "rollback"
    assert decide(LadderState(0, 0.0, 5), suspected, 1e6, steep)[0] == "rollback"
    assert decide(LadderState(0, 0.0), suspected, 1.0, steep.model_copy(update={"dim": False}))[0] == "hold"
    nearly = Judgement("inconclusive", "hm", suspected=True, dim_factor=0.9)
    assert decide(LadderState(0, 0.0), nearly, 1.0, steep)[0] == "hold"


@pytest.mark.parametrize(
    ("weight", "factor", "lower"), [(50, 0.1, 5), (5, 0.1, 1), (1, 0.1, 1), (10, 0.8, 10), (10, 0.7, 7)]
)
def test_a_dimmed_weight_is_never_nothing(weight: int, factor: float, lower: int) -> None:
    assert dimmed_weight(weight, factor) == lower


def test_evidence_ends_a_step_early_but_not_before_its_shortest_time() -> None:
    quick = POLICY.model_copy(update={"advance": "evidence", "shortest_step": 4.0})
    proven = Judgement("healthy", "", proven=True)
    assert decide(LadderState(0, 0.0), proven, 3.9, quick)[0] == "hold"
    assert decide(LadderState(0, 0.0), proven, 4.0, quick)[0] == "advance"
    unproven = Judgement("healthy", "")
    assert decide(LadderState(0, 0.0), unproven, 4.0, quick)[0] == "hold"
    by_time = quick.model_copy(update={"advance": "time"})
    assert decide(LadderState(0, 0.0), proven, 4.0, by_time)[0] == "hold"


def test_a_canary_that_nobody_suspects_is_not_dimmed_whatever_its_factor() -> None:
    steep = POLICY.model_copy(
        update={"ladder": (LadderStep(weight=50, duration=10), LadderStep(weight=100, duration=7))}
    )
    unsuspected = Judgement("healthy", "", suspected=False, dim_factor=0.1)
    assert decide(LadderState(0, 0.0), unsuspected, 1.0, steep)[0] == "hold"


def test_the_fact_that_ends_a_rollout_has_the_cause_and_the_numbers_of_the_judge() -> None:
    failing = Judgement(
        "failing", "too slow", cause=Cause.LATENCY, metric="p95", measured=2.1, limit=1.2, error_rate=0.0, p95=2.1
    )
    assert ended("rollback", "too slow", failing) == RolloutDecided(
        RolloutDecision.ROLLBACK, Cause.LATENCY, "too slow", "p95", 2.1, 1.2
    )
    healthy = Judgement("healthy", "all is well", cause=Cause.HEALTHY)
    assert ended("promote", "healthy at 100 %", healthy) == RolloutDecided(
        RolloutDecision.PROMOTE, Cause.HEALTHY, "healthy at 100 %"
    )


@pytest.mark.parametrize("verdict", ["inconclusive", "no_data"])
def test_a_rollback_at_the_deadline_is_for_want_of_a_verdict_and_not_for_what_was_doubted(verdict: Verdict) -> None:
    doubt = Judgement(
        verdict, "1 of 5 checks failed", cause=Cause.ERROR_RATE, metric="error rate", measured=0.1, limit=0.005
    )
    assert ended("rollback", "too late", doubt) == RolloutDecided(
        RolloutDecision.ROLLBACK, Cause.NO_VERDICT, "too late"
    )


@pytest.mark.parametrize(("name", "told"), [("Ada", "asked for by Ada: odd"), ("", "asked for by somebody: odd")])
def test_a_rollback_that_a_person_asked_for_names_the_person(name: str, told: str) -> None:
    assert requested(name, "odd") == RolloutDecided(RolloutDecision.ROLLBACK, Cause.REQUESTED, told)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("Halt shop.a advancement success-rate 90.00 < 99", Cause.ERROR_RATE),
        ("Halt shop.a advancement success rate 90.00% < 99%", Cause.ERROR_RATE),
        ("Halt shop.a advancement request-duration-p95 1500.00 > 1200", Cause.LATENCY),
        (
            "Halt shop.a advancement no values found for custom metric: canary-requests: no values found",
            Cause.NO_VERDICT,
        ),
        ("Halt shop.a advancement canary-restarts 3.00 > 2", Cause.CRASH_LOOP),
        ("Halt shop.a advancement pricing-pack-build-failures 1.00 > 0", Cause.FAILURE_COUNTER),
        ("canary deployment shop.a not ready: waiting for rollout to finish", Cause.NOT_RUNNING),
        ("Advance shop.a canary weight 25", Cause.UNKNOWN),
    ],
)
def test_flaggers_last_finding_is_the_cause(said: str, cause: Cause) -> None:
    gate = "Halt shop.a advancement waiting for traffic increase approval judge-step"
    decided = flagger_failed(["Halt shop.a advancement request-duration 9", "x", said, gate, "Canary failed!"][1:])
    assert (decided.decision, decided.cause) == (RolloutDecision.ROLLBACK, cause)
    assert (said in decided.reason) is (cause is not Cause.UNKNOWN)


def test_a_promotion_by_flagger_says_whether_anything_was_checked() -> None:
    assert flagger_promoted(first=False).cause is Cause.HEALTHY
    assert "nothing of it was checked" in flagger_promoted(first=True).reason


def compared(verdict: ComparisonVerdict, *pages: ComparedPage) -> AnswersCompared:
    return AnswersCompared(verdict, "because", pages=pages)


@pytest.mark.parametrize("at_no_data", ["go_on", "rollback"])
def test_answers_that_differ_end_the_rollout_before_it_has_traffic(at_no_data: Literal["go_on", "rollback"]) -> None:
    bad, good = ComparedPage("GET", "/v1/x", "fail"), ComparedPage("GET", "/", "pass")
    found = answers_differ(compared("fail", good, bad), at_no_data)
    assert found == RolloutDecided(
        RolloutDecision.ROLLBACK, Cause.ANSWERS, "before any traffic: because", "GET /v1/x", 1.0, 0.0
    )
    assert answers_differ(compared("pass", good), at_no_data) is None
    assert answers_differ(compared("skipped"), at_no_data) is None


def test_what_could_not_be_compared_ends_it_only_when_the_policy_says_so() -> None:
    assert answers_differ(compared("no_data"), "go_on") is None
    found = answers_differ(compared("no_data"), "rollback")
    assert found is not None
    assert (found.decision, found.cause) == (RolloutDecision.ROLLBACK, Cause.NO_VERDICT)
    assert "ship --hotfix" in found.reason
