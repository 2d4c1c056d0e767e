"""The verbs that make a run: what is said at their end."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import dawsos
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
    assert _end(RunOutcome("r1", 130, Path("r.html"), "http://x")) == 130
    assert capsys.readouterr().out.splitlines() == ["report   r.html", "resume   dawsos resume r1"]


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


@pytest.fixture
def good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> TinyProject:
    return TinyProject("good", tmp_path, monkeypatch, capsys)


def in_shell(good: TinyProject, script: str) -> subprocess.CompletedProcess[str]:
    """Return what a shell says that calls the command line as ``dawsos``."""
    source = str(Path(dawsos.__file__).parents[1])
    call = f'dawsos() {{ PYTHONPATH={source} {sys.executable} -m dawsos.cli "$@"; }}\n'
    return subprocess.run(["bash", "-c", call + script], cwd=good.path, capture_output=True, text=True, check=False)


def test_a_full_disk_behind_the_output_does_not_change_what_a_run_did(good: TinyProject) -> None:
    ended = in_shell(good, "dawsos run > /dev/full")
    assert ended.stderr == "dawsos: cannot write to standard output: No space left on device\n"
    assert ended.returncode == 0
    assert good.dawsos("history", "--json").json[0]["result"] == "passed"
    assert in_shell(good, "dawsos run lint >&-").returncode == 0


@pytest.mark.parametrize("blocks", [0, 1, 8, 40, 60, 72])
def test_a_limit_on_files_is_one_clear_message(blocks: int, good: TinyProject) -> None:
    """Wherever it hits: before the journal, at its beginning, in the middle of a stage."""
    ended = in_shell(good, f"ulimit -f {blocks}; dawsos run")
    assert ended.returncode == 3
    assert "(ulimit -f)" in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout
    assert "defect" not in ended.stderr
    assert [line[:8] for line in ended.stderr.splitlines()].count("dawsos: ") == 1
    assert "running" not in ended.stdout


def can_mount() -> bool:
    mounting = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return os.geteuid() == 0 and subprocess.run(mounting, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="only root may mount a small disk")
def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(good: TinyProject) -> None:
    path = good.path / "pipeline.yaml"
    path.write_text(path.read_text().replace("sh -n test.sh", "'head -c 9000000 /dev/zero > $ARTIFACTS/big'"))
    good.commit("fill it")
    script = """
    mkdir .dawsos
    mount -t tmpfs -o size=3m none .dawsos
    dawsos run; echo "code $?"
    dawsos history
    mount -o remount,size=60m .dawsos
    dawsos resume; echo "code $?"
    """
    mounted = f"unshare --mount bash -c {shlex.quote(script)}"
    ended = in_shell(good, f"export -f dawsos; {mounted}")
    assert "disk is full" in ended.stderr
    assert "dawsos resume" in ended.stderr
    assert "defect" not in ended.stderr
    assert "Traceback" not in ended.stderr
    first, _, rest = ended.stdout.partition("code 3\n")
    assert "result   stopped" in first
    assert "Stopped by the disk is full" in first.replace("the journal refused an event: ", "")
    history, _, resumed = rest.partition("resumed run")
    assert "stopped" in history
    assert "unit         passed" in resumed
    assert resumed.endswith("code 0\n")
