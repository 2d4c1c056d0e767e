"""What journals of older versions hold only in a sentence."""

from __future__ import annotations

import pytest

from dawsos.model.legacy import known_cause, with_cause, with_change, with_step
from dawsos.model.status import Cause


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("asked for by Ada: wrong totals", Cause.REQUESTED),
        ("the canary is in a crash loop: 3 restarts", Cause.CRASH_LOOP),
        ("pack_failures rose by 2 on the canary", Cause.FAILURE_COUNTER),
        ("5 consecutive checks failed: error rate 5.00% > 0.50% (5 of 100 requests)", Cause.ERROR_RATE),
        ("5 consecutive checks failed: p95 1400 ms > 1200 ms", Cause.LATENCY),
        ("the canary answers with an error 9 times as often as stable does: 12 of 260", Cause.WORSE_THAN_STABLE),
        ("the canary is slower than stable: 12 of 260", Cause.WORSE_THAN_STABLE),
        ("the canary is down: 9 of 9 requests failed, 0 of 90 of stable's", Cause.WORSE_THAN_STABLE),
        ("no healthy verdict within 20 s after the step's time: fewer than 20 requests", Cause.NO_VERDICT),
        ("another release took production while no controller was there", Cause.SUPERSEDED),
        ("the canary was removed while no controller was there", Cause.REMOVED),
        ("the canary is not running any more", Cause.NOT_RUNNING),
        ("the drill was interrupted", Cause.INTERRUPTED),
        ("something else", Cause.UNKNOWN),
    ],
)
def test_the_cause_is_found_in_the_sentence(reason: str, cause: Cause) -> None:
    assert with_cause({"decision": "rollback", "reason": reason})["cause"] is cause


def test_a_recorded_cause_is_not_looked_for_in_the_sentence() -> None:
    body = {"decision": "rollback", "cause": "requested", "reason": "a crash loop"}
    assert with_cause(body) is body


def test_a_failure_counter_has_its_name_and_number() -> None:
    body = with_cause({"decision": "rollback", "reason": "pack_failures rose by 2 on the canary"})
    assert (body["metric"], body["measured"]) == ("pack_failures", 2.0)
    body = with_cause({"decision": "rollback", "reason": "pack_failures rose by many on the canary"})
    assert body["measured"] is None


def test_a_promotion_was_for_health() -> None:
    assert with_cause({"decision": "promote", "reason": "healthy at 100 % for 6 s"})["cause"] is Cause.HEALTHY


def test_the_weight_of_the_step_was_called_otherwise() -> None:
    assert with_step({"weight": 3, "rung": 25})["step"] == 25
    assert with_step({"weight": 3, "step": 5, "rung": 25})["step"] == 5
    assert "step" not in with_step({"weight": 3})


@pytest.mark.parametrize(
    ("why", "change"), [("dimmed: x", "dimmed"), ("restored: x", "restored"), ("", None), ("x", None)]
)
def test_what_a_change_of_weight_was(why: str, change: str | None) -> None:
    assert with_change({"weight": 3, "why": why}).get("change") == change


def test_an_unknown_cause_is_unknown() -> None:
    assert known_cause("latency") is Cause.LATENCY
    assert known_cause("of_a_newer_version") is Cause.UNKNOWN
