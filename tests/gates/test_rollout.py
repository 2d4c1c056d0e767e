"""Rollout: promoted at 100 % and nothing less."""

from __future__ import annotations

from typing import Any

import pytest

from gates.samples import ask

GOOD = {
    "outcome": "promoted",
    "weight": 100,
    "error_rate": 0.001,
    "p95": 0.25,
    "release": "f" * 64,
    "reason": "climbed",
}


def test_promoted_at_100_per_cent() -> None:
    verdict = ask("rollout", {"rollout.json": GOOD})
    assert verdict.result == "pass"
    assert verdict.measured == "promoted at 100 %, errors 0.10%, p95 250 ms"
    assert (verdict.limit, verdict.evidence) == ("promoted at 100 %", ("rollout.json",))


@pytest.mark.parametrize("outcome", ["rolled_back", "withdrawn", "not started", "perhaps"])
def test_every_other_end_fails_with_its_reason(outcome: str) -> None:
    verdict = ask("rollout", {"rollout.json": {**GOOD, "outcome": outcome, "weight": 5, "reason": "5 failed checks"}})
    assert (verdict.result, verdict.message) == ("fail", "5 failed checks")
    assert verdict.findings == ("release ffffffffffff: 5 failed checks",)
    assert verdict.measured.startswith(f"{outcome} at 5 %")


def test_promoted_with_less_than_all_the_traffic_is_not_promoted() -> None:
    verdict = ask("rollout", {"rollout.json": {**GOOD, "weight": 85}})
    assert verdict.result == "fail"
    assert "85" in verdict.message


def test_a_rollout_that_ended_before_its_first_check_has_no_numbers() -> None:
    facts = {"outcome": "rolled_back", "weight": 0, "error_rate": None, "p95": None}
    assert ask("rollout", {"rollout.json": facts}).measured == "rolled_back at 0 %"


def test_no_file_is_no_data() -> None:
    assert ask("rollout", {}).result == "no_data"


@pytest.mark.parametrize(
    "content",
    ["", "{", [], {}, {**GOOD, "outcome": ""}, {**GOOD, "outcome": None}, {**GOOD, "weight": "all"}, {**GOOD, "p95": "fast"},
     {"outcome": "promoted"}],
    ids=["empty", "cut", "list", "nothing", "no word", "null", "weight", "p95", "no weight"],
)  # fmt: skip
def test_a_malformed_file_is_an_error(content: Any) -> None:
    assert ask("rollout", {"rollout.json": content}).result == "error"


def test_a_promotion_that_nobody_looked_at_passes_and_says_so() -> None:
    verdict = ask("rollout", {"rollout.json": {**GOOD, "checked": False, "error_rate": None, "p95": None}})
    assert (verdict.result, verdict.unchecked) == ("pass", True)
    assert verdict.message == "warning: NOT CHECKED: climbed"
    rolled_back = ask("rollout", {"rollout.json": {**GOOD, "outcome": "rolled_back", "checked": False}})
    assert (rolled_back.result, rolled_back.unchecked) == ("fail", False)
