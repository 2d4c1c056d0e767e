"""The machine-readable output of linters, formatters and type checkers, each read into ``Finding``.

Each reader raises Missing where the output cannot come from a tool that looked at anything: an empty file is what the
shell leaves when the program was not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from dawsos.gates.documents import Malformed, Missing, decode, get, get_text, mapping, parse_object, parse_rows, rows
from dawsos.model.findings import Finding, Level
from dawsos.model.json import Json

Reader = Callable[[str, bytes], list[Finding]]
LinterName = Literal["eslint", "mypy", "prettier", "ruff", "ruff-format", "sqlfluff", "tsc"]

# An error that lies in no file (a type library that is missing) has no place.
_TSC = re.compile(r"(?:(?P<path>.+?)\((?P<line>\d+),(?P<column>\d+)\): )?error (?P<rule>TS\d+): (?P<message>.*)")
_TSC_FILES = re.compile(r"^Files:\s+(\d+)", re.MULTILINE)


def _ruff(name: str, content: bytes) -> list[Finding]:
    """``ruff check --output-format json``, and ``ruff format --check --output-format json``."""
    found = []
    for row in parse_rows(name, content):
        # A finding about a file as a whole has no location, a syntax error no code.
        line, column = _position(f"{name}: location", get(name, row, "location") or {}, "row", "column")
        rule, message = str(row.get("code") or "syntax"), str(get(name, row, "message"))
        found.append(Finding("ruff", rule, message, get_text(name, row, "filename"), line, column))
    return found


def _mypy(name: str, content: bytes) -> list[Finding]:
    """``mypy -O json``: one object a line, a single empty line when all is well; notes belong to what is above them."""
    found = []
    for text in decode(name, content).splitlines():
        if not text.strip():
            continue
        row = parse_object(f"{name}: {text[:120]!r}", text.encode())
        if get(name, row, "severity") == "note":
            continue
        rule, message = str(row.get("code") or "error"), str(get(name, row, "message"))
        # mypy counts columns from 0.
        line, column = _count(row.get("line")), _count(row.get("column")) + 1
        found.append(Finding("mypy", rule, message, get_text(name, row, "file"), line, column))
    return found


def _sqlfluff(name: str, content: bytes) -> list[Finding]:
    """``sqlfluff lint -f json``: an entry for each file; without any no file was looked at."""
    files = parse_rows(name, content)
    if not files:
        raise Missing(f"{name} names no file: sqlfluff looked at nothing")
    found = []
    for file in files:
        for row in rows(f"{name}: violations", get(name, file, "violations")):
            line, column = _position(name, row, "start_line_no", "start_line_pos")
            level: Level = "warning" if row.get("warning") else "error"
            rule, message = str(get(name, row, "code")), str(get(name, row, "description"))
            found.append(Finding("sqlfluff", rule, message, get_text(name, file, "filepath"), line, column, level))
    return found


def _eslint(name: str, content: bytes) -> list[Finding]:
    """``eslint -f json``: an entry for each file; severity 2 is an error, 1 a warning."""
    files = parse_rows(name, content)
    if not files:
        raise Missing(f"{name} names no file: eslint looked at nothing")
    found = []
    for file in files:
        for row in rows(f"{name}: messages", get(name, file, "messages")):
            level: Level = "warning" if row.get("severity") == 1 else "error"
            rule, message = str(row.get("ruleId") or "parsing"), str(get(name, row, "message"))
            line, column = _position(name, row, "line", "column")
            found.append(Finding("eslint", rule, message, get_text(name, file, "filePath"), line, column, level))
    return found


def _tsc(name: str, content: bytes) -> list[Finding]:
    """``tsc --noEmit --pretty false --diagnostics``: the statistics are what tells a clean run from none."""
    output = decode(name, content)
    files = _TSC_FILES.search(output)
    if files is None or files[1] == "0":
        raise Missing(f"{name} has no count of files: tsc did not run, or without --diagnostics")
    matches = (_TSC.fullmatch(line.rstrip()) for line in output.splitlines())
    return [
        Finding(
            "tsc",
            match["rule"],
            match["message"],
            match["path"] or "tsconfig.json",
            int(match["line"] or 0),
            int(match["column"] or 0),
        )
        for match in matches
        if match
    ]


def _prettier(name: str, content: bytes) -> list[Finding]:
    """``prettier --check`` with both its streams: the first line says that it ran."""
    lines = decode(name, content).splitlines()
    if not any(line.startswith("Checking formatting") for line in lines):
        raise Missing(f"{name} does not say that prettier checked anything")
    if any(line.startswith("[error]") for line in lines):
        raise Malformed(f"{name}: {next(line for line in lines if line.startswith('[error]'))}")
    paths = [line.removeprefix("[warn] ") for line in lines if line.startswith("[warn] ")]
    return [
        Finding("prettier", "unformatted", "would be reformatted", path)
        for path in paths
        if not path.startswith("Code style issues")
    ]


LINTERS: dict[LinterName, Reader] = {
    "eslint": _eslint,
    "mypy": _mypy,
    "prettier": _prettier,
    "ruff": _ruff,
    "ruff-format": _ruff,
    "sqlfluff": _sqlfluff,
    "tsc": _tsc,
}


def read_linter(tool: LinterName, name: str, content: bytes) -> list[Finding]:
    """Return what ``tool`` found; raises Missing when it did not run, Malformed when it crashed."""
    if not content:
        raise Missing(f"{name} is empty: {tool} did not run")
    return LINTERS[tool](name, content)


def _position(place: str, value: Json, line: str, column: str) -> tuple[int, int]:
    found = mapping(place, value)
    return _count(found.get(line)), _count(found.get(column))


def _count(value: Json) -> int:
    return value if type(value) is int and value > 0 else 0
