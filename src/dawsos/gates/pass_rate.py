"""Enough of the selected tests passed, and all of the required ones."""

from __future__ import annotations

import re

from pydantic import Field

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, Missing, Regex, matching_files
from dawsos.gates.readers.junit_reports import TestCase, junit_cases
from dawsos.model.pipeline import GateOptions
from dawsos.model.units import Share


class Options(GateOptions):
    """``min_rate`` is the share of passed tests among those that ``select`` and ``property`` match; all tests that ``must_pass``
    matches have to pass.

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
    """A skipped test counts as one that did not pass: skipping cannot raise the rate."""
    reports = matching_files(evidence, options.reports)
    everything = [case for path, content in reports.items() for case in junit_cases(path, content)]
    chosen = [case for case in everything if _chosen(case, options)]
    if not chosen:
        raise Missing("no test matches select and property, so nothing was measured")
    required = [] if options.must_pass is None else [c for c in everything if re.search(options.must_pass, c.id)]
    if options.must_pass is not None and not required:
        raise Missing(f"must_pass {options.must_pass!r} matches no test, so nothing was measured")
    passed = sum(case.outcome == "passed" for case in chosen)
    rate = passed / len(chosen)
    broken = [_finding(case) for case in required if case.outcome != "passed"]
    bad = [_finding(case) for case in chosen if case.outcome != "passed"]
    required_passed = f", {len(required) - len(broken)} of {len(required)} required" if required else ""
    return Measurement(
        "pass" if rate >= options.min_rate and not broken else "fail",
        # Rounded down, so that what is below the limit never reads as the limit.
        f"{passed * 1000 // len(chosen) / 10}% ({passed} of {len(chosen)}){required_passed}",
        f"at least {options.min_rate * 100:.10g}%" + (f", all of {options.must_pass!r}" if required else ""),
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
