"""What a release's commands are on this machine, and what they see of it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.model.release import Release
from dawsos.platforms.local.commands import LocalCommands, app_of, lay_out, release_argv, shell_line


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


def test_python_is_the_releases_interpreter_for_a_shell_too(tmp_path: Path) -> None:
    """A service of foreign make was started by a shell, which found no python."""
    python = f"{_release(tmp_path).interpreter} -S -P"
    for command, line in (
        ("python -m uvicorn shop:app --port $PORT", f"exec {python} -m uvicorn shop:app --port $PORT"),
        ("cd x && {python} job.py", f"cd x && {python} job.py"),
        ("./python run pythonic", "exec ./python run pythonic"),
    ):
        found = release_argv(command, _release(tmp_path), shell=True)  # noqa: S604 - a key of pipeline.yaml
        assert found == ("/bin/sh", "-euc", line)


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


def _folder(path: Path) -> Release:
    (path / "app").mkdir(parents=True)
    (path / "app" / "greeting").write_text("hello\n")
    return Release("d" * 64, path, "c" * 40, 1, "", "", is_folder=True)


def test_a_built_folder_has_no_interpreter_and_no_shell_unless_it_says_so(tmp_path: Path) -> None:
    release = _folder(tmp_path)
    assert release_argv("node server.js $PORT", release) == ("node", "server.js", "$PORT")
    assert release_argv("python serve.py", release) == ("python", "serve.py")
    assert release_argv("node server.js $PORT", release, shell=True) == (  # noqa: S604 - a key of pipeline.yaml
        "/bin/sh", "-euc", "exec node server.js $PORT",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("java -jar shop.jar --port=$PORT > log", "exec java -jar shop.jar --port=$PORT > log"),
        ("cd app && ./shop", "cd app && ./shop"),
        ("exec ./shop", "exec ./shop"),
        ("X=1 ./shop", "X=1 ./shop"),
        ("while true; do ./shop; done", "while true; do ./shop; done"),
        ("./shop\n./other", "./shop\n./other"),
        ("", ""),
    ],
)
def test_a_shell_becomes_the_program_when_there_is_only_one(command: str, line: str) -> None:
    assert shell_line(command) == line


def test_a_command_of_a_built_folder_runs_in_a_copy_of_it(tmp_path: Path) -> None:
    """What it writes is gone, or stays with the deployment; the release is as it was built."""
    release, environment = _folder(tmp_path / "release"), tmp_path / "environment"
    environment.mkdir()
    commands = LocalCommands(release, environment, {}, ProcessRunner(SystemClock(), Masker()), "first")
    outcome, text = asyncio.run(commands.capture("sh -c 'cat greeting; echo x > written; ls'", tmp_path / "t.log", {}))
    assert (outcome.exit_code, text.split()) == (0, ["hello", "greeting", "written"])
    assert list(environment.iterdir()) == []
    lay_out(release, app_of(environment, "first"))
    asyncio.run(commands.run("sh -c 'echo x > written'", tmp_path / "t.log", {}))
    assert sorted(path.name for path in app_of(environment, "first").iterdir()) == ["greeting", "written"]
    assert [path.name for path in release.app.iterdir()] == ["greeting"]


def test_a_folder_with_packages_has_both_on_its_module_path(tmp_path: Path) -> None:
    release = replace(_folder(tmp_path / "release"), python="cpython", interpreter=sys.executable)
    for place, module in ((release.site, "packed"), (release.app, "mine")):
        place.mkdir(exist_ok=True)
        (place / f"{module}.py").write_text(f"name = {module!r}\n")
    commands = LocalCommands(release, tmp_path, {}, ProcessRunner(SystemClock(), Masker()))
    told = "python -c 'import mine, packed; print(mine.name, packed.name)'"
    assert asyncio.run(commands.capture(told, tmp_path / "t.log", {}))[1] == "mine packed\n"
