"""The verbs that make a run: what is said at their end."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.cli.console import annotate
from dawsos.cli.running import _end, make_reporters
from dawsos.runs.lifecycle import RunOutcome
from dawsos.runs.project import load
from projects import TinyProject


def test_a_run_ends_with_where_its_report_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = TinyProject("good", tmp_path, monkeypatch, capsys)
    said = good.dawsos("run", "lint")
    assert said.code == 0
    report = good.dawsos("show", "--json").json["report"]
    assert said.out.endswith(f"report   {report}\n")


def test_who_waits_is_told_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert _end(RunOutcome("r1", 75, Path("r.html"), "http://x")) == 75
    assert capsys.readouterr().out.splitlines() == [
        "report   r.html",
        "approve  dawsos approve r1 --as NAME --reason TEXT",
        "then     dawsos resume r1",
    ]


def test_the_address_is_told_only_of_what_was_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert _end(RunOutcome("r1", 0, Path("r.html"), "http://x")) == 0
    assert capsys.readouterr().out.splitlines() == ["report   r.html", "service  http://x"]
    assert _end(RunOutcome("r1", 4, Path("r.html"), "http://x")) == 4
    assert capsys.readouterr().out.splitlines() == ["report   r.html"]


def test_on_github_the_findings_of_a_red_gate_are_annotations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = TinyProject("good", tmp_path, monkeypatch, capsys)
    pipeline = load(good.path)
    for value in ("true", ""):
        monkeypatch.setenv("GITHUB_ACTIONS", value)
        assert make_reporters(pipeline, pipeline.stages)[0]._annotate is (annotate if value else None)  # type: ignore[attr-defined]


def test_a_ci_service_that_shows_a_summary_gets_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = TinyProject("good", tmp_path, monkeypatch, capsys)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert good.dawsos("ship", "lint").code == 0
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith("## ✓ dawsos ship ")
    assert "<code>1 stage</code>: <code>not part of this ship&#58; unit</code>" in text
