"""Scan: bandit's findings by severity, over files that were really scanned."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.model.findings import Finding
from gates.samples import ask, bandit


def test_nothing_found_in_scanned_files() -> None:
    verdict = ask("scan", {"bandit.json": bandit()})
    assert (verdict.result, verdict.measured, verdict.limit) == ("pass", "0 findings in 2 files", "0 of HIGH, MEDIUM")
    assert verdict.evidence == ("bandit.json",)


def test_findings_below_the_limit_are_counted_and_do_not_block() -> None:
    verdict = ask("scan", {"bandit.json": bandit("LOW", "UNDEFINED")})
    assert (verdict.result, verdict.measured) == ("pass", "0 findings in 2 files, 2 below the limit")
    assert not ask("scan", {"bandit.json": bandit("LOW")}, fail_on=["LOW"]).passed


@pytest.mark.parametrize("severity", ["MEDIUM", "HIGH"])
def test_a_finding_that_blocks_has_its_place(severity: str) -> None:
    verdict = ask("scan", {"bandit.json": bandit("LOW", severity)})
    assert verdict.result == "fail"
    assert verdict.message == f"app/x.py:7: {severity} (confidence HIGH) B602 shell=True"
    assert verdict.findings == (verdict.message,)
    assert verdict.places == (Finding("bandit", "B602", "shell=True", "app/x.py", 7),)


@pytest.mark.parametrize("line", [None, "7", True, 7.0])
def test_a_line_that_is_no_number_is_unknown(line: Any) -> None:
    report = bandit("HIGH")
    report["results"][0]["line_number"] = line
    (place,) = ask("scan", {"bandit.json": report}).places
    assert place.place == "app/x.py"


def test_a_scan_of_nothing_is_no_clean_one() -> None:
    assert ask("scan", {}).result == "no_data"
    assert ask("scan", {"bandit.json": bandit(files=0)}).result == "no_data"


@pytest.mark.parametrize(
    "content",
    ["", "{", [], {}, {"results": []}, {"results": {}, "metrics": {}}, {"results": [1], "metrics": {"a": {}}},
     {"results": [], "metrics": []}, bandit(errors=[{"filename": "app/x.py", "reason": "syntax error"}]),
     {"results": [{}], "metrics": {"a": {}}}, bandit("high"), bandit("CRITICAL"), bandit("HIGH", files=1) | {"results": None},
     bandit() | {"errors": None}, bandit() | {"errors": {}}, {"results": [], "metrics": {"a": {}}}],
    ids=["empty", "cut", "list", "nothing", "no metrics", "mapping", "numbers", "metrics", "not scanned", "no severity",
         "small letters", "another scale", "null", "errors null", "errors mapping", "no errors"],
)  # fmt: skip
def test_a_malformed_report_is_an_error(content: Any) -> None:
    assert ask("scan", {"bandit.json": content}).result == "error"
