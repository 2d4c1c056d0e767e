"""The golden option itself: what differs is shown place by place; nothing is rewritten without a name and a reason."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TEST = "def test_it(golden):\n    golden('sum', {'rows': [1, 2, 4], 'total': 7})\n"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite of one golden test whose approved file says something else."""
    (tmp_path / "golden" / "files").mkdir(parents=True)
    shutil.copy(HERE.parent / "conftest.py", tmp_path / "conftest.py")
    shutil.copy(HERE / "conftest.py", tmp_path / "golden" / "conftest.py")
    (tmp_path / "golden" / "test_it.py").write_text(TEST)
    (tmp_path / "golden" / "files" / "sum.json").write_text(json.dumps({"rows": [1, 2, 3], "total": 6, "gone": True}))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def run(suite: Path, *options: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "golden", *options]
    environment = {**os.environ, "GOLDEN_REPORT": str(suite / "report.json")}
    return subprocess.run(
        command, cwd=suite, env=environment, input=answer, capture_output=True, text=True, check=False, timeout=60
    )


def approved(suite: Path) -> object:
    return json.loads((suite / "golden" / "files" / "sum.json").read_text())


def test_never_shows_each_place_that_differs_and_rewrites_nothing(suite: Path) -> None:
    before = approved(suite)
    done = run(suite)
    assert done.returncode == 1, done.stdout
    told = json.loads((suite / "report.json").read_text())["goldens"]["sum"]
    assert told["result"] == "differs"
    assert "total: 6 became 7" in told["diff"]
    assert "gone: removed true" in told["diff"]
    assert any(line.startswith("rows.2") for line in told["diff"])
    assert "total: 6 became 7" in done.stdout
    assert approved(suite) == before


def test_nobody_updates_without_a_name_and_a_reason(suite: Path) -> None:
    before = approved(suite)
    done = run(suite, "--golden-update=always", "--golden-by=Ada")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--golden-reason" in done.stderr
    assert approved(suite) == before


def test_always_rewrites_and_records_who_and_why_and_the_gate_sees_that_nothing_was_compared(suite: Path) -> None:
    done = run(suite, "--golden-update=always", "--golden-by=Ada", "--golden-reason=a fourth row")
    assert done.returncode == 0, done.stdout
    assert approved(suite) == {"rows": [1, 2, 4], "total": 7}
    entry = json.loads((suite / "golden" / "files" / "approvals.jsonl").read_text())
    assert (entry["by"], entry["reason"], entry["golden"]) == ("Ada", "a fourth row", "sum")
    assert entry["from"] != entry["to"]
    assert json.loads((suite / "report.json").read_text())["goldens"]["sum"]["result"] == "updated"


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1)])
def test_interactive_asks_for_each(suite: Path, answer: str, code: int) -> None:
    options = ("--golden-update=interactive", "--golden-by=Ada", "--golden-reason=new")
    done = run(suite, *options, answer=answer)
    assert done.returncode == code, done.stdout
    assert "total: 6 became 7" in done.stdout
    assert (suite / "golden" / "files" / "approvals.jsonl").exists() is (code == 0)
