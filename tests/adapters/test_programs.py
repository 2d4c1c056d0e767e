"""Programs of the machine: the one that whoever ships would start is the one that is used, and its version is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.adapters import programs
from dawsos.errors import InfrastructureError


def script(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_first_on_path_is_found_and_its_folder_comes_first(tmp_path: Path) -> None:
    mine = script(tmp_path / "bin", "sh", "echo mine")
    environ = {"PATH": f"{tmp_path / 'empty'}:{tmp_path / 'bin'}:/usr/bin"}
    assert programs.find("sh", environ) == mine
    assert programs.folders(("sh", "sh"), environ) == (str(tmp_path / "bin"),)


def test_what_everybody_has_needs_no_folder(tmp_path: Path) -> None:
    assert programs.folders(("sh",), {"PATH": ""}) == ()
    assert programs.missing(("sh",), {}) == ()


def test_a_relative_folder_on_path_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "bin", "frobnicate", "true")
    monkeypatch.chdir(tmp_path)
    assert programs.missing(("frobnicate",), {"PATH": "bin:."}) == ("frobnicate",)
    with pytest.raises(InfrastructureError, match="no program frobnicate on PATH"):
        programs.folders(("frobnicate",), {"PATH": "bin:."})


def test_the_version_is_what_the_program_says_first(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path / "bin")}
    script(tmp_path / "bin", "tool", r'test "$1" = --version && printf "\033[1mTool 3.2\033[m\nHome: /somewhere\n"')
    assert programs.version("tool", environ) == "Tool 3.2"
    script(tmp_path / "bin", "go", 'test "$1" = version && echo go version go1.26')
    assert programs.version("go", environ) == "go version go1.26"
    assert programs.version("nothing", environ) == ""


def test_a_program_without_a_version_is_told_from_another_by_its_content(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path / "bin")}
    script(tmp_path / "bin", "mute", "exit 2")
    first = programs.version("mute", environ)
    assert first.startswith("sha256 ")
    script(tmp_path / "bin", "mute", "exit 2 # another")
    assert programs.version("mute", environ) != first


def test_a_program_of_another_version_is_asked_again(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path / "bin")}
    for said in ("1", "22"):
        script(tmp_path / "bin", "tool", f"echo {said}")
        assert programs.version("tool", environ) == said
