"""Compare: a failing difference fails, what was not compared is said, and no verdict stands against its own pages."""

from __future__ import annotations

from typing import Any

import pytest

from gates.samples import ask, compared


def test_equal_answers_pass() -> None:
    verdict = ask("compare", {"compare.json": compared()})
    assert (verdict.result, verdict.unchecked) == ("pass", False)
    assert verdict.measured == "1 of 1 requests compared, 0 failing differences, 0 others"
    assert verdict.evidence == ("compare.json",)


def test_a_missing_field_fails_with_its_place() -> None:
    verdict = ask("compare", {"compare.json": compared("total")})
    assert (verdict.result, verdict.message) == ("fail", "GET /v1/x: total is missing")
    assert verdict.findings == ("GET /v1/x: total is missing",)


@pytest.mark.parametrize("body", [{"verdict": "skipped"}, {"verdict": "no_data", "accepted": True}])
def test_what_was_not_compared_is_said(body: dict[str, Any]) -> None:
    found = ask("compare", {"compare.json": {"reason": "first release", "pages": [], **body}})
    assert (found.result, found.unchecked) == ("pass", True)
    assert found.message == "warning: NOT COMPARED: first release"


@pytest.mark.parametrize("accepted", [{}, {"accepted": False}, {"accepted": "yes"}])
def test_what_could_not_be_compared_is_no_pass_unless_a_person_let_it_go_on(accepted: dict[str, Any]) -> None:
    body = {"verdict": "no_data", "reason": "stable itself fails: 503", "pages": [], **accepted}
    found = ask("compare", {"compare.json": body})
    assert (found.result, found.message) == ("no_data", "NOT COMPARED: stable itself fails: 503")


def test_a_page_that_was_not_compared_is_a_remark() -> None:
    body = compared()
    blind = {**body["pages"][0], "verdict": "no_data", "reason": "stable itself fails: 503"}
    found = ask("compare", {"compare.json": {**body, "pages": [*body["pages"], blind]}})
    assert (found.result, found.unchecked, found.measured[:6]) == ("pass", True, "1 of 2")


@pytest.mark.parametrize(
    "changes",
    [{"verdict": "pass", "pages": []}, {"verdict": "fail"}, {"verdict": "perhaps"}, {"reason": ""}, {"pages": {}}, {"pages": [1]}],
    ids=["nothing passed", "nothing failed", "no word", "no reason", "no list", "no page"],
)  # fmt: skip
def test_evidence_that_contradicts_itself_is_an_error(changes: dict[str, Any]) -> None:
    assert ask("compare", {"compare.json": {**compared(), **changes}}).result == "error"


def test_a_pass_above_a_failing_page_is_an_error() -> None:
    assert ask("compare", {"compare.json": {**compared("total"), "verdict": "pass"}}).result == "error"


def test_no_file_is_no_data() -> None:
    assert ask("compare", {}).result == "no_data"


def test_a_difference_that_is_not_proven_is_a_remark() -> None:
    body = compared()
    few = {"kind": "status", "stable": "200", "canary": "500", "count": 1, "of": 24, "undecided": True}
    found = ask("compare", {"compare.json": {**body, "pages": [{**body["pages"][0], "differences": [few]}]}})
    assert (found.result, found.unchecked) == ("pass", True)
    assert found.message.endswith("; GET /v1/x: status 500 in 1 of 24 answers, in stable 200, undecided")
