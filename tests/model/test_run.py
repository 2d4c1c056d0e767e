"""What a run's records say of themselves."""

from __future__ import annotations

import pytest

from dawsos.model.run import Run, StageRecord
from dawsos.model.status import RunResult, StageState


@pytest.mark.parametrize("state", StageState)
def test_what_is_behind_us_is_done(state: StageState) -> None:
    assert StageRecord("lint", state).done is (state in ("passed", "restored", "skipped"))


@pytest.mark.parametrize("result", RunResult)
def test_a_run_may_go_on_until_it_has_an_end(result: RunResult) -> None:
    assert Run(result=result).unfinished is (result in ("", "waiting"))
