"""Without a terminal a ship waits for the product owner, with exit code 75, and goes on from what the owner was shown."""

from __future__ import annotations

import pytest

from e2e.clone import Clone

pytestmark = pytest.mark.e2e


def test_a_waiting_run_is_approved_and_resumed_without_repeating_anything(shipped: Clone) -> None:
    before = shipped.version()
    commit = shipped.commit("wait for the owner")
    said = shipped.dawsos("ship", check=75)
    assert "dawsos approve" in said.out
    assert shipped.version() == before
    waiting = shipped.show()
    # Resuming without a decision waits again, over the same digest.
    shipped.dawsos("resume", waiting["id"], check=75)
    shipped.dawsos("approve", waiting["id"], "--as", "Ada", "--reason", "seen in staging", check=0)
    said = shipped.dawsos("resume", waiting["id"], check=0)
    run = shipped.show()
    assert run["id"] == waiting["id"]
    assert {request["digest"] for request in run["approval_requests"]} == {run["approvals"][0]["digest"]}
    assert run["approvals"][0]["name"] == "Ada"
    assert run["stages"]["uat"]["attempt"] == 1
    assert shipped.version() == commit


def test_a_rejected_release_never_reaches_production(shipped: Clone) -> None:
    before = shipped.version()
    with shipped.broken():
        shipped.commit("not wanted")
        shipped.dawsos("ship", check=75)
        shipped.dawsos("reject", "--as", "Ada", "--reason", "wrong colours", check=0)
        said = shipped.dawsos("resume", check=1)
        assert "wrong colours" in said.out
        assert shipped.show()["stages"]["canary"]["state"] == "pending"
    assert shipped.version() == before
