"""Evaluates the gates of a stage on the files in its artifact folder.

A gate is pure, so the evaluator writes down what it cannot know: the time and the profile (``context.json``), and the outcomes
of the stage's tests in earlier runs on the same inputs (``history.json``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dawsos.adapters.files import write_json
from dawsos.gates import evaluate_gate, files_of, flaky
from dawsos.gates.documents import Malformed, get, parse_object, parse_rows, rows
from dawsos.gates.flaky import HISTORY, outcomes
from dawsos.gates.readers.context import CONTEXT
from dawsos.model.json import JsonObject
from dawsos.model.pipeline import Gate
from dawsos.model.texts import cut_lines
from dawsos.model.verdicts import GateVerdict
from dawsos.ports import Clock

# How many reports of one stage on one set of inputs are remembered.
_REMEMBERED = 50


class GateEvaluator:
    """Implements ``engine.contract.Evaluate`` for one run; paths in findings become relative to ``root``, the project's tree."""

    def __init__(self, run: str, root: Path, profile: str, clock: Clock, outcomes: Path) -> None:
        self._run = run
        self._root = root
        self._profile = profile
        self._clock = clock
        # The folder of the tests' outcomes in earlier runs.
        self._remembered = outcomes
        # Stage -> its fingerprint in this run; set by whoever runs the stage.
        self.fingerprints: dict[str, str] = {}

    def __call__(self, gate: Gate, artifacts: Path) -> GateVerdict:
        """Return the verdict of ``gate`` on the files in the folder ``artifacts``."""
        wanted = files_of(gate)
        if CONTEXT in wanted:
            write_json(artifacts / CONTEXT, {"at": self._clock.now(), "profile": self._profile})
        if isinstance(gate.options, flaky.Options) and HISTORY in wanted:
            self._write_history(gate.options.reports, artifacts)
        return shortened(relative_to(self._root, evaluate_gate(gate, read_evidence(artifacts, wanted))))

    def _write_history(self, reports: str, artifacts: Path) -> None:
        """Write the outcomes of earlier runs for the gate, then remember those of this run for the next."""
        stage = artifacts.parent.name
        place = self._remembered / stage / f"{self.fingerprints.get(stage, 'unknown')}.json"
        attempt = f"{self._run} {artifacts.name}"
        earlier = [run for run in _remembered_runs(place) if not str(run.get("run")).startswith(attempt)]
        write_json(artifacts / HISTORY, {"runs": earlier})
        seen = [
            {"run": f"{attempt} {path.name}", "outcomes": found}
            for path in sorted(artifacts.glob(reports))
            if (found := _outcomes(path)) is not None
        ]
        write_json(place, {"runs": [*earlier, *seen][-_REMEMBERED:]})


def read_evidence(artifacts: Path, patterns: Iterable[str]) -> dict[str, bytes]:
    """Return path below ``artifacts`` -> content for each file that matches one of the globs."""
    evidence: dict[str, bytes] = {}
    inside = artifacts.resolve()
    for pattern in patterns:
        for path in sorted(artifacts.glob(pattern)):
            # Of a link only the target's name has a digest: what lies elsewhere could be changed after it was read.
            if path.is_file() and path.resolve().is_relative_to(inside):
                evidence[path.relative_to(artifacts).as_posix()] = path.read_bytes()
    return evidence


def with_judged_exits(verdicts: Sequence[GateVerdict], artifacts: Path) -> list[GateVerdict]:
    """Return the verdicts with a remark where a step's exit code was left to the gates to judge and none of them found anything.

    Something went wrong then that nobody reported: a hook after the tests, a tool that crashed when its report was written.
    """
    judged = _judged_steps(artifacts / "steps.json")
    told = [v for v in verdicts if not v.passed or v.findings or "below the limit" in v.measured]
    if not judged or told or not verdicts:
        return list(verdicts)
    place = next((n for n, verdict in enumerate(verdicts) if verdict.kind == "exit_status"), len(verdicts) - 1)
    remark = f"{', '.join(judged)}: no gate found what the exit code is for"
    marked = replace(verdicts[place], message=remark, findings=(remark,), unchecked=True)
    return [*verdicts[:place], marked, *verdicts[place + 1 :]]


def _judged_steps(path: Path) -> list[str]:
    """Return the steps whose exit code is left to the gates, with the code; none where the file cannot be read."""
    try:
        steps = parse_rows(path.name, path.read_bytes())
    except (OSError, Malformed):
        return []
    judged = [step for step in steps if step.get("classification") == "judged"]
    return [f"{step.get('name')} exited {step.get('exit_code')}" for step in judged]


def _remembered_runs(path: Path) -> list[JsonObject]:
    """Return the earlier runs that ``path`` holds, none when it cannot be read."""
    try:
        return rows("runs", get(path.name, parse_object(path.name, path.read_bytes()), "runs"))
    except (OSError, Malformed):
        return []


def _outcomes(path: Path) -> Mapping[str, str] | None:
    try:
        return outcomes(path.name, path.read_bytes())
    except (OSError, Malformed):
        # The gate reports that the file cannot be read.
        return None


def shortened(verdict: GateVerdict) -> GateVerdict:
    """Return ``verdict`` with long lines cut: the journal, the reports and the statements hold it, and the evidence is whole."""
    return replace(
        verdict,
        measured=cut_lines(verdict.measured),
        message=cut_lines(verdict.message),
        findings=tuple(map(cut_lines, verdict.findings)),
        places=tuple(replace(place, message=cut_lines(place.message)) for place in verdict.places),
    )


def relative_to(root: Path, verdict: GateVerdict) -> GateVerdict:
    """Return ``verdict`` with paths relative to ``root``: some tools write absolute ones, and the checkout is a temporary folder."""
    prefix = f"{root}/"
    # Only where a path begins: a short root, such as /app, lies within other paths, too.
    begin = re.compile(rf"(?<![\w./-]){re.escape(prefix)}")
    return replace(
        verdict,
        message=begin.sub("", verdict.message),
        findings=tuple(begin.sub("", finding) for finding in verdict.findings),
        places=tuple(
            replace(place, path=place.path.removeprefix(prefix), message=begin.sub("", place.message))
            for place in verdict.places
        ),
    )
