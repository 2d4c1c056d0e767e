"""No test failed, and tests did run."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from dawsos.gates.evidence import EvidencePath, junit_cases, several, verdict
from dawsos.model.rollout import Strict
from dawsos.model.verdicts import GateVerdict


class Options(Strict):
    """At most ``max_failures`` failures in the JUnit reports, and at least ``min_tests`` tests that ran."""

    reports: EvidencePath = "junit*.xml"
    min_tests: int = Field(default=1, ge=1)
    max_failures: int = Field(default=0, ge=0)
    allow_skipped: bool = Field(default=True, description="False counts a skipped test as a failed one.")


def files(options: Options) -> tuple[str, ...]:
    return (options.reports,)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    reports = several(evidence, options.reports)
    cases = [case for path, content in reports.items() for case in junit_cases(path, content)]
    failed = [case for case in cases if case.outcome == "failed"]
    skipped = [case for case in cases if case.outcome == "skipped"]
    ran = len(cases) - len(skipped)
    bad = failed + ([] if options.allow_skipped else skipped)
    measured = f"{ran} tests, {len(failed)} failed" + (f", {len(skipped)} skipped" if skipped else "")
    message = "no test failed"
    if ran < options.min_tests:
        message = "no test ran" if not ran else f"only {ran} tests ran"
    elif bad:
        message = f"{bad[0].id} {bad[0].outcome}"
    kinds = "failed" if options.allow_skipped else "failed or skipped"
    return verdict(
        (name, "junit"),
        len(bad) <= options.max_failures and ran >= options.min_tests,
        measured,
        f"{options.max_failures} {kinds}, at least {options.min_tests} run",
        message=message,
        evidence=reports,
        findings=[f"{case.id}: {case.message or case.outcome}" for case in bad],
    )
