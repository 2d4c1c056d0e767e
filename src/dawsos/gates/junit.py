"""No test failed, and tests did run."""

from __future__ import annotations

from pydantic import Field

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, matching_files
from dawsos.gates.readers.context import CONTEXT
from dawsos.gates.readers.junit_reports import junit_cases
from dawsos.gates.readers.quarantine import read_quarantine
from dawsos.gates.readers.waivers import earliest
from dawsos.model.pipeline import GateOptions


class Options(GateOptions):
    """At most ``max_failures`` failures in the JUnit reports, and at least ``min_tests`` tests that ran.

    ``quarantine`` is the list that the gate flaky reads: what is on it may fail until its day, and is shown.
    """

    reports: EvidencePath = "junit*.xml"
    min_tests: int = Field(default=1, ge=1)
    max_failures: int = Field(default=0, ge=0)
    allow_skipped: bool = Field(default=True, description="False counts a skipped test as a failed one.")
    quarantine: EvidencePath | None = None


def files(options: Options) -> tuple[str, ...]:
    return (options.reports, options.quarantine, CONTEXT) if options.quarantine else (options.reports,)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    reports = matching_files(evidence, options.reports)
    quarantine = read_quarantine(options.quarantine, evidence)
    told = [case for path, content in reports.items() for case in junit_cases(path, content)]
    cases, unseen = [case for case in told if not case.unseen], [case for case in told if case.unseen]
    failed = [case for case in cases if case.outcome == "failed"]
    skipped = [case for case in cases if case.outcome == "skipped"]
    ran = len(cases) - len(skipped)
    retried = [case for case in cases if case.retried]
    quarantined = [case for case in failed if quarantine.active(case.id)]
    bad = [case for case in failed if case not in quarantined] + ([] if options.allow_skipped else skipped)
    measured = f"{ran} tests, {len(failed)} failed" + (f", {len(skipped)} skipped" if skipped else "")
    measured += f", {len(quarantined)} quarantined" if quarantined else ""
    measured += f", {len(retried)} passed only when tried again" if retried else ""
    message = "no test failed" if not quarantined else "no test failed that is not in quarantine"
    if ran < options.min_tests:
        message = "no test ran" if not ran else f"only {ran} tests ran"
    elif bad:
        message = f"{bad[0].id} {bad[0].outcome}"
    kinds = "failed" if options.allow_skipped else "failed or skipped"
    return Measurement(
        "pass" if len(bad) <= options.max_failures and ran >= options.min_tests else "fail",
        measured,
        f"{options.max_failures} {kinds}, at least {options.min_tests} run",
        message=message,
        evidence=(*reports, *files(options)[1:]),
        findings=tuple(
            f"{case.id}: {case.message or case.outcome}{quarantine.note(case.id)}"
            for case in [*bad, *quarantined, *retried, *unseen]
        ),
        unchecked=bool(retried or unseen),
        valid_until=earliest(entry for case in quarantined if (entry := quarantine.active(case.id))),
    )


GATE = GateKind(Options, files, evaluate)
