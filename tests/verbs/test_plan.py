"""``plan``: what would run, what would be restored, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.runs.project import find_project
from dawsos.verbs.plan import plan
from projects import TinyProject


@pytest.fixture
def good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> TinyProject:
    return TinyProject("good", tmp_path, monkeypatch, capsys)


def actions(good: TinyProject, *wanted: str) -> list[tuple[str, str, str]]:
    return [(one.stage, one.action, one.reason) for one in plan(find_project(good.path), wanted).stages]


def test_what_never_passed_would_run(good: TinyProject) -> None:
    assert actions(good) == [("lint", "run", "never passed here"), ("unit", "run", "never passed here")]
    assert actions(good, "lint") == [("lint", "run", "never passed here")]


def test_what_passed_would_be_restored_until_an_input_changes(good: TinyProject) -> None:
    assert good.dawsos("run").code == 0
    run = good.dawsos("show", "--json").json["id"]
    unchanged = f"unchanged since run {run}"
    assert actions(good) == [("lint", "restore", unchanged), ("unit", "restore", unchanged)]
    text = (good.path / "pipeline.yaml").read_text()
    (good.path / "pipeline.yaml").write_text(text.replace("GREETING: hello", "GREETING: goodbye"))
    assert actions(good) == [("lint", "restore", unchanged), ("unit", "run", "1 input changed")]
    (changed,) = plan(find_project(good.path), ("unit",)).stages[1].changes
    assert changed == "changed  env GREETING"
