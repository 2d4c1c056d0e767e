"""What every executor must do, with real commands: order, environment, evidence, budget, an end without leftovers."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.executors.contract import Executor, ExecutorName, StepContext
from dawsos.executors.registry import EXECUTORS
from dawsos.model.pipeline import Step
from engine.stages import stage
from fakes import MemoryRecorder
from gates.samples import gate
from support.facts import fact
from waiting import wait_until


@dataclass
class Place:
    """A project in which an executor runs the steps of one stage."""

    executor: Executor
    folder: Path

    def attempt(self, *steps: Step, budget: float = 30.0) -> StageAttempt:
        recorder = MemoryRecorder()
        recorder.record(fact("run_started", stages=["unit"]))
        artifacts = self.folder / "artifacts"
        artifacts.mkdir()
        judged = (gate("junit", "junit"),)
        return StageAttempt(
            stage("unit", steps=steps, gates=judged, budget=budget), 1, artifacts, None, recorder, recorder.clock
        )

    def context(self) -> StepContext:
        return StepContext(self.folder, {"PATH": os.environ["PATH"], "GREETING": "hello"})

    def run(self, *steps: Step, budget: float = 30.0) -> tuple[StageOutcome, list[dict[str, Any]]]:
        attempt = self.attempt(*steps, budget=budget)
        outcome = asyncio.run(self.executor.run(attempt, self.context()))
        return outcome, json.loads((attempt.artifacts / "steps.json").read_text())


@pytest.fixture(params=get_args(ExecutorName))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    make: Callable[..., Executor] = EXECUTORS[request.param]
    return Place(make(ProcessRunner(SystemClock(), Masker())), tmp_path)


def test_a_step_runs_in_the_project_and_sees_what_it_was_given_and_nothing_else(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKED", "yes")
    outcome, (step,) = place.run(Step(run="pwd; echo $GREETING ${LEAKED-nothing} $REPEAT; echo kept > $ARTIFACTS/made"))
    assert outcome.result == "passed"
    assert (step["classification"], step["exit_code"]) == ("ok", 0)
    log = (place.folder / "artifacts" / step["log"]).read_text().splitlines()
    assert log == [str(place.folder), "hello nothing 1"]
    assert (place.folder / "artifacts" / "made").read_text() == "kept\n"


def test_steps_run_in_order_and_the_first_that_fails_is_the_last(place: Place) -> None:
    outcome, steps = place.run(Step(run="echo 1 >> order"), Step(run="false"), Step(run="echo 3 >> order"))
    assert outcome.result == "failed"
    assert [step["classification"] for step in steps] == ["ok", "failed"]
    assert (place.folder / "order").read_text() == "1\n"


def test_a_line_that_fails_ends_its_step(place: Place) -> None:
    outcome, _ = place.run(Step(run="false\necho on > on"))
    assert outcome.result == "failed"
    assert not (place.folder / "on").exists()


def test_a_step_is_repeated_and_each_time_leaves_its_log(place: Place) -> None:
    outcome, steps = place.run(Step(run="echo $REPEAT; test $REPEAT != 1", repeat=2))
    assert outcome.result == "failed"
    assert [step["classification"] for step in steps] == ["failed", "ok"]
    logs = [(place.folder / "artifacts" / step["log"]).read_text() for step in steps]
    assert logs == ["1\n", "2\n"]


def test_an_exit_that_a_gate_judges_is_no_failure(place: Place) -> None:
    outcome, (step,) = place.run(Step(run="exit 3", judged_exits=(3,)))
    assert (outcome.result, step["classification"], step["exit_code"]) == ("passed", "judged", 3)


def test_a_step_that_outlives_the_budget_is_stopped(place: Place) -> None:
    outcome, (step,) = place.run(Step(run="echo $$ > pid; sleep 60"), budget=0.5)
    assert (outcome.result, step["classification"]) == ("failed", "timeout")
    wait_until(lambda: not _lives(place.folder / "pid"))


def test_a_stage_that_is_cancelled_leaves_nothing_running(place: Place) -> None:
    attempt = place.attempt(Step(run="sh -c 'echo $$ > pid; sleep 60' & wait"))

    async def cancelled() -> None:
        task = asyncio.ensure_future(place.executor.run(attempt, place.context()))
        async with asyncio.timeout(20):
            while not (place.folder / "pid").exists() or not (place.folder / "pid").read_text():
                await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    wait_until(lambda: not _lives(place.folder / "pid"))


def _lives(pid: Path) -> bool:
    """Return whether the process of the file runs; one that has ended and was not awaited does not."""
    try:
        return Path(f"/proc/{pid.read_text().strip()}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
