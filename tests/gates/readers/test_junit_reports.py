"""JUnit reports of many tools: what did not run did not pass, and the totals say what must be there."""

from __future__ import annotations

import pytest

from dawsos.gates.documents import Malformed
from dawsos.gates.readers.junit_reports import junit_cases

NOT_RUN = '<testcase classname="Orders" name="DISABLED_Adds" status="notrun" result="suppressed"/>'
FAILS = '<testcase name="a"><failure message="no"/></testcase>'
PASSES = '<testcase name="a"/>'


def outcomes(text: str | bytes) -> list[str]:
    content = text if isinstance(text, bytes) else text.encode()
    return [case.outcome for case in junit_cases("r.xml", content)]


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (NOT_RUN, ["skipped"]),
        ('<testcase name="a" status="disabled"/>', ["skipped"]),
        ('<testcase name="a" status="run" result="completed"/>', ["passed"]),
        ('<testcase name="a" status="Failed"/>', ["failed"]),
        ('<testcase name="a" status="run" result="error"/>', ["failed"]),
        (f'{PASSES}<error message="after hook"/>', ["passed", "failed"]),
        (f'{PASSES}<failure>x</failure>', ["passed", "failed"]),
        ('<testcase name="a"><failure/><rerunFailure/></testcase>', ["failed"]),
        ('<testcase name="a"><rerunError/></testcase>', ["failed"]),
        ('<testcase name="a"><skipped/></testcase>', ["skipped"]),
    ],
)  # fmt: skip
def test_what_a_suite_says_of_its_tests(inner: str, expected: list[str]) -> None:
    assert outcomes(f'<testsuite name="s">{inner}</testsuite>') == expected
    assert outcomes(f'<testsuites xmlns="urn:x"><testsuite name="s">{inner}</testsuite></testsuites>') == expected


def test_a_failure_straight_below_a_suite_bears_its_name() -> None:
    (case,) = junit_cases("r", b'<testsuite name="setup"><error message="no database"/></testsuite>')
    assert (case.id, case.message) == ("setup", "no database")


@pytest.mark.parametrize("tag", ["flakyFailure", "flakyError"])
def test_a_test_that_passed_only_when_tried_again_says_so(tag: str) -> None:
    (case,) = junit_cases("r", f'<testsuite><testcase name="a"><{tag} message="no"/></testcase></testsuite>'.encode())
    assert (case.outcome, case.retried, case.message) == ("passed", True, "passed after an attempt that failed: no")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'<testsuite tests="40" failures="0">{PASSES}</testsuite>', "announces 40 tests and shows 1"),
        (f'<testsuites tests="2"><testsuite>{PASSES}</testsuite></testsuites>', "announces 2 tests and shows 1"),
        (f'<testsuites tests="3" failures="2"><testsuite>{PASSES * 3}</testsuite></testsuites>', "counts 2 failures"),
        (
            f'<testsuites><testsuite errors="1">{PASSES}</testsuite><testsuite>{FAILS}</testsuite></testsuites>',
            "counts 1",
        ),
        ('<testsuite tests="many"/>', "tests is 'many', not a count"),
    ],
)
def test_a_report_that_shows_less_than_it_counts_was_cut_short(text: str, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        junit_cases("r.xml", text.encode())


def test_a_failure_that_is_counted_and_not_shown_fails_by_itself() -> None:
    assert outcomes(f'<testsuite failures="3" tests="3">{FAILS}{PASSES * 2}</testsuite>').count("failed") == 3


def test_what_pytest_counts_twice_is_no_report_cut_short() -> None:
    both = '<testcase name="a"><failure/></testcase><testcase name="a"><error message="teardown"/></testcase>'
    assert outcomes(f'<testsuite tests="1" failures="1" errors="1">{both}</testsuite>') == ["failed", "failed"]
    after = '<testcase name="a"><error message="teardown"/></testcase>'
    assert outcomes(f'<testsuite tests="2" errors="1">{after}</testsuite>') == ["failed"]


def test_subtests_that_pytest_counts_and_does_not_show_are_told() -> None:
    """Pytest 9 counts each subtest that passed; a report that somebody edited looks the same."""
    report = f'<testsuite name="pytest" tests="13" failures="0">{PASSES}</testsuite>'.encode()
    (shown, unseen) = junit_cases("junit.xml", report)
    assert (shown.outcome, shown.unseen) == ("passed", False)
    assert (unseen.outcome, unseen.unseen) == ("skipped", True)
    assert "counts 12 more than it shows" in unseen.message
    # One without any test is empty, whoever wrote it.
    with pytest.raises(Malformed, match="announces 13 tests and shows 0"):
        junit_cases("junit.xml", b'<testsuite name="pytest" tests="13"/>')
