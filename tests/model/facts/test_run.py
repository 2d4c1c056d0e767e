"""The facts of a run: the checks after a deployment keep what was measured, and tell a failed one from one not made."""

from __future__ import annotations

import json

import pytest

from dawsos.model.events import NOT_CHECKED, CheckResult, Verified, fact_of


@pytest.mark.parametrize(
    ("result", "passed", "failed"),
    [("pass", True, False), ("fail", False, True), ("error", False, True), (NOT_CHECKED, False, False)],
)
def test_a_check_that_was_not_made_is_neither_a_pass_nor_a_failure(result: str, *, passed: bool, failed: bool) -> None:
    check = CheckResult("alerts", result)
    assert (check.passed, check.failed) == (passed, failed)


def test_checks_are_read_from_the_journal_without_keys_of_a_newer_version() -> None:
    verified = Verified((CheckResult("trace", "fail", "0 spans", "1 span"),))
    body = json.loads(json.dumps(verified.body()))
    body["checks"][0]["of_a_newer_version"] = 1
    assert fact_of("verified", body) == verified
