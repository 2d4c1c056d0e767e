"""``replay``: a recorded rollout, judged again by each judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.test_replay import _recorded
from dawsos.errors import BadInput
from dawsos.model.events import RolloutStarted
from dawsos.verbs.replay import replay
from support.paper import Paper


def test_a_recorded_rollout_is_judged_by_every_judge(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    session = paper.session()
    with pytest.raises(BadInput, match="has no recorded rollout"):
        replay(paper.project, "last", "")
    session.record(RolloutStarted("a" * 64, "new", "production", "b" * 64, "old", (5, 100), traffic="real"), "canary")
    for sampled in _recorded(40, errors=3):
        session.record(sampled, "canary")
    found = replay(paper.project, "last", "")
    assert (found.run, found.outcome, found.with_latencies) == (session.id, "", True)
    assert [one.name for one in found.replays] == ["thresholds", "statistical", "flagger"]
    assert all(one.samples == 40 for one in found.replays)
