"""``show``: one run, and whether somebody changed its journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.errors import BadInput
from dawsos.model.status import RunResult
from dawsos.runs.lifecycle import finish
from dawsos.verbs.show import show
from support.paper import Paper, alter

RUN = "20260301-120000-c0ffee0-01"


def test_a_run_is_shown_with_what_is_wrong_with_its_journal(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    finish(paper.session(RUN), paper.pipeline, RunResult.FAILED, "because of 01")
    found = show(paper.project, "last")
    assert (found.run.id, found.run.result, found.problems) == (RUN, "failed", ())
    assert found.report == paper.project.report(RUN)
    assert show(paper.project, "01") == found
    alter(paper)
    (problem, *_) = show(paper.project, "last").problems
    assert "was altered" in problem


def test_an_unknown_run_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="run 'nope' is unknown; the newest runs: none yet"):
        show(Paper(tmp_path / "project").project, "nope")
