"""The machine-readable output of linters, formatters and type checkers, each read into ``Finding``.

Each reader raises Missing where the output cannot come from a tool that looked at anything: an empty file is what the
shell leaves when the program was not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from dawsos.gates.documents import Malformed, Missing, get, parse_json, rows, text
from dawsos.model.findings import Finding, Level

Reader = Callable[[str, bytes], list[Finding]]

# An error that lies in no file (a type library that is missing) has no place.
_TSC = re.compile(r"(?:(?P<path>.+?)\((?P<line>\d+),(?P<column>\d+)\): )?error (?P<rule>TS\d+): (?P<message>.*)")
_TSC_FILES = re.compile(r"^Files:\s+(\d+)", re.MULTILINE)


def _ruff(name: str, content: bytes) -> list[Finding]:
    """``ruff check --output-format json``, and ``ruff format --check --output-format json``."""
    found = []
    for row in _list(name, content):
        place = get(name, row, "location") or {}
        # A syntax error has no code.
        rule, message = str(row.get("code") or "syntax"), str(get(name, row, "message"))
        found.append(
            Finding("ruff", rule, message, _path(name, row, "filename"), *_place(name, place, "row", "column"))
        )
    return found


def _mypy(name: str, content: bytes) -> list[Finding]:
    """``mypy -O json``: one object a line, a single empty line when all is well; notes belong to what is above them."""
    found = []
    for line in text(name, content).splitlines():
        if not line.strip():
            continue
        row = parse_json(f"{name}: {line[:120]!r}", line.encode())
        if get(name, row, "severity") == "note":
            continue
        where = _place(name, {**row, "column": _count(row.get("column")) + 1}, "line", "column")
        found.append(
            Finding(
                "mypy",
                str(row.get("code") or "error"),
                str(get(name, row, "message")),
                _path(name, row, "file"),
                *where,
            )
        )
    return found


def _sqlfluff(name: str, content: bytes) -> list[Finding]:
    """``sqlfluff lint -f json``: an entry for each file; without any no file was looked at."""
    files = _list(name, content)
    if not files:
        raise Missing(f"{name} names no file: sqlfluff looked at nothing")
    found = []
    for file in files:
        for row in rows(name, get(name, file, "violations"), "violations"):
            where = _place(name, row, "start_line_no", "start_line_pos")
            level: Level = "warning" if row.get("warning") else "error"
            message = str(get(name, row, "description"))
            found.append(
                Finding("sqlfluff", str(get(name, row, "code")), message, _path(name, file, "filepath"), *where, level)
            )
    return found


def _eslint(name: str, content: bytes) -> list[Finding]:
    """``eslint -f json``: an entry for each file; severity 2 is an error, 1 a warning."""
    files = _list(name, content)
    if not files:
        raise Missing(f"{name} names no file: eslint looked at nothing")
    found = []
    for file in files:
        for row in rows(name, get(name, file, "messages"), "messages"):
            level: Level = "warning" if row.get("severity") == 1 else "error"
            rule, message = str(row.get("ruleId") or "parsing"), str(get(name, row, "message"))
            where = _place(name, row, "line", "column")
            found.append(Finding("eslint", rule, message, _path(name, file, "filePath"), *where, level))
    return found


def _tsc(name: str, content: bytes) -> list[Finding]:
    """``tsc --noEmit --pretty false --diagnostics``: the statistics are what tells a clean run from none."""
    output = text(name, content)
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
    lines = text(name, content).splitlines()
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


LINTERS: dict[str, Reader] = {
    "eslint": _eslint,
    "mypy": _mypy,
    "prettier": _prettier,
    "ruff": _ruff,
    "ruff-format": _ruff,
    "sqlfluff": _sqlfluff,
    "tsc": _tsc,
}


def read_linter(tool: str, name: str, content: bytes) -> list[Finding]:
    """Return what ``tool`` found; raises Missing when it did not run, Malformed when it crashed."""
    if not content:
        raise Missing(f"{name} is empty: {tool} did not run")
    return LINTERS[tool](name, content)


def _list(name: str, content: bytes) -> list[dict[str, Any]]:
    return rows(name, parse_json(name, content, list), "it")


def _path(name: str, row: dict[str, Any], key: str) -> str:
    path = get(name, row, key)
    if not isinstance(path, str) or not path:
        raise Malformed(f"{name}: {key} is {path!r}, not a path")
    return path


def _place(name: str, row: dict[str, Any], line: str, column: str) -> tuple[int, int]:
    if not isinstance(row, dict):
        raise Malformed(f"{name}: a place is {row!r}, not a mapping")
    return _count(row.get(line)), _count(row.get(column))


def _count(value: object) -> int:
    return value if type(value) is int and value > 0 else 0
