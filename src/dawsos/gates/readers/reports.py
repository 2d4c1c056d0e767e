"""Reports of linters in the forms that many tools share, told apart by what they hold: SARIF, Checkstyle, code quality and others.

A report says by its own words that a tool ran; where it does not, it is Missing.  What has the shape of none is Malformed.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from dawsos.gates.documents import (
    Malformed,
    Missing,
    decode,
    get,
    get_text,
    mapping,
    parse_json,
    parse_xml,
    rows,
)
from dawsos.gates.readers.linters import LINTERS
from dawsos.gates.readers.sarif import read_sarif
from dawsos.model.findings import Finding, Level
from dawsos.model.json import Json, JsonObject

KNOWN = "SARIF 2.1.0, Checkstyle, JSON of pyright, eslint, mypy, ruff, shellcheck or sqlfluff, code quality of GitHub or GitLab"
# A text may begin with a bracket, as prettier's "[warn] a.ts" does; JSON goes on differently.
_STRUCTURED = re.compile(r"\s*(?:\{|<|\[\s*(?:[\[\]{\"]|$))")
_LEVELS: dict[str, Level] = {
    "info": "note",
    "information": "note",
    "notice": "note",
    "style": "note",
    "warning": "warning",
}


def is_structured(text: str) -> bool:
    """Return whether ``text`` begins as JSON or XML does, so that its lines say nothing by themselves."""
    return _STRUCTURED.match(text) is not None


def read_report(name: str, content: bytes) -> list[Finding]:
    """Return the findings of the JSON or XML report; raises Missing and Malformed."""
    text = decode(name, content).lstrip()
    if text.startswith("<"):
        return _checkstyle(name, content)
    first = text.partition("\n")[0]
    # mypy writes an object a line, and nothing around them.
    if first.startswith('{"file": '):
        return LINTERS["mypy"](name, content)
    document = parse_json(name, content)
    if isinstance(document, dict):
        return _object(name, document)
    listed = rows(name, document)
    return _rows(name, content, listed) if listed else []


def _object(name: str, document: JsonObject) -> list[Finding]:
    if "runs" in document:
        return read_sarif(name, document)
    if "generalDiagnostics" in document:
        return _pyright(name, document)
    if "comments" in document:
        return [_shellcheck(name, row) for row in rows(f"{name}: comments", document["comments"])]
    raise Malformed(f"{name} is JSON of a form that is not known; known are {KNOWN}")


def _rows(name: str, content: bytes, listed: list[JsonObject]) -> list[Finding]:
    """Return the findings of an array; its first row says of which form all of them are."""
    first = listed[0]
    if "filePath" in first and "messages" in first:
        _eslint_counts(name, listed)
        return LINTERS["eslint"](name, content)
    if "filepath" in first and "violations" in first:
        return LINTERS["sqlfluff"](name, content)
    forms: tuple[tuple[tuple[str, ...], Callable[[str, JsonObject], Finding]], ...] = (
        (("description", "location"), _gitlab),
        (("path", "annotation_level"), _github),
        (("file", "level", "code"), _shellcheck),
    )
    for keys, read in forms:
        if all(key in first for key in keys):
            return [read(f"{name}[{index}]", row) for index, row in enumerate(listed)]
    if "filename" in first and "message" in first:
        return LINTERS["ruff"](name, content)
    raise Malformed(f"{name} is JSON of a form that is not known; known are {KNOWN}")


def _eslint_counts(name: str, listed: list[JsonObject]) -> None:
    """Raise Malformed where a file counts messages that it does not hold: the report was cut short or edited."""
    for row in listed:
        counted = sum(_number(row.get(key)) for key in ("errorCount", "warningCount"))
        messages = row.get("messages")
        if isinstance(messages, list) and counted > len(messages):
            raise Malformed(f"{name} counts {counted} messages of {row.get('filePath')} and shows {len(messages)}")


def _pyright(name: str, document: JsonObject) -> list[Finding]:
    """``pyright --outputjson``: its summary says how many files it looked at, and how much it found."""
    summary = mapping(f"{name}: summary", get(name, document, "summary"))
    if not _number(summary.get("filesAnalyzed")):
        raise Missing(f"{name}: pyright looked at no file")
    found = []
    for row in rows(f"{name}: generalDiagnostics", document["generalDiagnostics"]):
        if row.get("severity") == "information":
            continue
        start = mapping(f"{name}: start", mapping(f"{name}: range", row.get("range") or {}).get("start") or {})
        # pyright counts lines and columns from 0; a diagnostic of a whole file has no range.
        line, column = (_number(start.get(key)) + 1 if start else 0 for key in ("line", "character"))
        rule, message = str(row.get("rule") or "error"), str(get(name, row, "message"))
        found.append(Finding("pyright", rule, message, get_text(name, row, "file"), line, column, _level(row)))
    counted = sum(_number(summary.get(key)) for key in ("errorCount", "warningCount"))
    if counted > len(found):
        raise Malformed(
            f"{name} counts {counted} errors and warnings and shows {len(found)}: it was cut short or edited"
        )
    return found


def _gitlab(name: str, row: JsonObject) -> Finding:
    location = mapping(f"{name}: location", get(name, row, "location"))
    lines = location.get("lines") or mapping(f"{name}: positions", location.get("positions") or {}).get("begin") or {}
    begin = mapping(f"{name}: lines", lines)
    line = _number(begin.get("begin")) or _number(begin.get("line"))
    rule, message = str(row.get("check_name") or ""), get_text(name, row, "description")
    return Finding("code quality", rule, message, get_text(f"{name}: location", location, "path"), line, 0, _level(row))


def _github(name: str, row: JsonObject) -> Finding:
    line, column = _number(row.get("start_line")), _number(row.get("start_column"))
    rule, message = str(row.get("title") or ""), get_text(name, row, "message")
    return Finding("code quality", rule, message, get_text(name, row, "path"), line, column, _level(row))


def _shellcheck(name: str, row: JsonObject) -> Finding:
    code, message = row.get("code"), get_text(name, row, "message")
    line, column = _number(row.get("line")), _number(row.get("column"))
    return Finding("shellcheck", f"SC{code}", message, get_text(name, row, "file"), line, column, _level(row))


def _checkstyle(name: str, content: bytes) -> list[Finding]:
    root = parse_xml(name, content)
    if root.tag != "checkstyle":
        raise Malformed(f"{name} is XML of a form that is not known: its root is <{root.tag}>; known are {KNOWN}")
    found = []
    for file in root:
        if file.tag != "file" or any(entry.tag != "error" for entry in file):
            said = next((entry.tag for entry in file if entry.tag != "error"), file.tag)
            raise Malformed(f"{name} holds <{said}>: the tool failed, or this is no Checkstyle report")
        for entry in file:
            rule, message = (entry.get("source") or "").rpartition(".")[2], entry.get("message") or "no message"
            line, column = (int(n) if (n := entry.get(key) or "").isdecimal() else 0 for key in ("line", "column"))
            level = _LEVELS.get(entry.get("severity") or "error", "error")
            found.append(Finding("checkstyle", rule, message, file.get("name") or "unnamed", line, column, level))
    return found


def _level(row: JsonObject) -> Level:
    word = row.get("severity") or row.get("annotation_level") or row.get("level") or "error"
    return _LEVELS.get(str(word), "error")


def _number(value: Json) -> int:
    return value if type(value) is int and value > 0 else 0
