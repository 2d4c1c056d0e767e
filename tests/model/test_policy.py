"""The policy refuses what could not be carried out."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dawsos.model.policy import CompareRequest, LoadRequest, RolloutPolicy

GOOD: dict[str, Any] = {
    "ladder": [{"weight": 5, "duration": "5m"}, {"weight": 100, "duration": "5m"}], "error_rate": "0.5%", "p95": "1.2s",
}  # fmt: skip


def ladder(*weights: int) -> dict[str, Any]:
    return {"ladder": [{"weight": weight, "duration": "1s"} for weight in weights]}


def test_numbers_are_seconds_and_shares() -> None:
    policy = RolloutPolicy.model_validate(GOOD)
    assert (policy.error_rate, policy.p95, policy.ladder[0].duration) == (0.005, 1.2, 300.0)
    assert policy.judge == "statistical"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (ladder(5, 5, 100), "ladder weights must increase, got 5 5 100"),
        (ladder(25, 5, 100), "ladder weights must increase, got 25 5 100"),
        (ladder(5, 50), "the ladder must end at 100, got 50"),
        (ladder(), "at least 1 item"),
        (ladder(0, 100), "greater than or equal to 1"),
        (ladder(5, 101), "less than or equal to 100"),
        ({"tick": "2s", "check_interval": "1s"}, "check_interval must not be shorter than tick"),
        ({"failed_checks": 0}, "greater than or equal to 1"),
        ({"tick": "20s"}, "lease 15 s must be longer than tick 20 s: it is renewed once a tick"),
        ({"lease": "1s"}, "lease 1 s must be longer than tick 1 s: it is renewed once a tick"),
        ({"judge": "nobody"}, "statistical"),
        ({"alpha": 0}, "greater than 0"),
        ({"tolerance": 0.9}, "greater than or equal to 1"),
        ({"p99": "1s"}, "Extra inputs are not permitted"),
        ({"p95": "0s"}, "p95"),
        ({"error_rate": "101%"}, "error_rate"),
        ({"failure_counters": ['builds_failed{job="x"}']}, "failure_counters.0"),
        ({"failure_counters": ["builds failed"]}, "failure_counters.0"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        RolloutPolicy.model_validate({**GOOD, **change})
    assert words in str(refused.value)


def test_load_is_bounded_and_stays_on_the_service() -> None:
    load = {"rate": 5000, "requests": [{"path": "/"}]}
    assert RolloutPolicy.model_validate({**GOOD, "load": load}).load is not None
    worse: tuple[dict[str, Any], ...] = (
        {"rate": 5001},
        {"rate": 0},
        {"requests": []},
        {"requests": [{"path": "http://example.org"}]},
        {"requests": [{"path": "/", "share": float("inf")}]},
    )
    for bad in worse:
        with pytest.raises(ValidationError):
            RolloutPolicy.model_validate({**GOOD, "load": {**load, **bad}})
    assert LoadRequest(path="/x").share == 1


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"path": "/x", "method": "POST"}, "say `safe: true` when it changes nothing"),
        ({"path": "/x", "body": "{}"}, "GET has no body"),
        ({"path": "x"}, "pattern"),
        ({"path": "/x", "method": "DELETE", "safe": True}, "'GET', 'HEAD' or 'POST'"),
    ],
)
def test_what_the_comparison_sends_changes_nothing(request_: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        CompareRequest.model_validate(request_)


def test_a_comparison_is_on_with_enough_rounds_for_a_proof() -> None:
    policy = RolloutPolicy.model_validate(GOOD)
    assert (policy.compare.enabled, policy.compare.repetitions) == (True, 6)
    for wrong in ({"repetitions": 4}, {"most_requests": 14}, {"allow": [{"path": "/x", "why": ""}]}):
        with pytest.raises(ValidationError):
            RolloutPolicy.model_validate({**GOOD, "compare": wrong})


def test_only_more_refusals_and_smaller_bodies_can_be_expected() -> None:
    policy = RolloutPolicy.model_validate({**GOOD, "expect": {"4xx": "more", "bodies": "smaller"}})
    assert policy.expect == {"4xx": "more", "bodies": "smaller"}
    with pytest.raises(ValidationError, match="4xx: smaller cannot be expected, only 4xx: more"):
        RolloutPolicy.model_validate({**GOOD, "expect": {"4xx": "smaller"}})
