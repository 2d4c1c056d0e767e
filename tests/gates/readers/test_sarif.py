"""SARIF 2.1.0: what a tool found, and what only looks like a run that found nothing."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.gates.documents import Malformed, Missing
from dawsos.gates.readers.sarif import read_sarif
from dawsos.model.findings import Finding

BAD = {"ruleId": "D1", "level": "error", "message": {"text": "bad"}}
PLACE = [{"physicalLocation": {"artifactLocation": {"uri": "app/x.py"}, "region": {"startLine": 3, "startColumn": 5}}}]


def sarif(*results: Any, **run: Any) -> dict[str, Any]:
    whole = {"tool": {"driver": {"name": "demo", "rules": []}}, "results": list(results)} | run
    return {"version": "2.1.0", "runs": [whole]}


def test_results_become_findings_with_their_places() -> None:
    assert read_sarif("f", sarif(BAD | {"locations": PLACE}, BAD)) == [
        Finding("demo", "D1", "bad", "app/x.py", 3, 5),
        Finding("demo", "D1", "bad", "no file", 0, 0),
    ]
    assert read_sarif("f", sarif()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "pass"},
        {"kind": "notApplicable"},
        {"suppressions": [{"kind": "inSource"}]},
        {"baselineState": "absent"},
    ],
)
def test_a_result_that_is_well_suppressed_or_gone_is_no_finding(change: dict[str, Any]) -> None:
    assert read_sarif("f", sarif(BAD | change)) == []


@pytest.mark.parametrize("change", [{"kind": "open"}, {"suppressions": [{"status": "rejected"}]}, {"kind": "else"}])
def test_a_result_that_is_not_decided_is_a_finding(change: dict[str, Any]) -> None:
    assert len(read_sarif("f", sarif(BAD | change))) == 1


def test_the_level_is_that_of_the_rule_where_the_result_has_none() -> None:
    rules = [{"id": "D1", "defaultConfiguration": {"level": "note"}}]
    tool = {"driver": {"name": "demo", "rules": rules}}
    bare = {"ruleId": "D1", "message": {"id": "m"}}
    assert [found.level for found in read_sarif("f", sarif(bare, BAD, tool=tool))] == ["note", "error"]


@pytest.mark.parametrize(
    ("document", "error", "words"),
    [
        ({"version": "2.0.0", "runs": []}, Malformed, "is SARIF '2.0.0'"),
        ({"version": "2.1.0", "runs": []}, Missing, "no run"),
        (sarif(results=None), Missing, "not even an empty list"),
        (sarif(invocations=[{"executionSuccessful": False}]), Malformed, "demo failed"),
        (sarif(invocations=[{"toolExecutionNotifications": [{"level": "error"}]}]), Malformed, "demo failed"),
        (sarif(tool={}), Malformed, "driver"),
        (sarif({"ruleId": "x"}), Malformed, "message"),
    ],
)
def test_a_tool_that_did_not_look_has_not_found_nothing(document: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        read_sarif("f", document)
