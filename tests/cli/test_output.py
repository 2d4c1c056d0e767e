"""JSON for programs, and the project that the person stands in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dawsos.cli.output import here, neutral, print_json
from dawsos.errors import BadInput


def test_json_is_sorted_and_knows_paths(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"b": (1, 2), "a": Path("x/y")})
    out = capsys.readouterr().out
    assert out == json.dumps({"a": "x/y", "b": [1, 2]}, indent=2) + "\n"


def test_the_project_is_found_from_a_folder_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pipeline.yaml").touch()
    (tmp_path / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "src" / "deep")
    monkeypatch.delenv("DAWSOS_HOME", raising=False)
    assert (here().root, here().home) == (tmp_path, tmp_path / ".dawsos")
    (tmp_path / "pipeline.yaml").unlink()
    with pytest.raises(BadInput, match=r"there is no pipeline\.yaml"):
        here()


def test_the_exit_code_is_that_of_the_verb_also_when_the_reader_of_the_json_has_gone() -> None:
    """Else ``dawsos evidence --verify --json | head -1`` with pipefail would end with 0 for a release that does not hold."""
    script = "import sys; from dawsos.cli.output import print_json; print_json('x' * 200_000); sys.exit(1)"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", script], stdout=writer, stderr=subprocess.PIPE, timeout=30, check=False
        )
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n::set-output name=x::1\n", "a\n: :set-output name=x::1\n"), ("  \t::error::x", "  \t: :error::x"),
        ("a\r::error::x", "a\r: :error::x"), ("x ##[set-output name=a]b", "x ## [set-output name=a]b"),
        ("12:00:00  lint  a::b", "12:00:00  lint  a::b"), ("####[a", "#### [a"),
    ],
)  # fmt: skip
def test_no_line_is_a_command_to_the_runner(text: str, shown: str) -> None:
    assert neutral(text) == shown


def test_json_in_a_workflow_is_the_same_json_and_no_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    value = {"a": "##[set-output name=x]1"}
    for inside in ("", "true"):
        monkeypatch.setenv("GITHUB_ACTIONS", inside)
        print_json(value)
        out = capsys.readouterr().out
        assert json.loads(out) == value
        assert ("##[" in out) is not bool(inside)


@pytest.mark.parametrize("words", [("--help",), ("history",), ("history", "--json"), ("lint",)])
def test_an_output_that_cannot_be_written_is_said_in_one_line(words: tuple[str, ...], tmp_path: Path) -> None:
    pipeline = Path(__file__).parents[1] / "pipelines" / "good" / "pipeline.yaml"
    (tmp_path / "pipeline.yaml").write_text(pipeline.read_text())
    (tmp_path / "requirements.txt").touch()
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "dawsos.cli", *words]
        ended = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 3
    assert ended.stderr == "dawsos: cannot write to standard output: No space left on device\n"
