"""The verbs that only read: what they print for a person and for a program, and their exit codes."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dawsos.errors import BadInput
from dawsos.verbs import reading
from dawsos.verbs.reading import lint, show_evidence, show_history, show_run, show_status, verify
from support.paper import Paper


class Page(Console):
    """A console whose words can be read."""

    def __init__(self) -> None:
        super().__init__(file=io.StringIO(), width=200)

    @property
    def text(self) -> str:
        assert isinstance(self.file, io.StringIO)
        return self.file.getvalue()


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    made = Paper(tmp_path / "project", monkeypatch)
    monkeypatch.setattr(reading, "open_tools", lambda project: made.tools)
    return made


def ended(paper: Paper, run: str, result: str = "failed") -> None:
    session = paper.session(run)
    session.finish(paper.pipeline, result, f"because of {run[-2:]}")


def test_history_is_the_newest_last(paper: Paper, capsys: pytest.CaptureFixture[str]) -> None:
    page = Page()
    show_history(paper.project, as_json=False, console=page)
    assert page.text.startswith("no run yet")
    ended(paper, "20260301-120000-c0ffee0-01")
    paper.session("20260302-120000-c0ffee0-02")
    show_history(paper.project, as_json=True, console=page)
    rows = json.loads(capsys.readouterr().out)
    assert [(row["run"][-2:], row["result"], row["reason"]) for row in rows] == [
        ("01", "failed", "because of 01"),
        ("02", "unfinished", ""),
    ]


def test_a_run_is_shown_with_whether_its_journal_is_intact(paper: Paper, capsys: pytest.CaptureFixture[str]) -> None:
    ended(paper, "20260301-120000-c0ffee0-01")
    page = Page()
    show_run(paper.project, "last", as_json=False, console=page)
    assert "journal  intact, 2 events, summary signed" in page.text
    assert str(paper.project.report("20260301-120000-c0ffee0-01")) in page.text
    show_run(paper.project, "01", as_json=True, console=page)
    assert json.loads(capsys.readouterr().out)["journal_problems"] == []
    alter(paper)
    page = Page()
    show_run(paper.project, "last", as_json=False, console=page)
    assert "intact" not in page.text


def alter(paper: Paper) -> None:
    """Change a fact in the journal behind everybody's back."""
    for path in paper.project.journal.rglob("*"):
        if path.is_file() and path.read_bytes()[:6] == b"SQLite":
            with sqlite3.connect(path) as database:
                database.execute("UPDATE events SET body = replace(body, 'because', 'forgive')")
            database.close()


WELL = [{"name": "health", "result": "pass", "measured": "200 healthy", "limit": "200 healthy"}]
ILL = [{"name": "health", "result": "fail", "measured": "503 degraded", "limit": "200 healthy"}]


@pytest.mark.parametrize(("found", "code"), [(WELL, 0), (ILL, 1)], ids=["well", "ill"])
def test_verify_ends_with_what_it_found(
    found: list[dict[str, Any]], code: int, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def checks(*_: object) -> list[dict[str, Any]]:
        return list(found)

    monkeypatch.setattr(reading, "checks", checks)
    ended(paper, "20260301-120000-c0ffee0-01")
    page = Page()
    assert verify(paper.project, as_json=False, console=page) == code
    assert f"{found[0]['result']:4}  health" in page.text
    assert "journals                 intact" in page.text
    alter(paper)
    page = Page()
    assert verify(paper.project, as_json=False, console=page) == 1
    assert "journal 20260301-120000-c0ffee0-01" in page.text


def test_without_a_release_there_is_no_evidence_of_one(paper: Paper) -> None:
    ended(paper, "20260301-120000-c0ffee0-01")
    with pytest.raises(BadInput, match="built no release"):
        show_evidence(paper.project, "last", check=True, as_json=False, console=Page())


def test_what_is_up_is_shown(paper: Paper, capsys: pytest.CaptureFixture[str]) -> None:
    page = Page()
    show_status(paper.project, as_json=False, console=page)
    assert "production" in page.text
    show_status(paper.project, as_json=True, console=page)
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["environments"]] == ["production", "staging"]


def test_lint_says_what_the_file_means(paper: Paper, capsys: pytest.CaptureFixture[str]) -> None:
    page = Page()
    lint(paper.project, as_json=False, console=page)
    assert "pipeline.yaml is good: 6 stages, 7 gates" in page.text
    assert "rollout: 50 100 % within 4.0s; rolls back after 2 failed checks of 1.0s" in page.text
    lint(paper.project, as_json=True, console=page)
    facts = json.loads(capsys.readouterr().out)
    assert (facts["ladder"], facts["rollout_seconds"], len(facts["stages"])) == ("50 100", 4.0, 6)
