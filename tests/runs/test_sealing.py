"""A run that ended elsewhere gets its report and signed summary here once, and only when it has an end."""

from __future__ import annotations

from pathlib import Path

from dawsos.model.events import RunFinished
from dawsos.model.status import RunResult
from dawsos.runs.evidence import SUMMARY_FILE, summary_problems
from dawsos.runs.project import load_run
from dawsos.runs.sealing import seal
from support.paper import Paper
from verbs.on_paper import committed

RUN = "20260301-120000-c0ffee0-aa"


def test_only_a_run_with_an_end_is_sealed_and_only_once(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    commit = committed(paper)
    session = paper.session(RUN, commit=commit.sha)
    assert not seal(paper.tools, RUN)
    session.record(RunFinished(RunResult.WAITING, 75))
    assert not seal(paper.tools, RUN)
    session.record(RunFinished(RunResult.ROLLED_BACK, 4))
    assert summary_problems(paper.tools, load_run(paper.tools, RUN)) != []
    assert seal(paper.tools, RUN)
    assert summary_problems(paper.tools, load_run(paper.tools, RUN)) == []
    assert paper.project.report(RUN).exists()
    assert not seal(paper.tools, RUN)


def test_what_somebody_altered_is_not_signed_anew(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    commit = committed(paper)
    paper.session(RUN, commit=commit.sha).record(RunFinished(RunResult.PASSED, 0))
    assert seal(paper.tools, RUN)
    path = paper.project.evidence(RUN) / SUMMARY_FILE
    path.write_text("{}")
    assert not seal(paper.tools, RUN)
    assert summary_problems(paper.tools, load_run(paper.tools, RUN)) != []


def test_without_the_commit_nothing_is_written(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    committed(paper)
    paper.session(RUN, commit="1" * 40).record(RunFinished(RunResult.PASSED, 0))
    assert not seal(paper.tools, RUN)
    assert not paper.project.report(RUN).exists()
