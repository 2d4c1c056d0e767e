"""Pass rate: enough of the selected tests pass, and all of the required ones."""

from __future__ import annotations

import pytest

from gates.samples import ask, junit


def report(passed: int, failed: int = 0, skipped: int = 0) -> dict[str, str]:
    outcomes = ["passed"] * passed + ["failed"] * failed + ["skipped"] * skipped
    return {"junit.xml": junit({f"t{n}": outcome for n, outcome in enumerate(outcomes)})}


def test_exactly_the_limit_passes_and_one_less_fails() -> None:
    verdict = ask("pass_rate", report(19, 1), min_rate="95%")
    assert (verdict.result, verdict.measured, verdict.limit) == ("pass", "95.0% (19 of 20)", "at least 95%")
    assert ask("pass_rate", report(18, 2), min_rate="95%").result == "fail"


def test_a_limit_with_a_decimal_can_be_met_exactly() -> None:
    """999 of 1000 is 99.9 %, whatever binary fractions make of it."""
    assert ask("pass_rate", report(999, 1), min_rate="99.9%").passed
    assert not ask("pass_rate", report(998, 2), min_rate="99.9%").passed


def test_what_is_below_the_limit_never_reads_as_the_limit() -> None:
    verdict = ask("pass_rate", report(9_499, 501), min_rate="95%")
    assert (verdict.result, verdict.measured) == ("fail", "94.9% (9499 of 10000)")
    assert ask("pass_rate", report(1), min_rate="99.95%").limit == "at least 99.95%"


def test_a_skipped_test_did_not_pass() -> None:
    verdict = ask("pass_rate", report(8, 0, 2), min_rate="95%")
    assert (verdict.result, verdict.message) == ("fail", "tests.test_x::t8: skipped")


def test_what_must_pass_does_so_at_any_rate() -> None:
    outcomes = {"p0_login": "failed", **{f"t{n}": "passed" for n in range(99)}}
    verdict = ask("pass_rate", {"junit.xml": junit(outcomes)}, min_rate="95%", must_pass="p0_")
    assert verdict.result == "fail"
    assert verdict.message == "must pass: tests.test_x::p0_login: assert 1 == 2"
    assert "0 of 1 required" in verdict.measured
    assert "all of 'p0_'" in verdict.limit


def test_only_the_chosen_tests_count() -> None:
    evidence = {"a.xml": junit({"x": "passed"}, priority="P0"), "b.xml": junit({"y": "failed"}, priority="P1")}
    options = {"reports": "*.xml", "min_rate": "100%"}
    assert ask("pass_rate", evidence, **options, property={"priority": "P0"}).passed
    assert ask("pass_rate", evidence, **options, select="::x$").passed
    assert not ask("pass_rate", evidence, **options).passed


@pytest.mark.parametrize(
    "options",
    [{"select": "nowhere"}, {"property": {"priority": "P9"}}, {"must_pass": "nowhere"}],
    ids=lambda o: next(iter(o)),
)
def test_what_chooses_no_test_shows_nothing(options: dict[str, object]) -> None:
    assert ask("pass_rate", report(5), min_rate="0%", **options).result == "no_data"


def test_missing_and_empty_reports_are_no_data_and_malformed_ones_an_error() -> None:
    assert ask("pass_rate", {}, min_rate="0%").result == "no_data"
    assert ask("pass_rate", {"junit.xml": junit({})}, min_rate="0%").result == "no_data"
    assert ask("pass_rate", {"junit.xml": ""}, min_rate="0%").result == "error"
    assert ask("pass_rate", {"junit.xml": "<testsuite><testcase"}, min_rate="0%").result == "error"
