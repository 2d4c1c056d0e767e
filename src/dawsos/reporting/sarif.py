"""Findings as SARIF 2.1.0, the form in which code hosts and editors take them, and as annotations of a CI service.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from dawsos.model.findings import Finding

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return one SARIF log with a run for each tool, in the order in which the tools first found something."""
    by_tool: dict[str, list[Finding]] = {}
    for finding in findings:
        by_tool.setdefault(finding.tool, []).append(finding)
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(tool, found) for tool, found in by_tool.items()]}


def _run(tool: str, found: list[Finding]) -> dict[str, Any]:
    rules = list(dict.fromkeys(finding.rule or "finding" for finding in found))
    driver = {"name": tool, "rules": [{"id": rule} for rule in rules]}
    return {"tool": {"driver": driver}, "results": [_result(finding, rules) for finding in found]}


def _result(finding: Finding, rules: list[str]) -> dict[str, Any]:
    rule = finding.rule or "finding"
    # A URI: what a blank, # or % in a path would mean there must be escaped.
    location: dict[str, Any] = {"artifactLocation": {"uri": quote(finding.path)}}
    if finding.line:
        location["region"] = {"startLine": finding.line}
        if finding.column:
            location["region"]["startColumn"] = finding.column
    return {
        "ruleId": rule,
        "ruleIndex": rules.index(rule),
        "level": finding.level,
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": location}],
    }


def annotation(finding: Finding) -> str:
    """Return the workflow command with which GitHub Actions shows ``finding`` beside its line."""
    level = {"error": "error", "warning": "warning", "note": "notice"}[finding.level]
    where = {
        "file": finding.path,
        "line": finding.line,
        "col": finding.column,
        "title": f"{finding.tool} {finding.rule}".strip(),
    }
    properties = ",".join(f"{key}={_escape(str(value), properties=True)}" for key, value in where.items() if value)
    return f"::{level} {properties}::{_escape(finding.message)}"


def _escape(text: str, *, properties: bool = False) -> str:
    """Escape what would end the command; the table is GitHub's own (actions/toolkit, command.ts)."""
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return escaped.replace(":", "%3A").replace(",", "%2C") if properties else escaped
