"""The facts of a stage: closed sets, and the verdict of a gate as the journal keeps it."""

from __future__ import annotations

import json

import pytest

from dawsos.model.events import GateEvaluated, StageFinished, fact_of
from dawsos.model.findings import Finding
from dawsos.model.status import StageState
from dawsos.model.verdicts import GateVerdict


def test_closed_sets_are_read_as_their_members_and_refuse_others() -> None:
    finished = fact_of("stage_finished", {"result": "rolled_back"})
    assert isinstance(finished, StageFinished)
    assert finished.result is StageState.ROLLED_BACK
    with pytest.raises(ValueError, match="not a valid StageState"):
        fact_of("stage_finished", {"result": "won"})


def test_a_verdict_keeps_where_its_findings_are() -> None:
    place = Finding("ruff", "F401", "unused", "app/core.py", 3)
    verdict = GateVerdict(
        "lint", "findings", "fail", "1", "0", "1 finding", ("ruff.txt",), ("app/core.py:3 unused",), places=(place,)
    )
    assert fact_of("gate_evaluated", json.loads(json.dumps(GateEvaluated(verdict).body()))) == GateEvaluated(verdict)
