"""The loop: in parallel where it may, red stops it, cancelling waits until everything is cleaned up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.engine.contract import StageOutcome
from dawsos.engine.loop import run_stages
from dawsos.model.pipeline import Stage
from dawsos.model.status import StageState
from engine.stages import graphs, stage


def pending(stages: list[Stage]) -> dict[str, StageState]:
    return {each.id: StageState.PENDING for each in stages}


def executed(
    stages: list[Stage], execute: Callable[[Stage], Awaitable[StageOutcome]], cores: int = 4, **states: StageState
) -> dict[str, StageState]:
    return asyncio.run(run_stages(stages, pending(stages) | states, execute, cores))


def outcomes(**results: StageState) -> tuple[list[str], Callable[[Stage], Awaitable[StageOutcome]]]:
    """Return the list of what ran, and what runs it: each stage ends as ``results`` says, passed by default."""
    ran: list[str] = []

    async def execute(which: Stage) -> StageOutcome:
        ran.append(which.id)
        await asyncio.sleep(0)
        return StageOutcome(results.get(which.id, StageState.PASSED))

    return ran, execute


def test_everything_passes_in_order() -> None:
    ran, execute = outcomes()
    assert executed([stage("b", "a"), stage("a")], execute) == {"a": "passed", "b": "passed"}
    assert ran == ["a", "b"]


def test_what_was_done_before_does_not_run_again() -> None:
    ran, execute = outcomes()
    executed([stage("a"), stage("b", "a")], execute, a=StageState.RESTORED)
    assert ran == ["b"]


@pytest.mark.parametrize(
    "result",
    [
        StageState.FAILED,
        StageState.INFRASTRUCTURE,
        StageState.TIMEOUT,
        StageState.WAITING,
        StageState.REJECTED,
        StageState.ROLLED_BACK,
    ],
)
def test_what_runs_beside_a_red_stage_comes_to_its_end_and_nothing_new_starts(result: StageState) -> None:
    other_is_done = asyncio.Event()

    async def execute(which: Stage) -> StageOutcome:
        if which.id == "red":
            return StageOutcome(result)
        for _ in range(10):
            await asyncio.sleep(0)
        other_is_done.set()
        return StageOutcome(StageState.PASSED)

    stages = [stage("red"), stage("beside"), stage("behind", "red"), stage("later", "beside")]
    assert executed(stages, execute) == {"red": result, "beside": "passed", "behind": "pending", "later": "pending"}
    assert other_is_done.is_set()


def test_stages_run_side_by_side_within_the_cores() -> None:
    at_once, most = 0, 0

    async def execute(_which: Stage) -> StageOutcome:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        for _ in range(3):
            await asyncio.sleep(0)
        at_once -= 1
        return StageOutcome(StageState.PASSED)

    executed([stage(f"s{number}") for number in range(6)], execute, cores=3)
    assert most == 3


def test_cancelling_waits_until_each_stage_has_cleaned_up() -> None:
    cleaned: list[str] = []

    async def execute(which: Stage) -> StageOutcome:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(which.id)
        return StageOutcome(StageState.PASSED)

    async def cancelled() -> None:
        stages = [stage("a"), stage("b")]
        task = asyncio.create_task(run_stages(stages, pending(stages), execute, 4))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert sorted(cleaned) == ["a", "b"]


def test_a_defect_in_one_stage_cancels_the_others_and_is_raised() -> None:
    cleaned: list[str] = []

    async def execute(which: Stage) -> StageOutcome:
        if which.id == "broken":
            raise RuntimeError("a defect")
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(which.id)
        return StageOutcome(StageState.PASSED)

    with pytest.raises(RuntimeError, match="a defect"):
        executed([stage("broken"), stage("other")], execute)
    assert cleaned == ["other"]


@given(graphs(), st.integers(1, 3), st.data())
def test_each_stage_runs_once_at_most_and_only_behind_what_passed(
    stages: list[Stage], cores: int, data: st.DataObject
) -> None:
    red = data.draw(st.sets(st.sampled_from([each.id for each in stages]), max_size=2))
    ran, execute = outcomes(**dict.fromkeys(red, StageState.FAILED))
    states = executed(stages, execute, cores)
    assert len(ran) == len(set(ran))
    assert {name for name, state in states.items() if state != "pending"} == set(ran)
    for each in stages:
        if each.id in ran:
            assert all(states[need] == "passed" for need in each.needs)
    assert red & set(ran) or set(ran) == {each.id for each in stages}
