"""A run that was killed in the middle of its gates goes on where it stood, and only one process may own it."""

from __future__ import annotations

import os
import signal

import pytest

from e2e.clone import Clone, until

pytestmark = pytest.mark.e2e


@pytest.mark.timeout(600)
def test_killed_among_the_gates_it_repeats_nothing_that_was_finished(shipped: Clone) -> None:
    run = shipped.start("run", "lint", "golden", "--no-cache")

    def finished() -> set[str]:
        stages = shipped.show()["stages"]
        return {name for name, stage in stages.items() if stage["state"] == "passed"}

    until(lambda: shipped.dawsos("history", "--json").json()[-1]["result"] == "unfinished", 60, "the run has begun")
    until(finished, 300, "a first stage has passed")
    second = shipped.dawsos("resume", check=3)
    assert f"live process {run.pid}" in second.err

    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=60)
    done = finished()
    shipped.nothing_left("the kill of the run")
    name = shipped.show()["id"]

    shipped.dawsos("resume", check=0)
    after = shipped.show()
    assert after["id"] == name
    assert after["result"] == "passed"
    assert after["journal_problems"] == []
    assert {after["stages"][stage]["attempt"] for stage in done} == {1}
    assert any(stage["attempt"] > 1 for stage in after["stages"].values()), "it was killed while a stage ran"
