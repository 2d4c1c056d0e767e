"""What may start: never before its needs, never on more cores than there are, and always something."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.engine.scheduler import startable
from dawsos.model.pipeline import Stage
from dawsos.model.status import StageState
from engine.stages import graphs, stage

DONE = (StageState.PASSED, StageState.RESTORED, StageState.SKIPPED)
RED = tuple(state for state in StageState if state not in (*DONE, StageState.PENDING, StageState.RUNNING))


def test_what_needs_nothing_starts_at_once_in_the_file_s_order() -> None:
    stages = [stage("b"), stage("a"), stage("c", "a")]
    assert startable(stages, {}, [], 8) == ("b", "a")
    assert startable(stages, {"a": StageState.PASSED}, ["b"], 8) == ("c",)


@pytest.mark.parametrize("state", DONE)
def test_each_way_of_being_done_lets_the_next_start(state: StageState) -> None:
    assert startable([stage("a"), stage("b", "a")], {"a": state}, [], 1) == ("b",)


@pytest.mark.parametrize("state", RED)
def test_no_way_of_being_red_lets_the_next_start_or_starts_again(state: StageState) -> None:
    stages = [stage("a"), stage("b", "a"), stage("c")]
    assert startable(stages, {"a": state}, [], 4) == ("c",)


def test_a_need_outside_the_chosen_stages_is_no_hindrance() -> None:
    assert startable([stage("b", "a")], {}, [], 1) == ("b",)


def test_a_stage_that_asks_for_more_cores_than_there_are_runs_alone() -> None:
    stages = [stage("big", cpus=9), stage("small"), stage("waits", cpus=0)]
    assert startable(stages, {}, [], 2) == ("big", "waits")
    assert startable(stages, {}, ["small"], 2) == ("waits",)


@given(graphs(), st.integers(1, 4), st.data())
def test_every_schedule_keeps_order_and_cores_and_comes_to_its_end(
    stages: list[Stage], cores: int, data: st.DataObject
) -> None:
    """Stages end in any order: each starts once, behind its needs, within the cores, until all are done."""
    by_id = {each.id: each for each in stages}
    states = dict.fromkeys(by_id, StageState.PENDING)
    running: list[str] = []
    started: list[str] = []
    while StageState.PENDING in states.values() or running:
        for name in startable(stages, states, running, cores):
            assert states[name] is StageState.PENDING
            assert all(states[need] in DONE for need in by_id[name].needs)
            states[name] = StageState.RUNNING
            running.append(name)
            started.append(name)
        busy = [by_id[name].cpus for name in running if by_id[name].cpus]
        assert sum(busy) <= cores or len(busy) == 1
        assert running, "nothing runs and nothing can start"
        ended = data.draw(st.sampled_from(running))
        running.remove(ended)
        states[ended] = data.draw(st.sampled_from(DONE))
    assert sorted(started) == sorted(by_id)


@given(graphs(), st.data())
def test_what_is_behind_a_red_stage_never_starts(stages: list[Stage], data: st.DataObject) -> None:
    red = data.draw(st.sampled_from([each.id for each in stages]))
    behind = {red}
    for _ in stages:
        behind |= {each.id for each in stages if behind & set(each.needs)}
    states = dict.fromkeys((each.id for each in stages), StageState.PENDING) | {red: data.draw(st.sampled_from(RED))}
    while chosen := startable(stages, states, [], 4):
        assert not behind & set(chosen)
        states |= dict.fromkeys(chosen, StageState.PASSED)
    assert all(states[name] in DONE for name in states.keys() - behind)
