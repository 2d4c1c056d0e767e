"""Enough of the chosen tests passed, and all of those that must."""

from __future__ import annotations

import re

from pydantic import Field

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, Missing, Regex, TestCase, junit_cases, matching_files
from dawsos.model.pipeline import GateOptions
from dawsos.model.units import Share


class Options(GateOptions):
    """Share of passed tests among those that ``select`` and ``property`` choose; all that ``must_pass`` names pass.

    ``select`` and ``must_pass`` are regular expressions, searched for in the test's id (``classname::name``);
    ``property`` are JUnit properties that the test must carry.
    """

    reports: EvidencePath = "junit*.xml"
    min_rate: Share
    select: Regex = ""
    property: dict[str, str] = Field(default_factory=dict)
    must_pass: Regex | None = None


def files(options: Options) -> tuple[str, ...]:
    return (options.reports,)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    """A skipped test did not pass: it counts, so that skipping cannot raise the rate."""
    reports = matching_files(evidence, options.reports)
    everything = [case for path, content in reports.items() for case in junit_cases(path, content)]
    chosen = [case for case in everything if _chosen(case, options)]
    if not chosen:
        raise Missing("no test was chosen, so nothing was shown")
    vital = [] if options.must_pass is None else [c for c in everything if re.search(options.must_pass, c.id)]
    if options.must_pass is not None and not vital:
        raise Missing(f"must_pass {options.must_pass!r} names no test, so nothing was shown")
    passed = sum(case.outcome == "passed" for case in chosen)
    rate = passed / len(chosen)
    broken = [_finding(case) for case in vital if case.outcome != "passed"]
    bad = [_finding(case) for case in chosen if case.outcome != "passed"]
    kept = f", {len(vital) - len(broken)} of {len(vital)} that must" if vital else ""
    return Measurement(
        "pass" if rate >= options.min_rate and not broken else "fail",
        # Rounded down, so that what is below the limit never reads as the limit.
        f"{passed * 1000 // len(chosen) / 10}% ({passed} of {len(chosen)}){kept}",
        f"at least {options.min_rate * 100:.10g}%" + (f", all of {options.must_pass!r}" if vital else ""),
        message=f"must pass: {broken[0]}" if broken else bad[0] if bad else "all passed",
        evidence=tuple(reports),
        findings=tuple(dict.fromkeys([*broken, *bad])),
    )


def _finding(case: TestCase) -> str:
    return f"{case.id}: {case.message or case.outcome}"


def _chosen(case: TestCase, options: Options) -> bool:
    if not re.search(options.select, case.id):
        return False
    return all((key, value) in case.properties for key, value in options.property.items())


GATE = GateKind(Options, files, evaluate)
