"""Bandit found nothing at the levels that block."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import (
    EvidencePath,
    Malformed,
    Missing,
    get,
    get_word,
    mapping,
    parse_object,
    required_file,
    rows,
)
from dawsos.gates.readers.baseline import split
from dawsos.gates.readers.context import CONTEXT
from dawsos.gates.readers.waivers import earliest
from dawsos.model.findings import Finding
from dawsos.model.json import JsonObject
from dawsos.model.pipeline import GateOptions

# What is not on bandit's scale would be in no list of levels that block, and pass.
_SEVERITIES = ("UNDEFINED", "LOW", "MEDIUM", "HIGH")


class Options(GateOptions):
    """A bandit JSON ``report`` without findings whose severity is in ``fail_on``, over at least one file.

    ``waivers`` is a YAML list of {id, most, by, why, until}; the id is ``path: rule``, and an entry waives at most ``most`` findings.
    """

    report: EvidencePath = "bandit.json"
    fail_on: tuple[Literal["LOW", "MEDIUM", "HIGH"], ...] = Field(default=("HIGH", "MEDIUM"), min_length=1)
    waivers: EvidencePath | None = None


def files(options: Options) -> tuple[str, ...]:
    return (options.report, options.waivers, CONTEXT) if options.waivers else (options.report,)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    """``metrics`` has an entry for each file: without it a scan of no file would look like a clean one."""
    report = parse_object(options.report, required_file(evidence, options.report))
    results = rows(f"{options.report}: results", get(options.report, report, "results"))
    metrics = mapping(f"{options.report}: metrics", get(options.report, report, "metrics"))
    scanned = len(metrics.keys() - {"_totals"})
    if errors := rows(f"{options.report}: errors", get(options.report, report, "errors")):
        raise Malformed(f"{options.report}: files could not be scanned: {errors}")
    if not scanned:
        raise Missing(f"{options.report}: no file was scanned")
    bad = [
        result
        for result in results
        if get_word(options.report, result, "issue_severity", _SEVERITIES) in options.fail_on
    ]
    shown, places = [_finding(result) for result in bad], [_place(result) for result in bad]
    parts = split(places, options.waivers, evidence)
    lines = [shown[index] + parts.notes.get(index, "") for index in parts.blocking]
    waived = [f"{shown[index]}, {waiver}" for index, waiver in parts.waived.items()]
    below = len(results) - len(bad)
    return Measurement(
        "fail" if lines else "pass",
        f"{len(lines)} findings in {scanned} files"
        + (f", {len(waived)} waived" if waived else "")
        + (f", {below} below the limit" if below else ""),
        f"0 of {', '.join(options.fail_on)}",
        message=lines[0] if lines else "nothing found",
        evidence=(options.report, *([options.waivers] if options.waivers else [])),
        findings=(*lines, *waived),
        places=tuple(places[index] for index in parts.blocking),
        valid_until=earliest(parts.waived.values()),
    )


def _finding(result: JsonObject) -> str:
    place = f"{result.get('filename')}:{result.get('line_number')}"
    level = f"{result['issue_severity']} (confidence {result.get('issue_confidence', '?')})"
    return f"{place}: {level} {result.get('test_id', '')} {result.get('issue_text', '')}"


def _place(result: JsonObject) -> Finding:
    line = result.get("line_number")
    rule, text = str(result.get("test_id", "")), str(result.get("issue_text", ""))
    return Finding("bandit", rule, text, str(result.get("filename", "")), line if type(line) is int else 0)


GATE = GateKind(Options, files, evaluate)
