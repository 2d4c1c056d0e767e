"""What a release's commands are on this machine, and what they see of it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.model.release import Release
from dawsos.platforms.local.commands import LocalCommands, release_argv


def _release(path: Path) -> Release:
    return Release("d" * 64, path, "c" * 40, 1, "cpython", sys.executable)


def test_python_is_the_releases_interpreter_wherever_the_word_stands(tmp_path: Path) -> None:
    interpreter = _release(tmp_path).interpreter
    assert release_argv("python -m app.serve --name 'a b'", _release(tmp_path)) == (
        interpreter, "-S", "-P", "-m", "app.serve", "--name", "a b",
    )  # fmt: skip
    assert release_argv("env X=1 {python} job.py", _release(tmp_path)) == (
        "env", "X=1", interpreter, "-S", "-P", "job.py",
    )  # fmt: skip
    assert release_argv("pythonic run", _release(tmp_path)) == ("pythonic", "run")


def test_a_release_has_its_own_packages_and_none_of_the_machine_or_the_folder(tmp_path: Path) -> None:
    site, folder = tmp_path / "site", tmp_path / "folder"
    for place, module in ((site, "packed"), (folder, "lying_about")):
        place.mkdir()
        (place / f"{module}.py").write_text("")
    script = "import importlib.util, sys; import packed; print(importlib.util.find_spec('lying_about'), 'site' in sys.modules)"
    argv = (*release_argv("python", _release(tmp_path)), "-c", script)
    done = subprocess.run(argv, cwd=folder, env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["None", "False"], done.stderr


def test_what_is_captured_never_lies_among_the_evidence(tmp_path: Path) -> None:
    """A tool that is killed meanwhile cannot remove it."""
    logs = tmp_path / "logs"
    commands = LocalCommands(_release(tmp_path), tmp_path, {}, ProcessRunner(SystemClock(), Masker()))
    outcome, text = asyncio.run(commands.capture(f"sh -c 'ls -A {logs}; echo hunter22'", logs / "t.log", {}))
    assert (outcome.exit_code, text) == (0, "t.log\nhunter22\n")


def test_what_is_captured_is_gone_from_the_disk_also_when_the_command_fails(tmp_path: Path) -> None:
    commands = LocalCommands(_release(tmp_path), tmp_path, {}, ProcessRunner(SystemClock(), Masker()))
    outcome, text = asyncio.run(commands.capture("sh -c 'echo hunter22; exit 3'", tmp_path / "logs" / "t.log", {}))
    assert (outcome.exit_code, text) == (3, "hunter22\n")
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["t.log"]
    assert (tmp_path / "logs" / "t.log").read_text() == ""
