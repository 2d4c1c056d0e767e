"""The verbs of ``dawsos results``: what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from projects import TinyProject


def test_both_say_which_stages_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good, file = TinyProject("good", tmp_path, monkeypatch, capsys), tmp_path / "results.tgz"
    assert good.dawsos("ship").code == 0
    said = good.dawsos("results", "save", str(file))
    assert said.out.startswith("saved    2 results (lint, unit) of commit ")
    assert f"file     {file}, " in said.out
    assert good.dawsos("results", "save", str(file), "--json").json["bytes"] == file.stat().st_size
    said = good.dawsos("results", "load", str(file), str(file))
    assert said.out.count("loaded   2 results (lint, unit) of commit ") == 2
    assert said.out.count("2 of them were here already") == 2


@pytest.mark.parametrize("verb", ["save", "load"])
def test_a_file_must_be_named(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = TinyProject("good", tmp_path, monkeypatch, capsys).dawsos("results", verb)
    assert (said.code, "FILE" in said.err or "arguments are required" in said.err) == (2, True)
