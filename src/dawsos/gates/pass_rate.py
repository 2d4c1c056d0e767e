"""Enough of the chosen tests passed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import Field

from dawsos.gates.evidence import Malformed, Missing, TestCase, junit_cases, several, verdict
from dawsos.model.rollout import Strict
from dawsos.model.units import Share
from dawsos.model.verdicts import GateVerdict


class Options(Strict):
    """Share of passed tests among those that ``select`` (a regular expression on the id) and ``property`` choose."""

    reports: str = "junit*.xml"
    min_rate: Share
    select: str = ""
    property: dict[str, str] = Field(default_factory=dict)


def files(options: Options) -> tuple[str, ...]:
    return (options.reports,)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    """A skipped test did not pass: it counts, so that skipping cannot raise the rate."""
    reports = several(evidence, options.reports)
    cases = [case for path, content in reports.items() for case in junit_cases(path, content) if _chosen(case, options)]
    if not cases:
        raise Missing("no test was chosen, so nothing was shown")
    passed = sum(case.outcome == "passed" for case in cases)
    rate = passed / len(cases)
    bad = [f"{case.id}: {case.message or case.outcome}" for case in cases if case.outcome != "passed"]
    return verdict(
        (name, "pass_rate"),
        rate >= options.min_rate,
        f"{rate:.1%} ({passed} of {len(cases)})",
        f"at least {options.min_rate:.1%}",
        message=bad[0] if bad else "all passed",
        evidence=reports,
        findings=bad,
    )


def _chosen(case: TestCase, options: Options) -> bool:
    try:
        if not re.search(options.select, case.id):
            return False
    except re.error as error:
        raise Malformed(f"select is not a regular expression: {error}") from error
    return all((key, value) in case.properties for key, value in options.property.items())
