"""Reports in the forms that many tools share: each is told by what it holds, and what is of no form is an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dawsos.gates.documents import Malformed, Missing
from dawsos.gates.readers.reports import is_structured, read_report

PYRIGHT: dict[str, Any] = {
    "version": "1.1", "generalDiagnostics": [
        {"file": "/p/a.py", "severity": "error", "message": "no", "rule": "reportReturnType",
         "range": {"start": {"line": 2, "character": 11}}},
        {"file": "/p/a.py", "severity": "information", "message": "by the way"},
    ],
    "summary": {"filesAnalyzed": 3, "errorCount": 1, "warningCount": 0},
}  # fmt: skip
CHECKSTYLE = (
    '<?xml version="1.0"?><checkstyle version="4.3"><file name="A.java">'
    '<error line="3" column="1" severity="warning" message="tab" source="com.x.TabCheck"/></file></checkstyle>'
)
GITLAB = {
    "description": "unused", "check_name": "F401", "fingerprint": "1", "severity": "major",
    "location": {"path": "a.py", "lines": {"begin": 4}},
}  # fmt: skip
GITHUB = {"path": "a.py", "start_line": 4, "end_line": 4, "annotation_level": "failure", "message": "no", "title": "T"}
ESLINT = {
    "filePath": "a.js",
    "errorCount": 1,
    "messages": [{"ruleId": "x", "severity": 2, "message": "no", "line": 1, "column": 2}],
}
SHELL = {"file": "a.sh", "line": 3, "column": 1, "level": "warning", "code": 2086, "message": "quote it"}
SARIF = {
    "version": "2.1.0",
    "runs": [{"tool": {"driver": {"name": "demo"}}, "results": [{"ruleId": "D1", "message": {"text": "bad"}}]}],
}
RUFF = {"code": "F401", "filename": "a.py", "location": {"row": 1, "column": 8}, "message": "unused"}
SQL = {
    "filepath": "x.sql",
    "violations": [{"start_line_no": 1, "start_line_pos": 2, "code": "L1", "description": "where"}],
}
MYPY = '{"file": "a.py", "line": 5, "column": 1, "message": "no", "code": "x", "severity": "error"}\n'
REPORTS: dict[str, tuple[str, str]] = {
    "pyright": (json.dumps(PYRIGHT), "/p/a.py:3:12: reportReturnType no"),
    "checkstyle": (CHECKSTYLE, "A.java:3:1: TabCheck tab"),
    "gitlab": (json.dumps([GITLAB]), "a.py:4: F401 unused"),
    "gitlab positions": (
        json.dumps([GITLAB | {"location": {"path": "a.py", "positions": {"begin": {"line": 9}}}}]),
        "a.py:9: F401 unused",
    ),
    "github": (json.dumps([GITHUB]), "a.py:4: T no"),
    "eslint": (json.dumps([ESLINT]), "a.js:1:2: x no"),
    "shellcheck": (json.dumps([SHELL]), "a.sh:3:1: SC2086 quote it"),
    "shellcheck json1": (json.dumps({"comments": [SHELL]}), "a.sh:3:1: SC2086 quote it"),
    "sarif": (json.dumps(SARIF, indent=1), "no file: D1 bad"),
    "ruff": (json.dumps([RUFF]), "a.py:1:8: F401 unused"),
    "sqlfluff": (json.dumps([SQL]), "x.sql:1:2: L1 where"),
    "mypy": (MYPY * 1, "a.py:5:2: x no"),
}


@pytest.mark.parametrize("form", REPORTS)
def test_each_form_is_told_by_what_it_holds(form: str) -> None:
    content, line = REPORTS[form]
    assert is_structured(content)
    assert [str(found) for found in read_report("f", content.encode())] == [line]


@pytest.mark.parametrize("form", REPORTS)
def test_a_report_that_is_cut_anywhere_is_no_clean_one(form: str) -> None:
    content = REPORTS[form][0].strip().encode()
    for length in range(1, len(content), 7):
        with pytest.raises((Malformed, Missing)):
            read_report("f", content[:length])


NONE = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "demo"}}, "results": []}]}


@pytest.mark.parametrize("content", [b"[]", b"<checkstyle/>", json.dumps(NONE).encode()])
def test_a_report_without_findings_is_clean(content: bytes) -> None:
    assert read_report("f", content) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{}", "form that is not known"),
        (b'[{"a": 1}]', "form that is not known"),
        (b"[1]", "not an object"),
        (b"<html/>", "its root is <html>"),
        (b'<checkstyle><file name="a"><exception>x</exception></file></checkstyle>', "the tool failed"),
        (json.dumps([ESLINT | {"messages": []}]).encode(), "counts 1 messages of a.js and shows 0"),
        (json.dumps(PYRIGHT | {"generalDiagnostics": []}).encode(), "counts 1 errors and warnings and shows 0"),
        (json.dumps(PYRIGHT | {"summary": {"filesAnalyzed": 0}}).encode(), "no file"),
        (json.dumps([GITLAB, {"description": "x"}]).encode(), "has no 'location'"),
    ],
)
def test_what_is_of_no_form_or_does_not_add_up_is_an_error(content: bytes, words: str) -> None:
    with pytest.raises((Malformed, Missing), match=words):
        read_report("f", content)


@pytest.mark.parametrize("text", ["[warn] a.ts", "app/x.py:1: no", "", "All checks passed!"])
def test_a_text_is_no_report(text: str) -> None:
    assert not is_structured(text)
