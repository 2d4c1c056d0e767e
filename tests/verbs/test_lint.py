"""``lint``: what a good pipeline.yaml means."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.errors import BadInput
from dawsos.verbs.lint import lint
from support.paper import Paper


def test_lint_says_what_the_file_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Paper(tmp_path / "project", monkeypatch)
    facts = lint(paper.project)
    assert (len(facts.stages), facts.gates) == (6, 7)
    assert (facts.ladder, facts.rollout_seconds) == ((50, 100), 4.0)
    assert (facts.failed_checks, facts.check_interval) == (2, 1.0)


def test_a_file_that_is_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Paper(tmp_path / "project", monkeypatch)
    (paper.project.root / "requirements.txt").unlink()
    with pytest.raises(BadInput, match=r"requirements\.txt"):
        lint(paper.project)
