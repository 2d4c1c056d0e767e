"""The loop over the steps of a stage, for every executor: their order and repetitions, the facts, ``steps.json`` as evidence."""

from __future__ import annotations

from dataclasses import replace

from dawsos.adapters.files import tail, write_json
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.executors.contract import StepContext
from dawsos.model.events import StepFinished, StepStarted
from dawsos.model.pipeline import Step
from dawsos.model.process import Command, CommandOutcome
from dawsos.model.status import StageState
from dawsos.ports import Runner

_TAIL = 40


async def run_steps(attempt: StageAttempt, context: StepContext, runner: Runner) -> StageOutcome:
    """Run the stage's steps in order.

    A failed step ends the stage unless it has ``keep_going``.  All repetitions of one step run, because the gate on flaky tests
    needs each.  The gates report what failed.
    """
    results: list[dict[str, object]] = []
    failed = False
    for index, step in enumerate(attempt.stage.steps, start=1):
        step_failed = False
        for turn in range(1, step.repeat + 1):
            name = (step.name or f"step {index}") + (f" ({turn} of {step.repeat})" if step.repeat > 1 else "")
            outcome, record = await _step(attempt, context, runner, step, (index, turn, name))
            results.append(record)
            write_json(attempt.artifacts / "steps.json", results)
            if outcome.classification == "infrastructure":
                return StageOutcome(StageState.INFRASTRUCTURE, f"{name}: {outcome.message}")
            step_failed = step_failed or outcome.classification not in ("ok", "judged")
        failed = failed or step_failed
        if step_failed and not step.keep_going:
            break
    return StageOutcome(StageState.FAILED, "a step failed") if failed else StageOutcome(StageState.PASSED)


async def _step(
    attempt: StageAttempt, context: StepContext, runner: Runner, step: Step, label: tuple[int, int, str]
) -> tuple[CommandOutcome, dict[str, object]]:
    index, turn, name = label
    log = attempt.artifacts / f"step-{index}-{turn}.log"
    attempt.recorder.record(StepStarted(index, name, step.run), attempt.stage.id)
    env = {**context.env, "ARTIFACTS": str(attempt.artifacts), "REPEAT": str(turn)}
    outcome = await runner.run(
        Command(("/bin/sh", "-euc", step.run), str(context.root), env, str(log), attempt.stage.budget)
    )
    if outcome.classification == "failed" and outcome.exit_code in step.judged_exits:
        # The program did its work and found something; whether that blocks is for the gate on its evidence to say.
        outcome = replace(outcome, classification="judged")
    seconds = round(outcome.seconds, 3)
    finished = StepFinished(index, name, outcome.classification, outcome.exit_code, seconds, log.name)
    attempt.recorder.record(finished, attempt.stage.id)
    record: dict[str, object] = {
        "name": name,
        "command": step.run,
        "log": log.name,
        "tail": tail(log, _TAIL),
        "classification": outcome.classification,
        "exit_code": outcome.exit_code,
        "seconds": seconds,
    }
    return outcome, record
