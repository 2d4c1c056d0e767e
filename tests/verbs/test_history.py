"""``history``: one value a run, the newest last."""

from __future__ import annotations

from pathlib import Path

from dawsos.model.status import RunResult
from dawsos.runs.lifecycle import finish
from dawsos.verbs.history import history
from support.paper import Paper


def test_history_is_the_newest_last(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    assert history(paper.project) == ()
    session = paper.session("20260301-120000-c0ffee0-01")
    paper.built(session, paper.release())
    finish(session, paper.pipeline, RunResult.FAILED, "because of 01")
    paper.session("20260302-120000-c0ffee0-02")
    first, second = history(paper.project)
    assert (first.run[-2:], first.result, first.reason, first.command) == ("01", "failed", "because of 01", "ship")
    assert first.release == session.state.release
    assert (second.run[-2:], second.result, second.release, second.seconds) == ("02", "stopped", "", 0.0)
    # Nobody works on it: the way on is told.
    assert second.reason.endswith(f"dawsos resume {second.run}")
