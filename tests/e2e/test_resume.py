"""A run that was killed in the middle of its gates goes on where it stood, and only one process may own it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from e2e.clone import Clone, until

pytestmark = pytest.mark.e2e


@pytest.mark.timeout(600)
def test_killed_among_the_gates_it_repeats_nothing_that_was_finished(shipped: Clone, tmp_path: Path) -> None:
    # The stage waits for a file, so that the run is killed in the middle of it however fast the machine is.
    let_go = tmp_path / "go"
    with shipped.broken():
        shipped.edit(
            "pipeline.yaml", "cd backend && GOLDEN_REPORT=",
            f"cd backend && until [ -e {let_go} ]; do sleep 0.1; done; GOLDEN_REPORT=",
        )  # fmt: skip
        shipped.commit("a stage that waits")
        with shipped.running("run", "lint", "golden", "--no-cache") as run:

            def states() -> dict[str, str]:
                return {name: stage["state"] for name, stage in shipped.show()["stages"].items()}

            def its_own() -> bool:
                return bool(shipped.dawsos("history", "--json").json()[-1]["result"] == "unfinished")

            until(its_own, 60, "the run has begun")
            until(lambda: states() == {"lint": "passed", "golden": "running"}, 300, "lint has passed, golden waits")
            second = shipped.dawsos("resume", check=3)
            assert f"live process {run.pid}" in second.err

            os.kill(run.pid, signal.SIGKILL)
            run.communicate(timeout=60)
        shipped.nothing_left("the kill of the run")
        name = shipped.show()["id"]

        let_go.touch()
        shipped.dawsos("resume", check=0)
        after = shipped.show()
        assert after["id"] == name
        assert after["result"] == "passed"
        assert after["journal_problems"] == []
        assert {stage: shown["attempt"] for stage, shown in after["stages"].items()} == {"lint": 1, "golden": 2}
