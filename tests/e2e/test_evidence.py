"""What went to production is proven; what was tampered with does not get there."""

from __future__ import annotations

import pytest

from e2e.clone import Clone
from e2e.test_ship import STAGES

pytestmark = pytest.mark.e2e


def test_a_shipped_release_has_evidence_that_holds(shipped: Clone) -> None:
    said = shipped.dawsos("evidence", shipped.version(), "--verify", "--json", check=0).json()
    assert said["verified"] is True
    assert {row["stage"] for row in said["statements"]} >= set(STAGES)


def test_evidence_altered_while_the_run_waits_keeps_the_release_from_production(shipped: Clone) -> None:
    before = shipped.version()
    with shipped.broken():
        shipped.commit("evidence will be altered")
        shipped.dawsos("ship", check=75)
        run = shipped.show()["id"]
        steps = shipped.path / ".dawsos" / "runs" / run / "lint" / "attempt-1" / "steps.json"
        steps.write_text(steps.read_text() + " ")
        shipped.dawsos("approve", run, "--as", "Ada", "--reason", "looks good", check=0)
        said = shipped.dawsos("resume", run, check=1)
        assert "stage lint: evidence steps.json was altered after the stage ended" in said.text
        assert shipped.dawsos("evidence", run, "--verify").code == 1
    assert shipped.version() == before
