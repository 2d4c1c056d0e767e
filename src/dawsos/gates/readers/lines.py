"""The text that linters print: which lines are findings, which only say how it went, and how many nobody understands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dawsos.gates.documents import Malformed, decode
from dawsos.model.findings import Finding

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# In the order in which they are tried.  Each may have the groups path, line, column and message.
_FINDINGS = tuple(
    re.compile(pattern)
    for pattern in (
        # GitHub's commands, which many tools print there
        r"::(?:error|warning)\b(?=[^:]*\bfile=(?P<path>[^,:]+))(?=(?:[^:]*\bline=(?P<line>\d+))?)"
        r"(?=(?:[^:]*\bcol=(?P<column>\d+))?)[^:]*(?::[^:]+)*?::(?P<message>.*)",
        # pyright
        r"\s*(?P<path>[^\s:][^:]*):(?P<line>\d+):(?P<column>\d+) - (?P<message>(?:error|warning)\b.*)",
        # ruff --output-format concise, mypy, flake8, pylint, shellcheck -f gcc, tsc --pretty false: path:line[:col]: message
        r"(?P<path>[^\s:][^:\n]*):(?P<line>\d+)(?::(?P<column>\d+))?: (?P<message>\S.*)",
        # tsc, msbuild: path(line,column): error TS1: message
        r"(?P<path>[^\s(:][^(:]*)\((?P<line>\d+),(?P<column>\d+)\): (?P<message>(?:error|warning)\b.*)",
        # shellcheck
        r"In (?P<path>\S.*) line (?P<line>\d+):(?P<message>)",
        # black and ruff format, isort
        r"(?P<message>[Ww]ould reformat):? (?P<path>\S.*)",
        r"ERROR: (?P<path>/?\S+) (?P<message>Imports are incorrectly sorted.*)",
    )
)
# ruff's full form, of two lines: what, and below it where
_ARROW = re.compile(r"\s*--> (?P<path>[^\s:][^:]*):(?P<line>\d+):(?P<column>\d+)")
# How it went.  The number is that of findings which the tool counted, where it counts them.
_STATEMENTS = tuple(
    re.compile(pattern)
    for pattern in (
        r"All checks passed!?|All done!.*|Oh no!.*|No issues? (?:were )?found\.?|no findings?\.?",
        r"Success: no issues found in \d+ source files?",
        r"Found (?P<count>\d+) (?:errors?|issues?|problems?|warnings?)\b.*",
        r"(?P<count>\d+) errors?, \d+ warnings?(?:, \d+ (?:notes?|informations?))?\s*",
        r"\d+ files? (?:left unchanged|already formatted|would be left unchanged)\.?",
        r"(?:(?P<count>\d+) files? would be reformatted)(?:, \d+ files? (?:would be left unchanged|already formatted))?\.?",
        r"Your code has been rated at .*",
        r"\[\*\] \d+ fixable.*|No fixes available.*|\d+ fixable with .*",
    )
)
# Headings and rules, which say nothing of how it went.
_SILENT = re.compile(r"\*{5,} Module \S+|-{5,}|={5,}|For more information:|[./]?(?:[^\s:/]+/)*[^\s:/]+\.[a-z]{1,4}")


@dataclass
class Output:
    """``said`` counts the lines that say how it went, ``unknown`` those that nobody understands."""

    found: list[Finding] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    said: int = 0
    unknown: int = 0


def read_lines(name: str, content: bytes) -> Output:
    """Return what the text of a linter says; raises Malformed for a text of which no line is understood.

    An empty text is what some linters leave that found nothing.
    """
    text = _COLOUR.sub("", decode(name, content))
    if "\0" in text:
        raise Malformed(f"{name} is not the text output of a linter")
    output, counted = Output(), 0
    heading = ""
    for line in (line.rstrip() for line in text.splitlines()):
        arrow = _ARROW.match(line)
        match = next((found for pattern in _FINDINGS if (found := pattern.fullmatch(line))), None)
        statement = next((found for pattern in _STATEMENTS if (found := pattern.fullmatch(line.strip()))), None)
        if arrow is not None and heading:
            _add(output, arrow, heading)
            # The line above it was counted as one that is not understood.
            output.unknown -= 1
        elif match is not None and not match["message"].startswith("note:"):
            _add(output, match, match["message"], line)
        elif statement is not None:
            output.said += 1
            counted = max(counted, int(statement.groupdict().get("count") or 0))
        elif _belongs(line, output, explains=match is not None):
            continue
        else:
            output.unknown += 1
            heading = line
            continue
        heading = ""
    _check(name, text, output, counted)
    return output


def _belongs(line: str, output: Output, *, explains: bool) -> bool:
    """Return whether a line says nothing by itself: a rule, or an explanation, source code and marks below a finding."""
    below = bool(output.found) and (explains or re.match(r"\s|\^|\d+ +\||help: |note: |= ", line) is not None)
    return not line.strip() or _SILENT.fullmatch(line.strip()) is not None or below


def _add(output: Output, match: re.Match[str], message: str, line: str = "") -> None:
    number, column = int(match["line"] or 0) if "line" in match.re.groupindex else 0, 0
    column = int(match["column"] or 0) if "column" in match.re.groupindex else 0
    found = Finding("linter", "", message or "finding", match["path"].strip(), number, column)
    output.found.append(found)
    output.lines.append(line.strip() or str(found))


def _check(name: str, text: str, output: Output, counted: int) -> None:
    if output.found:
        return
    if "Traceback (most recent call last)" in text:
        raise Malformed(f"{name} holds a traceback: the linter crashed")
    if counted:
        raise Malformed(f"{name} counts {counted} findings and shows none in a form that is known")
    if text.strip() and not output.said:
        raise Malformed(
            f"{name}: none of its lines is understood; a finding is a line path:line:column: message, and of reports "
            "SARIF, Checkstyle and others are read (see the gate's page)"
        )
