"""The same commit gave the same outcome for every test, over several runs."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from dawsos.gates.evidence import EvidencePath, Missing, junit_cases, several, verdict
from dawsos.model.rollout import Strict
from dawsos.model.verdicts import GateVerdict


class Options(Strict):
    """``runs`` JUnit reports of one commit must agree on every test."""

    reports: EvidencePath = "junit*.xml"
    runs: int = Field(default=3, ge=2)


def files(options: Options) -> tuple[str, ...]:
    return (options.reports,)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    """A test that is not in every run differs too: an order or a collection that changes is no better."""
    reports = several(evidence, options.reports)
    if len(reports) < options.runs:
        raise Missing(f"{len(reports)} of {options.runs} reports: a flaky test cannot be told from fewer runs")
    runs = [_outcomes(path, content) for path, content in reports.items()]
    tests = sorted(set().union(*runs))
    if not tests:
        raise Missing("the reports hold no test")
    findings = []
    for test in tests:
        outcomes = [run.get(test, "missing") for run in runs]
        if len(set(outcomes)) > 1 or "+" in outcomes[0]:
            findings.append(f"{test}: {', '.join(outcomes)}")
    return verdict(
        (name, "flaky"),
        not findings,
        f"{len(findings)} of {len(tests)} tests flaky over {len(runs)} runs",
        "0 flaky",
        message=f"flaky: {findings[0]}" if findings else "every test had one outcome",
        evidence=reports,
        findings=findings,
    )


def _outcomes(path: str, content: bytes) -> dict[str, str]:
    """Return test -> outcome; a test that was tried again within the run has each outcome, as in ``failed+passed``."""
    seen: dict[str, set[str]] = {}
    for case in junit_cases(path, content):
        seen.setdefault(case.id, set()).add(case.outcome)
    return {test: "+".join(sorted(outcomes)) for test, outcomes in seen.items()}
