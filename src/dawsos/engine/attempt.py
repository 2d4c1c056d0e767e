"""Runs one stage: its work within the budget, its gates on the evidence, its approval, its place in the cache.

An exception never leaves here: whatever happens becomes an outcome in the journal.  Only infrastructure failures are
tried again, because a test that failed and then passes is a flaky test, not a passed one.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from dawsos.adapters.digests import tree_digests
from dawsos.engine.contract import StageAttempt, StageOutcome, StageRuntime
from dawsos.errors import failure_of
from dawsos.model.events import GateEvaluated, StageFinished, StageStarted
from dawsos.model.status import StageState
from dawsos.model.verdicts import GateVerdict


async def run_stage(work: StageAttempt, hands: StageRuntime) -> StageOutcome:
    """Carry out ``work`` with up to ``retry.attempts`` attempts; the journal has every fact when this returns."""
    while True:
        outcome = await _attempt(work, hands)
        if outcome.result != "infrastructure" or work.attempt >= work.stage.retry.attempts:
            return outcome
        work = replace(
            work,
            done=False,
            attempt=work.attempt + 1,
            artifacts=work.artifacts.with_name(f"attempt-{work.attempt + 1}"),
        )


async def _attempt(work: StageAttempt, hands: StageRuntime) -> StageOutcome:
    stage = work.stage
    work.artifacts.mkdir(parents=True, exist_ok=True)
    digest = work.fingerprint.digest if work.fingerprint else ""
    tools = work.fingerprint.tools if work.fingerprint else {}
    work.recorder.record(StageStarted(digest, tools, work.attempt, work.done), stage.id)
    started = work.clock.monotonic()
    outcome = StageOutcome(StageState.CANCELLED, "another stage failed or the run was stopped")
    try:
        outcome = await _outcome(work, hands)
        # In a thread: a large folder must not stall the logs and budgets of the stages beside this one.
        evidence = await asyncio.to_thread(tree_digests, work.artifacts)
    except asyncio.CancelledError:
        # Not in a thread: a second cancellation while it is awaited would leave the stage without an end in the journal.
        _finish(work, outcome, started, tree_digests(work.artifacts))
        raise
    _finish(work, outcome, started, evidence)
    if outcome.result == "passed":
        hands.keep(work)
    return outcome


async def _outcome(work: StageAttempt, hands: StageRuntime) -> StageOutcome:
    try:
        outcome = StageOutcome(StageState.PASSED) if work.done else await _work(work, hands)
        if outcome.result in ("passed", "failed", "rolled_back"):
            outcome = await _judge(work, hands, outcome)
    except Exception as error:
        return _failed(error)
    return outcome


def _finish(work: StageAttempt, outcome: StageOutcome, started: float, evidence: dict[str, str]) -> None:
    seconds = round(work.clock.monotonic() - started, 3)
    work.recorder.record(StageFinished(outcome.result, seconds, outcome.reason, evidence), work.stage.id)


async def _work(work: StageAttempt, hands: StageRuntime) -> StageOutcome:
    budget = work.stage.budget
    try:
        # A slow registry is not a slow test: the first run on a machine must not fail by its stages' budgets.
        await hands.prepare(work)
        async with asyncio.timeout(budget):
            return await hands.bodies[work.stage.uses](work)
    except TimeoutError:
        return StageOutcome(StageState.TIMEOUT, f"stopped after its budget of {budget:g} s")
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> StageOutcome:
    result, reason = failure_of(error)
    return StageOutcome(StageState(result), reason)


async def _judge(work: StageAttempt, hands: StageRuntime, outcome: StageOutcome) -> StageOutcome:
    """Ask the gates; a failed step without a gate that saw it fails the stage all the same."""
    verdicts: list[GateVerdict] = []
    for gate in work.stage.gates:
        verdict = hands.evaluate(gate, work.artifacts)
        verdicts.append(verdict)
        work.recorder.record(GateEvaluated(verdict), work.stage.id)
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
    if work.stage.approval is not None:
        approved = await hands.approve(work, tuple(verdicts))
        if approved.result != "passed":
            return approved
    return outcome
