"""``approve``, ``reject`` and ``down`` as a person sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.runs.project import load_run
from projects import called
from runs.test_approvals import asking, outcome


@pytest.mark.parametrize(
    ("line", "decision"),
    [(("approve", "--as", "Ada"), "approved"), (("reject", "--as", "Ada", "--reason", "no"), "rejected")],
)
def test_a_decision_names_the_digest_and_what_comes_next(
    line: tuple[str, ...],
    decision: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = asking(tmp_path)
    outcome(told)
    (told.tools.project.root / "pipeline.yaml").touch()
    monkeypatch.chdir(told.tools.project.root)
    monkeypatch.setenv("DAWSOS_HOME", str(told.tools.project.home))
    said = called(monkeypatch, capsys, *line)
    run = told.session.id
    (record,) = load_run(told.tools, run).approvals
    assert said.out == f"{decision} {record.digest[:12]} of run {run} as Ada\nnext     dawsos resume {run}\n"
    assert record.decision == decision


def test_down_names_what_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pipeline.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAWSOS_HOME", raising=False)
    assert called(monkeypatch, capsys, "down").out == "down: nothing was running\n"
    (tmp_path / ".dawsos" / "environments" / "staging").mkdir(parents=True)
    assert called(monkeypatch, capsys, "down", "--purge").out == "down: staging\n"
