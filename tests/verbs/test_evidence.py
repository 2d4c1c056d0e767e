"""``evidence``: the statements of a release, and on request what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.errors import BadInput
from dawsos.model.status import RunResult
from dawsos.runs.lifecycle import finish
from dawsos.verbs.evidence import evidence
from projects import TinyProject
from support.paper import Paper
from support.world import RELEASE, world, written_as_version_1


def test_without_a_release_there_is_no_evidence_of_one(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    finish(paper.session("20260301-120000-c0ffee0-01"), paper.pipeline, RunResult.FAILED)
    with pytest.raises(BadInput, match="built no release"):
        evidence(paper.project, "last", check=True)


def test_a_statement_that_was_altered_is_found_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    TinyProject("good", tmp_path, monkeypatch, capsys)
    made = world(tmp_path)
    (made.tools.project.root / "pipeline.yaml").write_text((tmp_path / "good" / "pipeline.yaml").read_text())
    made.run_stage("lint")
    made.build()
    made.attest()
    found = evidence(made.tools.project, made.session.id, check=False)
    assert (found.run.release, found.problems) == (RELEASE, None)
    assert "lint" in [one.stage for one in found.statements]
    # The run has not ended, so nothing but its statements speaks.
    assert evidence(made.tools.project, made.session.id, check=True).problems == ()
    written_as_version_1(made.tools.project.root)
    assert evidence(made.tools.project, made.session.id, check=True).problems == ()
    path = found.folder / "lint.json"
    path.write_text(path.read_text().replace("payload", "payloaf", 1))
    problems = evidence(made.tools.project, made.session.id, check=True).problems
    assert problems
    assert problems[0].startswith("lint: ")
