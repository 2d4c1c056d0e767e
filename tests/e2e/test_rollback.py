"""A person brings production back, to the release before or to a named one, also in the middle of a rollout."""

from __future__ import annotations

import json

import pytest

from e2e.clone import Clone, git, until

pytestmark = pytest.mark.e2e


def before(clone: Clone) -> str:
    """Return the commit of the release that served before the one that serves now; ships another when there was none."""
    roles = clone.status()["roles"]
    if roles.get("standby") in (None, roles["stable"]):
        clone.commit("the next release")
        clone.dawsos("ship", "--approve-as", "Ada", "--reason", "test", check=0)
    kept = clone.path / ".dawsos" / "releases" / clone.status()["roles"]["standby"] / "release.json"
    return str(json.loads(kept.read_text())["commit"])


def test_back_and_forth_and_in_the_middle_of_a_rollout(shipped: Clone) -> None:
    first, second = before(shipped), shipped.version()
    assert first != second

    shipped.dawsos("rollback", "--as", "Bob", "--reason", "wrong totals", check=0)
    assert shipped.version() == first
    assert shipped.show()["revert"]["seconds"] < 1

    shipped.dawsos("rollback", "--to", second[:12], "--as", "Bob", "--reason", "they were right", check=0)
    assert shipped.version() == second

    with shipped.broken():
        shipped.edit("pipeline.yaml", "[1s, 1s, 1s, 1s, 1s, 1s]", "[60s, 60s, 60s, 60s, 60s, 60s]")
        shipped.commit("slow enough to be stopped")
        with shipped.running("ship", "--approve-as", "Ada", "--reason", "test") as ship:
            until(lambda: shipped.status()["weight"] == 5, 400, "the canary has its first traffic")
            shipped.dawsos("rollback", "--as", "Bob", "--reason", "stop", check=0)
            out, err = ship.communicate(timeout=60)
        assert ship.returncode == 4, out + err
        run = shipped.show()
        assert "Bob" in run["reason"]
        assert run["rollout"]["rollback_seconds"] < 1
    assert shipped.version() == second
    assert git(shipped.path, "status", "--porcelain") == ""


def test_an_unknown_release_is_refused(shipped: Clone) -> None:
    said = shipped.dawsos("rollback", "--to", "0000000", check=2)
    assert "unknown" in said.err
