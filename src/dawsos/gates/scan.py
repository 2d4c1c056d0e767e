"""Bandit found nothing at or above the levels that block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from dawsos.gates.evidence import Malformed, get, one, parse_json, verdict
from dawsos.model.rollout import Strict
from dawsos.model.verdicts import GateVerdict


class Options(Strict):
    """A bandit JSON ``report`` without findings whose severity is in ``fail_on``, over at least one file."""

    report: str = "bandit.json"
    fail_on: tuple[Literal["LOW", "MEDIUM", "HIGH"], ...] = ("HIGH", "MEDIUM")


def files(options: Options) -> tuple[str, ...]:
    return (options.report,)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    report = parse_json(options.report, one(evidence, options.report))
    results, metrics = get(options.report, report, "results"), get(options.report, report, "metrics")
    if not isinstance(results, list) or not isinstance(metrics, dict) or len(metrics) < 2:
        raise Malformed(f"{options.report} scanned no file")
    if report.get("errors"):
        raise Malformed(f"{options.report}: {len(report['errors'])} files could not be scanned: {report['errors'][0]}")
    bad = [result for result in results if result.get("issue_severity") in options.fail_on]
    findings = [
        f"{result.get('filename')}:{result.get('line_number')}: {result.get('issue_severity')} {result.get('test_id')} {result.get('issue_text')}"
        for result in bad
    ]
    return verdict(
        (name, "scan"), not bad, f"{len(bad)} findings in {len(metrics) - 1} files", f"0 of {', '.join(options.fail_on)}",
        message=findings[0] if findings else "nothing found", evidence=[options.report], findings=findings,
    )  # fmt: skip
