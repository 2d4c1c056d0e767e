"""JUnit: no test failed, and tests did run."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from dawsos.gates.junit import Options
from gates.samples import ask, junit


def test_passing_reports_are_added_up() -> None:
    verdict = ask(
        "junit", {"junit-1.xml": junit({"a": "passed"}), "junit-2.xml": junit({"b": "passed", "c": "skipped"})}
    )
    assert verdict.result == "pass"
    assert verdict.measured == "2 tests, 0 failed, 1 skipped"
    assert verdict.limit == "0 failed, at least 1 run"
    assert verdict.evidence == ("junit-1.xml", "junit-2.xml")
    assert verdict.findings == ()


@pytest.mark.parametrize("outcome", ["failed", "error"])
def test_a_failed_test_is_named_with_what_it_said(outcome: str) -> None:
    verdict = ask("junit", {"junit.xml": junit({"a": "passed", "b": outcome})})
    assert verdict.result == "fail"
    assert verdict.measured == "2 tests, 1 failed"
    assert verdict.message == "tests.test_x::b failed"
    said = {"failed": "assert 1 == 2", "error": "fixture broke"}[outcome]
    assert verdict.findings == (f"tests.test_x::b: {said}",)


def test_no_test_at_all_is_a_failure_and_so_is_one_too_few() -> None:
    assert ask("junit", {"junit.xml": junit({})}).message == "no test ran"
    assert ask("junit", {"junit.xml": junit({"a": "skipped"})}).result == "fail"
    verdict = ask("junit", {"junit.xml": junit({"a": "passed"})}, min_tests=2)
    assert (verdict.result, verdict.message) == ("fail", "only 1 tests ran")
    assert verdict.limit == "0 failed, at least 2 run"


def test_a_skipped_test_counts_as_failed_where_it_must_not_be_skipped() -> None:
    evidence = {"junit.xml": junit({"a": "passed", "b": "skipped"})}
    assert ask("junit", evidence).passed
    verdict = ask("junit", evidence, allow_skipped=False)
    assert (verdict.result, verdict.message) == ("fail", "tests.test_x::b skipped")
    assert verdict.limit == "0 failed or skipped, at least 1 run"


def test_so_many_failures_may_be_allowed_and_not_one_more() -> None:
    assert ask("junit", {"junit.xml": junit({"a": "failed", "b": "passed"})}, max_failures=1).passed
    assert not ask("junit", {"junit.xml": junit({"a": "failed", "b": "failed", "c": "passed"})}, max_failures=1).passed


def test_a_missing_report_is_no_data() -> None:
    verdict = ask("junit", {"report.xml": junit({"a": "passed"})}, reports="junit*.xml")
    assert (verdict.result, verdict.measured, verdict.limit) == ("no_data", "nothing", "junit*.xml")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is not XML"),
        ("<testsuites><testsuite>", "is not XML"),
        ("<html/>", "its root is <html>"),
        ('<testsuite failures="2"><testcase name="a"/></testsuite>', "counts 2 failures and shows none"),
        ('<testsuite failures="few"><testcase name="a"/></testsuite>', "failures is 'few', not a count"),
        (
            '<testsuites failures="2"><testsuite><testcase name="a"/></testsuite></testsuites>',
            "counts 2 failures and shows none",
        ),
        ('<!DOCTYPE x [<!ENTITY a "b">]><testsuite/>', "declares entities"),
        (junit({"a": "passed"}).encode("utf-16"), "is not UTF-8"),
    ],
)
def test_a_malformed_report_is_an_error_that_names_it(content: str | bytes, words: str) -> None:
    verdict = ask("junit", {"junit-1.xml": junit({"a": "passed"}), "junit-2.xml": content})
    assert verdict.result == "error"
    assert "junit-2.xml" in verdict.message
    assert words in verdict.message


@pytest.mark.parametrize("options", [{"min_tests": 0}, {"max_failures": -1}])
def test_a_limit_that_lets_everything_pass_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate(options)
    assert Options(min_tests=1, max_failures=0) == Options()


def test_tests_that_did_not_run_are_none_that_passed() -> None:
    suite = (
        '<testsuite name="Orders" tests="1" disabled="1"><testcase name="DISABLED_Adds" status="notrun"/></testsuite>'
    )
    verdict = ask("junit", {"junit.xml": f'<testsuites tests="1" disabled="1">{suite}</testsuites>'})
    assert (verdict.result, verdict.message, verdict.measured) == (
        "fail",
        "no test ran",
        "0 tests, 0 failed, 1 skipped",
    )


def test_a_test_that_passed_only_when_tried_again_is_a_remark() -> None:
    report = '<testsuite><testcase name="a"><flakyFailure message="no"/></testcase><testcase name="b"/></testsuite>'
    verdict = ask("junit", {"junit.xml": report})
    assert (verdict.result, verdict.measured) == ("pass", "2 tests, 0 failed, 1 passed only when tried again")
    assert verdict.unchecked
    assert verdict.findings == ("a: passed after an attempt that failed: no",)


@pytest.mark.parametrize("allow_skipped", [True, False])
def test_subtests_that_are_counted_and_not_shown_are_a_remark(allow_skipped: bool) -> None:
    report = '<testsuite name="pytest" tests="6"><testcase classname="a" name="b"/></testsuite>'
    verdict = ask("junit", {"junit.xml": report}, allow_skipped=allow_skipped)
    assert (verdict.result, verdict.unchecked, verdict.measured) == ("pass", True, "1 tests, 0 failed")
    assert "counts 5 more than it shows" in verdict.findings[0]
