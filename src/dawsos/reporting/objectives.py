"""The objectives of a pipeline with what a run measured of each.  Pure: pipeline and run in, rows out.

An objective is a ``threshold`` gate: a number, its limit, the stage that measures it.  All that the pipeline declares are
listed, whatever the run came to: one that was not measured says so, because a table that leaves it out would read as met.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dawsos.model.pipeline import Pipeline
from dawsos.model.run import Run
from dawsos.model.verdicts import GateVerdict
from dawsos.reporting.html import SloRow

_NOT_MEASURED = ("no_data", "error")


def objectives(pipeline: Pipeline, run: Run) -> tuple[SloRow, ...]:
    """Return one row for each threshold of the stages that belong to the run, in the pipeline's order."""
    rows = []
    for stage in pipeline.stages:
        record = run.stages.get(stage.id)
        if record is None:
            continue
        verdicts = {verdict.gate: verdict for verdict in record.gates if verdict.kind == "threshold"}
        declared = {gate.name: gate.written_options for gate in stage.gates if gate.kind == "threshold"}
        # A run of an older pipeline may have measured what is declared no more.
        for name in dict.fromkeys([*declared, *verdicts]):
            rows.append(_row(name, stage.id, declared.get(name, {}), verdicts.get(name)))
    return tuple(rows)


def _row(name: str, stage: str, options: Mapping[str, Any], verdict: GateVerdict | None) -> SloRow:
    if verdict is None or verdict.result in _NOT_MEASURED:
        return SloRow(name, (verdict.limit if verdict else "") or _limit(options), "", stage, None)
    return SloRow(name, verdict.limit, verdict.measured, stage, verdict.passed)


def _limit(options: Mapping[str, Any]) -> str:
    unit = f" {options['unit']}" if options.get("unit") else ""
    limits = [(">=", options.get("min")), ("<=", options.get("max"))]
    return " and ".join(f"{sign} {value:g}{unit}" for sign, value in limits if value is not None)
