"""Every test had the same outcome in all runs of the same commit.

Within a stage the runs are the repetitions of its step; with ``history`` also every earlier run of the stage on the same
inputs, so that repeating a stage until it is green shows a flaky test instead of hiding it.
"""

from __future__ import annotations

from pydantic import Field

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import (
    EvidencePath,
    Missing,
    get,
    mapping,
    matching_files,
    parse_object,
    required_file,
    rows,
)
from dawsos.gates.readers.context import CONTEXT
from dawsos.gates.readers.junit_reports import junit_cases
from dawsos.gates.readers.quarantine import read_quarantine
from dawsos.gates.readers.waivers import Waiver, earliest
from dawsos.model.pipeline import GateOptions

HISTORY = "history.json"


class Options(GateOptions):
    """``runs`` JUnit reports of one commit must agree on every test; with ``history`` those of earlier runs, too.

    ``quarantine`` is a YAML list of {test, owner, why, until}: a test on it runs and is shown, and blocks again after that day.
    """

    reports: EvidencePath = "junit*.xml"
    runs: int = Field(default=3, ge=2)
    history: bool = False
    quarantine: EvidencePath | None = None


def files(options: Options) -> tuple[str, ...]:
    history = (HISTORY,) if options.history else ()
    return (options.reports, *history, *((options.quarantine, CONTEXT) if options.quarantine else ()))


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    """A test that is missing in one of the runs counts as flaky too."""
    reports = matching_files(evidence, options.reports)
    if len(reports) < options.runs:
        raise Missing(f"{len(reports)} of {options.runs} reports: a flaky test cannot be told from fewer runs")
    runs = [outcomes(path, content) for path, content in reports.items()]
    tests = sorted(set().union(*runs))
    if not tests:
        raise Missing("the reports hold no test")
    earlier = _earlier(required_file(evidence, HISTORY)) if options.history else []
    quarantine = read_quarantine(options.quarantine, evidence)
    bad: list[str] = []
    quarantined: list[str] = []
    used: list[Waiver] = []
    for test in tests:
        here, before = [run.get(test, "missing") for run in runs], [run[test] for run in earlier if test in run]
        if len({*here, *before}) == 1 and "+" not in here[0]:
            continue
        line = (
            f"{test}: {', '.join(here)}" + (f"; earlier {', '.join(before)}" if before else "") + quarantine.note(test)
        )
        entry = quarantine.active(test)
        (bad if entry is None else quarantined).append(line)
        used += [] if entry is None else [entry]
    return Measurement(
        "fail" if bad else "pass",
        f"{len(bad)} of {len(tests)} tests flaky over {len(runs) + len(earlier)} runs"
        + (f", {len(quarantined)} quarantined" if quarantined else ""),
        "0 flaky",
        message=f"flaky: {bad[0]}"
        if bad
        else "every test had one outcome" + (", except those in quarantine" if quarantined else ""),
        evidence=(*reports, *files(options)[1:]),
        findings=(*bad, *quarantined),
        valid_until=earliest(used),
    )


def outcomes(path: str, content: bytes) -> dict[str, str]:
    """Return test -> outcome; a test that was tried again within the run has each outcome, as in ``failed+passed``."""
    seen: dict[str, set[str]] = {}
    for case in junit_cases(path, content):
        seen.setdefault(case.id, set()).update([case.outcome, "failed"] if case.retried else [case.outcome])
    return {test: "+".join(sorted(found)) for test, found in seen.items()}


def _earlier(content: bytes) -> list[dict[str, str]]:
    """Return the outcomes of each earlier run on the same inputs, as the tool remembered them."""
    runs = rows(f"{HISTORY}: runs", get(HISTORY, parse_object(HISTORY, content), "runs"))
    outcomes_of = [mapping(f"{HISTORY}: outcomes", get(f"{HISTORY}: runs", run, "outcomes")) for run in runs]
    return [{test: str(outcome) for test, outcome in tests.items()} for tests in outcomes_of]


GATE = GateKind(Options, files, evaluate)
