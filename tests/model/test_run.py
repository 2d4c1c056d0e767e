"""What a run's records say of themselves."""

from __future__ import annotations

import pytest

from dawsos.model.run import DONE_STATES, Run, StageRecord


@pytest.mark.parametrize("state", ["pending", "running", "passed", "failed", "waiting", "restored", "skipped"])
def test_what_is_behind_us_is_done(state: str) -> None:
    assert StageRecord("lint", state).done is (state in DONE_STATES)


@pytest.mark.parametrize(
    ("result", "unfinished"), [("", True), ("waiting", True), ("passed", False), ("failed", False)]
)
def test_a_run_may_go_on_until_it_has_an_end(result: str, unfinished: bool) -> None:
    assert Run(result=result).unfinished is unfinished
