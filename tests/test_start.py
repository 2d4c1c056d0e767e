"""The script ``dawsos`` of the checkout: which interpreter it hands over to, with which words and environment."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


class HandedOver(Exception):
    """In the place of the process that would have been replaced."""


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that starts the script with its words and answers (program, words, environment)."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a script without an ending leaves no cache beside it
    loader = SourceFileLoader("dawsos_script", str(ROOT / "dawsos"))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    script = module_from_spec(spec)
    loader.exec_module(script)
    found: list[Any] = []

    def replaced(program: Path, words: list[str], environment: dict[str, str]) -> None:
        found[:] = [program, words, environment]
        raise HandedOver

    monkeypatch.setattr(script.os, "execve", replaced)
    monkeypatch.setattr(script, "environment", lambda lock, _home: tmp_path / lock.stem)

    def started(*words: str) -> tuple[Path, list[str], dict[str, str]]:
        monkeypatch.setattr(sys, "argv", ["dawsos", *words])
        with pytest.raises(HandedOver):
            script.main()
        return found[0], found[1][1:], found[2]

    return started


def test_a_command_goes_to_the_tool_and_a_test_to_the_checks(start: Any, tmp_path: Path) -> None:
    program, words, _ = start("ship", "--profile", "laptop")
    assert (program, words) == (
        tmp_path / "tool" / "bin" / "python",
        ["-I", "-m", "dawsos.cli", "ship", "--profile", "laptop"],
    )
    program, words, _ = start("test", "unit")
    assert (program, words) == (tmp_path / "dev" / "bin" / "python", [str(ROOT / "scripts" / "check.py"), "unit"])


def test_what_is_compiled_once_is_kept_also_where_an_image_forbids_it(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("DAWSOS_PROFILE", "laptop")
    environment = start("status")[2]
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert environment == {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@pytest.mark.parametrize(
    "named", [False, True], ids=["in the folder of the script", "in a folder that the caller names"]
)
def test_a_module_that_lies_there_is_not_loaded(named: bool, tmp_path: Path) -> None:
    """A ``json.py`` beside it would run with the rights of whoever asks for help."""
    (tmp_path / "dawsos").write_text((ROOT / "dawsos").read_text())
    hostile = tmp_path / "modules" if named else tmp_path
    hostile.mkdir(exist_ok=True)
    for name in ("json", "fcntl", "hashlib", "subprocess", "shutil", "pathlib"):
        (hostile / f"{name}.py").write_text("import os\nos.write(2, b'STRANGER')\nos._exit(9)\n")
    environment = {"PATH": os.environ["PATH"], "DAWSOS_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-S", str(tmp_path / "dawsos"), "--help"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=environment | ({"PYTHONPATH": str(hostile)} if named else {}),
    )  # fmt: skip
    assert "STRANGER" not in done.stderr
    # All is imported; then there is no lock.
    assert "requirements/tool.txt" in done.stderr
