"""Bandit found nothing at the levels that block."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, Malformed, Missing, get, one, parse_json, rows
from dawsos.model.findings import Finding
from dawsos.model.pipeline import GateOptions

_SEVERITIES = frozenset({"UNDEFINED", "LOW", "MEDIUM", "HIGH"})


class Options(GateOptions):
    """A bandit JSON ``report`` without findings whose severity is in ``fail_on``, over at least one file."""

    report: EvidencePath = "bandit.json"
    fail_on: tuple[Literal["LOW", "MEDIUM", "HIGH"], ...] = Field(default=("HIGH", "MEDIUM"), min_length=1)


def files(options: Options) -> tuple[str, ...]:
    return (options.report,)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    """``metrics`` has an entry per file and ``_totals``: without it a scan of nothing would look like a clean one."""
    report = parse_json(options.report, one(evidence, options.report))
    results = rows(options.report, get(options.report, report, "results"), "results")
    metrics = get(options.report, report, "metrics")
    if not isinstance(metrics, dict):
        raise Malformed(f"{options.report}: metrics is not a mapping")
    scanned = len(metrics.keys() - {"_totals"})
    if report.get("errors"):
        raise Malformed(f"{options.report}: files could not be scanned: {report['errors']}")
    if not scanned:
        raise Missing(f"{options.report}: no file was scanned")
    bad = [result for result in results if _severity(options.report, result) in options.fail_on]
    findings = [_finding(result) for result in bad]
    places = [_place(result) for result in bad]
    below = len(results) - len(bad)
    return Measurement(
        "fail" if bad else "pass",
        f"{len(bad)} findings in {scanned} files" + (f", {below} below the limit" if below else ""),
        f"0 of {', '.join(options.fail_on)}",
        message=findings[0] if findings else "nothing found",
        evidence=(options.report,),
        findings=tuple(findings),
        places=tuple(places),
    )


def _severity(name: str, result: dict[str, Any]) -> str:
    severity = get(name, result, "issue_severity")
    # What is not on bandit's scale would be in no list of levels that block, and pass.
    if not isinstance(severity, str) or severity not in _SEVERITIES:
        raise Malformed(f"{name}: issue_severity {severity!r} is not one of {', '.join(sorted(_SEVERITIES))}")
    return severity


def _finding(result: dict[str, Any]) -> str:
    place = f"{result.get('filename')}:{result.get('line_number')}"
    level = f"{result['issue_severity']} (confidence {result.get('issue_confidence', '?')})"
    return f"{place}: {level} {result.get('test_id', '')} {result.get('issue_text', '')}"


def _place(result: dict[str, Any]) -> Finding:
    line = result.get("line_number")
    rule, text = str(result.get("test_id", "")), str(result.get("issue_text", ""))
    return Finding("bandit", rule, text, str(result.get("filename", "")), line if type(line) is int else 0)


GATE = GateKind(Options, files, evaluate)
