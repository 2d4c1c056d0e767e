"""Runs one stage: its work within the budget, its gates on the evidence, its approval, its place in the cache.

An exception never leaves here: whatever happens becomes an outcome in the journal.  Only infrastructure failures are
tried again, because a test that failed and then passes is a flaky test, not a passed one.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from dawsos.adapters.digests import tree_digests
from dawsos.engine.contract import StageAttempt, StageOutcome, StageRuntime
from dawsos.engine.evaluation import with_judged_exits
from dawsos.errors import failure_of
from dawsos.model.events import GateEvaluated, StageFinished, StageStarted
from dawsos.model.status import StageState
from dawsos.model.verdicts import GateVerdict


async def run_stage(attempt: StageAttempt, runtime: StageRuntime) -> StageOutcome:
    """Carry out the stage with up to ``retry.attempts`` attempts; the journal has every fact when this returns."""
    while True:
        outcome = await _attempt(attempt, runtime)
        if outcome.result is not StageState.INFRASTRUCTURE or attempt.number >= attempt.stage.retry.attempts:
            return outcome
        attempt = replace(
            attempt,
            done=False,
            number=attempt.number + 1,
            artifacts=attempt.artifacts.with_name(f"attempt-{attempt.number + 1}"),
        )


async def _attempt(attempt: StageAttempt, runtime: StageRuntime) -> StageOutcome:
    stage = attempt.stage
    attempt.artifacts.mkdir(parents=True, exist_ok=True)
    digest = attempt.fingerprint.digest if attempt.fingerprint else ""
    tools = attempt.fingerprint.tools if attempt.fingerprint else {}
    attempt.recorder.record(StageStarted(digest, tools, attempt.number, attempt.done), stage.id)
    started = attempt.clock.monotonic()
    outcome = StageOutcome(StageState.CANCELLED, "another stage failed or the run was stopped")
    try:
        outcome = await _outcome(attempt, runtime)
        # In a thread: a large folder must not stall the logs and budgets of the stages beside this one.
        evidence = await asyncio.to_thread(tree_digests, attempt.artifacts)
    except asyncio.CancelledError:
        # Not in a thread: a second cancellation while it is awaited would leave the stage without an end in the journal.
        _finish(attempt, outcome, started, tree_digests(attempt.artifacts))
        raise
    _finish(attempt, outcome, started, evidence)
    if outcome.result is StageState.PASSED:
        await runtime.keep(attempt)
    return outcome


async def _outcome(attempt: StageAttempt, runtime: StageRuntime) -> StageOutcome:
    try:
        outcome = StageOutcome(StageState.PASSED) if attempt.done else await _act(attempt, runtime)
        if outcome.result in (StageState.PASSED, StageState.FAILED, StageState.ROLLED_BACK):
            outcome = await _judge(attempt, runtime, outcome)
    except Exception as error:
        return _failed(error)
    return outcome


def _finish(attempt: StageAttempt, outcome: StageOutcome, started: float, evidence: dict[str, str]) -> None:
    seconds = round(attempt.clock.monotonic() - started, 3)
    attempt.recorder.record(StageFinished(outcome.result, seconds, outcome.reason, evidence), attempt.stage.id)


async def _act(attempt: StageAttempt, runtime: StageRuntime) -> StageOutcome:
    budget = attempt.stage.budget
    try:
        # A slow registry is not a slow test: the first run on a machine must not fail by its stages' budgets.
        await runtime.prepare(attempt)
        async with asyncio.timeout(budget):
            return await runtime.actions[attempt.stage.uses](attempt)
    except TimeoutError:
        return StageOutcome(StageState.TIMEOUT, f"stopped after its budget of {budget:g} s")
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> StageOutcome:
    result, reason = failure_of(error)
    return StageOutcome(StageState(result), reason)


async def _judge(attempt: StageAttempt, runtime: StageRuntime, outcome: StageOutcome) -> StageOutcome:
    """Evaluate the gates.  A failed step fails the stage even when no gate saw it."""
    verdicts: list[GateVerdict] = []
    for gate in attempt.stage.gates:
        verdicts.append(await asyncio.to_thread(runtime.evaluate, gate, attempt.artifacts))
    # Only all of them together tell whether somebody found what a step's exit code was for.
    verdicts = with_judged_exits(verdicts, attempt.artifacts)
    for verdict in verdicts:
        attempt.recorder.record(GateEvaluated(verdict), attempt.stage.id)
    red = [verdict for verdict in verdicts if not verdict.passed]
    if outcome.result == "rolled_back":
        return outcome
    if outcome.result == "failed" and outcome.reason and all(verdict.result == "no_data" for verdict in red):
        # What stopped the work tells more than gates that found nothing for that very reason.
        return outcome
    if red:
        first = red[0]
        return StageOutcome(
            StageState.FAILED, f"gate {first.gate}: {first.message} (measured {first.measured}, limit {first.limit})"
        )
    if outcome.result != "passed":
        return outcome
    if attempt.stage.approval is not None:
        approved = await runtime.approve(attempt, tuple(verdicts))
        if approved.result != "passed":
            return approved
    return outcome
