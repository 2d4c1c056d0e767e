"""Asks the gates of a stage: lays beside the evidence what a pure gate cannot know, and reads the evidence for it.

That is the hour and the profile (``asked.json``), and how the tests of the stage ended in earlier runs on the very same
inputs (``history.json``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from dawsos.adapters.files import write_json
from dawsos.gates import evaluate_gate, files_of, flaky
from dawsos.gates.documents import Malformed, get, parse_object, rows
from dawsos.gates.flaky import HISTORY, outcomes
from dawsos.gates.readers.asked import ASKED
from dawsos.model.json import JsonObject
from dawsos.model.pipeline import Gate
from dawsos.model.verdicts import GateVerdict
from dawsos.runs.project import Tools

# So many earlier runs of one stage on one set of inputs are remembered.
_REMEMBERED = 50


class GateEvaluator:
    """Implements ``engine.work.Evaluate`` for one run; ``root`` is the project's tree, from which findings are named."""

    def __init__(self, tools: Tools, run: str, root: Path, profile: str) -> None:
        self._tools = tools
        self._run = run
        self._root = root
        self._profile = profile
        # Stage -> its fingerprint in this run; told by whoever runs the stage.
        self.fingerprints: dict[str, str] = {}

    def __call__(self, gate: Gate, artifacts: Path) -> GateVerdict:
        """Return the gate's verdict on what lies below ``artifacts``."""
        wanted = files_of(gate)
        if ASKED in wanted:
            write_json(artifacts / ASKED, {"at": self._tools.clock.now(), "profile": self._profile})
        if isinstance(gate.options, flaky.Options) and HISTORY in wanted:
            self._lay_history(gate.options.reports, artifacts)
        return below(self._root, evaluate_gate(gate, read_evidence(artifacts, wanted)))

    def _lay_history(self, reports: str, artifacts: Path) -> None:
        """Write what earlier runs saw, then remember what this one saw, for the next."""
        stage = artifacts.parent.name
        place = self._tools.project.home / "outcomes" / stage / f"{self.fingerprints.get(stage, 'unknown')}.json"
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
        # The gate itself will say that the report cannot be read.
        return None


def below(root: Path, verdict: GateVerdict) -> GateVerdict:
    """Return ``verdict`` with paths relative to ``root``: some tools name them absolutely, and a checkout's are nobody's."""
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
