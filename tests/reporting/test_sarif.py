"""SARIF and annotations: each finding at its place, whatever its words are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dawsos.model.findings import Finding
from dawsos.reporting.sarif import annotation, sarif

FOUND = [
    Finding("ruff", "F401", "unused", "app/a.py", 3, 8),
    Finding("mypy", "arg-type", "no", "app/b.py", 7),
    Finding("ruff", "E1", "bad", "app/c.py", level="warning"),
]


def test_one_run_for_each_tool_with_its_rules() -> None:
    log = sarif(FOUND)
    assert log["version"] == "2.1.0"
    assert [run["tool"]["driver"]["name"] for run in log["runs"]] == ["ruff", "mypy"]
    first, second = log["runs"][0]["results"]
    assert first["ruleId"] == log["runs"][0]["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == "F401"
    assert first["locations"][0]["physicalLocation"]["region"] == {"startLine": 3, "startColumn": 8}
    assert second["level"] == "warning"
    assert "region" not in second["locations"][0]["physicalLocation"]
    assert sarif([])["runs"] == []


def test_a_path_is_written_as_a_uri() -> None:
    (result,) = sarif([Finding("ruff", "E1", "bad", "app/a b#1.py", 3)])["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "app/a%20b%231.py"


def test_an_annotation_names_file_line_and_column() -> None:
    assert annotation(FOUND[0]) == "::error file=app/a.py,line=3,col=8,title=ruff F401::unused"
    assert annotation(FOUND[2]).startswith("::warning file=app/c.py,title=ruff E1::")


@given(st.text(), st.text(min_size=1))
def test_no_words_break_out_of_an_annotation(message: str, path: str) -> None:
    line = annotation(Finding("t", "r", message, path, 1))
    assert "\n" not in line
    assert "\r" not in line
    assert line.split("::")[1].count("line=1") >= 1
