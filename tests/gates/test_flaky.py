"""Flaky: one commit, several runs, one outcome for each test."""

from __future__ import annotations

import pytest

from gates.samples import ask, junit


def runs(*outcomes: str) -> dict[str, str]:
    return {f"junit-{n}.xml": junit({"a": outcome, "b": "passed"}) for n, outcome in enumerate(outcomes, start=1)}


def test_the_same_outcome_in_every_run_passes() -> None:
    verdict = ask("flaky", runs("passed", "passed", "passed"))
    assert verdict.result == "pass"
    assert (verdict.measured, verdict.limit) == ("0 of 2 tests flaky over 3 runs", "0 flaky")
    assert len(verdict.evidence) == 3


def test_a_test_that_always_fails_is_not_flaky() -> None:
    """It is red at the gate junit, whose business it is."""
    assert ask("flaky", runs("failed", "failed", "failed")).passed


def test_a_flaky_test_is_named_with_its_outcomes() -> None:
    verdict = ask("flaky", runs("passed", "failed", "passed"))
    assert verdict.result == "fail"
    assert verdict.findings == ("tests.test_x::a: passed, failed, passed",)
    assert verdict.message == "flaky: tests.test_x::a: passed, failed, passed"
    assert verdict.measured == "1 of 2 tests flaky over 3 runs"


def test_a_test_that_is_not_in_every_run_is_flaky() -> None:
    evidence = {**runs("passed", "passed"), "junit-3.xml": junit({"b": "passed"})}
    assert ask("flaky", evidence).findings == ("tests.test_x::a: passed, passed, missing",)


def test_a_test_that_was_tried_again_within_a_run_is_flaky() -> None:
    again = junit([("a", "failed"), ("a", "passed")])
    verdict = ask("flaky", dict.fromkeys(("junit-1.xml", "junit-2.xml"), again), runs=2)
    assert verdict.findings == ("tests.test_x::a: failed+passed, failed+passed",)


def test_too_few_runs_and_runs_without_a_test_show_nothing() -> None:
    assert ask("flaky", {}).result == "no_data"
    verdict = ask("flaky", runs("passed", "passed"))
    assert (verdict.result, verdict.message.partition(":")[0]) == ("no_data", "2 of 3 reports")
    assert ask("flaky", {f"junit-{n}.xml": junit({}) for n in (1, 2, 3)}).result == "no_data"


@pytest.mark.parametrize("content", ["", "<testsuite", "<coverage/>"])
def test_one_malformed_report_among_three_is_an_error(content: str) -> None:
    verdict = ask("flaky", {**runs("passed", "passed"), "junit-3.xml": content})
    assert verdict.result == "error"
    assert "junit-3.xml" in verdict.message


def test_a_test_that_passed_only_when_tried_again_within_each_run_is_flaky() -> None:
    report = '<testsuite><testcase name="a"><flakyFailure message="no"/></testcase></testsuite>'
    verdict = ask("flaky", {f"junit-{run}.xml": report for run in (1, 2, 3)})
    assert (verdict.result, verdict.measured) == ("fail", "1 of 1 tests flaky over 3 runs")
