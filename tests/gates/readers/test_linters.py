"""Linters: each tool's own output, as the real tool wrote it, becomes findings with file and line."""

from __future__ import annotations

import json

import pytest

from dawsos.gates.documents import Malformed, Missing
from dawsos.gates.readers.linters import LINTERS, LinterName, read_linter

RUFF = [
    {
        "code": "F401",
        "filename": "/p/app/a.py",
        "location": {"column": 8, "row": 1},
        "message": "`os` imported but unused",
    }
]
MYPY = (
    '{"file": "app/a.py", "line": 5, "column": 11, "message": "Incompatible return value type", "hint": null,'
    ' "code": "return-value", "severity": "error"}\n'
)
NOTE = (
    '{"file": "app/a.py", "line": 5, "column": 11, "message": "see", "hint": null, "code": null, "severity": "note"}\n'
)
SQL = [
    {
        "filepath": "sql/x.sql",
        "violations": [
            {"start_line_no": 1, "start_line_pos": 17, "code": "LT14", "description": "where", "warning": False}
        ],
    }
]
ESLINT = [
    {
        "filePath": "/p/src/b.js",
        "messages": [
            {"ruleId": "no-var", "severity": 1, "message": "Unexpected var.", "line": 1, "column": 1},
            {"ruleId": None, "severity": 2, "message": "Parsing error", "line": 2, "column": 7},
        ],
    }
]
TSC = "src/a.ts(1,7): error TS2322: Type 'string' is not assignable.\nFiles:              83\nLines:           58447\n"
PRETTIER = "Checking formatting...\n[warn] src/a.ts\n[warn] Code style issues found in the above file.\n"
FOUND = {
    "ruff": (json.dumps(RUFF), ["/p/app/a.py:1:8: F401 `os` imported but unused"]),
    "ruff-format": (json.dumps(RUFF), ["/p/app/a.py:1:8: F401 `os` imported but unused"]),
    "mypy": (MYPY + NOTE, ["app/a.py:5:12: return-value Incompatible return value type"]),
    "sqlfluff": (json.dumps(SQL), ["sql/x.sql:1:17: LT14 where"]),
    "eslint": (
        json.dumps(ESLINT),
        ["/p/src/b.js:1:1: no-var Unexpected var.", "/p/src/b.js:2:7: parsing Parsing error"],
    ),
    "tsc": (TSC, ["src/a.ts:1:7: TS2322 Type 'string' is not assignable."]),
    "prettier": (PRETTIER, ["src/a.ts: unformatted would be reformatted"]),
}
CLEAN = {
    "ruff": "[]", "ruff-format": "[]", "mypy": "\n", "sqlfluff": json.dumps([{"filepath": "a.sql", "violations": []}]),
    "eslint": json.dumps([{"filePath": "a.js", "messages": []}]), "tsc": "Files:   83\n",
    "prettier": "Checking formatting...\nAll matched files use Prettier code style!\n",
}  # fmt: skip


def test_every_tool_has_its_samples() -> None:
    assert set(LINTERS) == set(FOUND) == set(CLEAN)


@pytest.mark.parametrize("tool", sorted(LINTERS))
def test_what_the_tool_found_has_its_place(tool: LinterName) -> None:
    output, lines = FOUND[tool]
    assert [str(finding) for finding in read_linter(tool, "out", output.encode())] == lines
    assert read_linter(tool, "out", CLEAN[tool].encode()) == []


def test_an_error_of_tsc_that_lies_in_no_file_is_a_finding_too() -> None:
    output = "error TS2688: Cannot find type definition file for 'node'.\n  The file is in the program.\nFiles:  83\n"
    (found,) = read_linter("tsc", "out", output.encode())
    assert str(found) == "tsconfig.json: TS2688 Cannot find type definition file for 'node'."


@pytest.mark.parametrize("tool", sorted(LINTERS))
def test_a_tool_that_did_not_run_is_no_tool_that_found_nothing(tool: LinterName) -> None:
    with pytest.raises(Missing, match="did not run"):
        read_linter(tool, "out", b"")


@pytest.mark.parametrize(
    ("tool", "output"), [("sqlfluff", "[]"), ("eslint", "[]"), ("tsc", "Files: 0\n"), ("tsc", "\n"), ("prettier", "no")]
)
def test_a_tool_that_looked_at_nothing_is_none_either(tool: LinterName, output: str) -> None:
    with pytest.raises(Missing):
        read_linter(tool, "out", output.encode())


@pytest.mark.parametrize(
    ("tool", "output"),
    [("ruff", "{}"), ("ruff", '[{"code": "F401"}]'), ("ruff", '[{"code": "F", "message": "m", "filename": 3, "location": {}}]'),
     ("mypy", "Traceback (most recent call last):"), ("mypy", "Found 1 error in 1 file (errors prevented further checking)"),
     ("sqlfluff", '[{"filepath": "a"}]'), ("eslint", '[{"filePath": "a", "messages": [1]}]'),
     ("prettier", "Checking formatting...\n[error] src/a.ts: SyntaxError\n")],
)  # fmt: skip
def test_output_of_another_shape_is_an_error(tool: LinterName, output: str) -> None:
    with pytest.raises(Malformed):
        read_linter(tool, "out", output.encode())
