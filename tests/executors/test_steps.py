"""Steps: their order, their repetitions, what they leave as evidence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.executors.contract import StepContext
from dawsos.executors.steps import run_steps
from dawsos.model.pipeline import Step
from dawsos.model.process import Command, CommandOutcome
from dawsos.model.status import StageState
from engine.stages import stage
from fakes import MemoryRecorder
from support.facts import fact

OK = CommandOutcome("ok", 0, 0.5)
FAILED = CommandOutcome("failed", 1, 0.5, "exit code 1")


class ScriptedRunner:
    """Ends each command as ``script`` says and leaves a log of 50 lines."""

    def __init__(self, script: Callable[[Command], CommandOutcome]) -> None:
        self.script = script
        self.commands: list[Command] = []

    async def run(self, command: Command) -> CommandOutcome:
        self.commands.append(command)
        Path(command.log).write_text("\n".join(f"line {number}" for number in range(50)) + "\n")
        return self.script(command)


def ran(
    folder: Path, script: Callable[[Command], CommandOutcome], *steps: Step
) -> tuple[StageOutcome, ScriptedRunner, list[dict[str, Any]], MemoryRecorder]:
    folder.mkdir(exist_ok=True)
    recorder = MemoryRecorder()
    recorder.record(fact("run_started", stages=["unit"]))
    work = StageAttempt(stage("unit", steps=steps, budget=42), 1, folder, None, recorder, recorder.clock)
    runner = ScriptedRunner(script)
    outcome = asyncio.run(run_steps(work, StepContext(Path("/project"), {"A": "1"}), runner))
    return outcome, runner, json.loads((folder / "steps.json").read_text()), recorder


def test_a_step_runs_in_the_project_with_its_whole_environment(tmp_path: Path) -> None:
    outcome, runner, steps, recorder = ran(tmp_path, lambda _: OK, Step(run="pytest -q", name="tests"))
    assert outcome == StageOutcome(StageState.PASSED)
    (command,) = runner.commands
    assert command.argv == ("/bin/sh", "-euc", "pytest -q")
    assert (command.cwd, command.budget) == ("/project", 42)
    assert command.env == {"A": "1", "ARTIFACTS": str(tmp_path), "REPEAT": "1"}
    assert (steps[0]["name"], steps[0]["classification"], steps[0]["exit_code"]) == ("tests", "ok", 0)
    assert steps[0]["tail"] == [f"line {number}" for number in range(10, 50)]
    assert recorder.kinds[1:] == ["step_started", "step_finished"]


def test_a_failed_step_ends_the_stage(tmp_path: Path) -> None:
    outcome, runner, steps, _ = ran(tmp_path, lambda _: FAILED, Step(run="a"), Step(run="b"))
    assert outcome.result == "failed"
    assert len(runner.commands) == len(steps) == 1


def test_unless_it_says_keep_going(tmp_path: Path) -> None:
    first = Step(run="a", keep_going=True)
    outcome, runner, _, _ = ran(tmp_path, lambda c: FAILED if c.argv[2] == "a" else OK, first, Step(run="b"))
    assert outcome.result == "failed"
    assert [command.argv[2] for command in runner.commands] == ["a", "b"]


def test_all_repetitions_run_also_when_the_first_fails(tmp_path: Path) -> None:
    def flaky(command: Command) -> CommandOutcome:
        return FAILED if command.env["REPEAT"] == "1" else OK

    outcome, runner, steps, _ = ran(tmp_path, flaky, Step(run="t", name="tests", repeat=3), Step(run="next"))
    assert outcome.result == "failed"
    assert [command.env["REPEAT"] for command in runner.commands] == ["1", "2", "3"]
    assert [step["name"] for step in steps] == ["tests (1 of 3)", "tests (2 of 3)", "tests (3 of 3)"]
    assert len({step["log"] for step in steps}) == 3


@pytest.mark.parametrize("keep_going", [True, False])
def test_an_infrastructure_failure_ends_the_stage_at_once(keep_going: bool, tmp_path: Path) -> None:
    killed = CommandOutcome("infrastructure", 137, 0.1, "killed by signal 9")
    step = Step(run="a", name="a", repeat=2, keep_going=keep_going)
    outcome, runner, steps, _ = ran(tmp_path, lambda _: killed, step, Step(run="b"))
    assert outcome == StageOutcome(StageState.INFRASTRUCTURE, "a (1 of 2): killed by signal 9")
    assert len(runner.commands) == len(steps) == 1


def test_a_step_over_its_budget_is_left_to_the_gates(tmp_path: Path) -> None:
    late = CommandOutcome("timeout", 143, 42, "stopped")
    outcome, _, steps, _ = ran(tmp_path, lambda _: late, Step(run="a"))
    assert (outcome.result, steps[0]["classification"]) == ("failed", "timeout")
