"""The table of objectives: all that are declared, with what was measured, and what was not."""

from __future__ import annotations

from pathlib import Path

from dawsos.model.pipeline import Pipeline
from dawsos.model.run import Run, StageRecord
from dawsos.model.verdicts import GateResult, GateVerdict
from dawsos.reporting.objectives import objectives
from dawsos.runs.project import load

PIPELINE: Pipeline = load(Path(__file__).parents[2])


def measured(name: str, result: GateResult, value: str = "1.3 s") -> GateVerdict:
    return GateVerdict(name, "threshold", result, value, "<= 1.2 s", "")


def run(*gates: GateVerdict) -> Run:
    uat = StageRecord("uat", gates=gates)
    return Run(stages={"property": StageRecord("property"), "uat": uat})


def test_every_declared_objective_of_the_runs_stages_is_listed() -> None:
    rows = {row.objective: row for row in objectives(PIPELINE, run())}
    assert {"reconciliation", "cold p95", "warm p95", "pack fresh by 00:15", "alert latency median"} <= rows.keys()
    assert {row.met for row in rows.values()} == {None}
    assert (rows["cold p95"].where, rows["cold p95"].limit, rows["cold p95"].measured) == ("uat", "<= 2 s", "")
    assert rows["reconciliation"].limit == "<= 1 bp"


def test_what_was_measured_is_shown_with_its_verdict() -> None:
    found = run(measured("warm p95", "pass", "0.01 s"), measured("cold p95", "fail"), measured("old", "pass"))
    rows = {row.objective: row for row in objectives(PIPELINE, found)}
    assert [rows[name].met for name in ("warm p95", "cold p95", "old")] == [True, False, True]
    assert rows["warm p95"].measured == "0.01 s"


def test_no_data_is_not_measured_and_never_met() -> None:
    (row,) = [r for r in objectives(PIPELINE, run(measured("warm p95", "no_data", ""))) if r.objective == "warm p95"]
    assert (row.met, row.measured) == (None, "")


def test_a_run_without_these_stages_has_no_objectives() -> None:
    assert objectives(PIPELINE, Run()) == ()
