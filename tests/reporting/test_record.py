"""A run as JSON: every fact, and the words a person would be told."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from dawsos.model.fold import fold
from dawsos.model.run import Run
from dawsos.reporting.record import run_to_json
from reporting.sample_runs import Script, failed, passed, rolled_back, running, waiting


@pytest.mark.parametrize("made", [passed, rolled_back, failed, waiting, running])
def test_a_run_survives_json(made: Callable[[], Script]) -> None:
    run = fold(made().events)
    value = json.loads(json.dumps(run_to_json(run)))
    assert (value["id"], value["commit"], value["result"]) == (run.id, run.commit, run.result)
    assert set(value["stages"]) == set(run.stages)
    assert value["headline"]
    gates = [gate["gate"] for stage in value["stages"].values() for gate in stage["gates"]]
    assert gates == [gate.gate for stage in run.stages.values() for gate in stage.gates]


def test_a_run_of_which_nothing_is_known_has_a_record_too() -> None:
    assert run_to_json(Run())["stages"] == {}
