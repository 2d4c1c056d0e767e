"""Secrets of the caller: the program that is started with them, and what another process can see of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dawsos import cli
from dawsos.cli import hidden_environment
from dawsos.cli.hidden_environment import has_secrets, hide, is_plain
from projects import TinyProject

SECRETS = {
    "NPM_TOKEN": "npm-word-1", "DATABASE_URL": "postgres://app" + ":db-word-2@localhost/app",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "oidc-word-3", "UNDECLARED": "plain-word-4",
}  # fmt: skip
# A step that looks for words of the caller in its own process and in every one above it.
SPY = """
import os, pathlib
words = ("npm-word-1", "db-word-2", "oidc-word-3", "plain-word-4")
pid, seen, programs = os.getpid(), b"", []
while pid > 1:
    seen += pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    programs.append(pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode())
    pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
print(any("dawsos.cli" in program for program in programs), [word for word in words if word.encode() in seen])
"""


@pytest.fixture
def good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> TinyProject:
    return TinyProject("good", tmp_path, monkeypatch, capsys)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc here")
def test_a_module_in_the_folder_that_it_is_called_in_is_not_loaded(tmp_path: Path) -> None:
    """The command of an installed package does not look there, and neither does the program that it starts again."""
    for name in ("json", "ctypes"):
        (tmp_path / f"{name}.py").write_text("import os\nos.write(2, b'STRANGER')\nos._exit(9)\n")
    command = "import sys; sys.path.remove(''); from dawsos.cli.__main__ import start; sys.argv = ['dawsos', '--help']; start()"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], **SECRETS, "PYTHONPATH": str(Path(cli.__file__).parents[2])},
    )  # fmt: skip
    assert (done.returncode, "STRANGER" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("safe_path", [["-P"], []])
def test_a_step_finds_no_secret_of_the_caller_in_the_processes_above_it(
    safe_path: list[str], good: TinyProject
) -> None:
    told = good.path.parent / "told"
    pipeline = good.path / "pipeline.yaml"
    pipeline.write_text(pipeline.read_text().replace("sh -n test.sh", f"{sys.executable} -I spy.py > {told}"))
    (good.path / "spy.py").write_text(SPY)
    good.commit("a spy")
    kept = {name: os.environ[name] for name in ("PATH", "HOME")}
    done = subprocess.run(
        [sys.executable, *safe_path, "-m", "dawsos.cli", "run", "lint"], cwd=good.path, capture_output=True, text=True,
        check=False, env={**kept, **SECRETS, "PYTHONPATH": str(Path(cli.__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert told.read_text() == "True []\n"


def test_the_program_is_started_again_as_it_was_and_the_variables_are_there_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda _path, argv, env: started.append((argv, env)))
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in {**SECRETS, "PATH": "/bin"}.items():
        monkeypatch.setenv(name, value)
    hide(["ship", "--profile", "laptop"])
    ((argv, shown),) = started
    assert argv == [sys.executable, "-P", "-m", "dawsos.cli", "ship", "--profile", "laptop"]
    (handed,) = shown.keys() - {"PATH"}
    for name in SECRETS:
        monkeypatch.delenv(name)
    monkeypatch.setenv(handed, shown[handed])
    monkeypatch.setattr(hidden_environment, "_close_to_others", lambda: None)
    hide([])
    assert dict(os.environ) == {**SECRETS, "PATH": "/bin"}
    assert len(started) == 1


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"PATH": "/bin", "EDITOR": "vi", "BASE_URL": "http://localhost"}, False),
        ({"NPM_TOKEN": "a"}, True),
        ({"PROXY": "http://me" + ":word@proxy"}, True),
        ({"SIGSTORE_ID_TOKEN": "a"}, True),
        ({"DAWSOS_SIGNING_KEY": "a"}, True),
    ],
)
def test_only_a_caller_with_secrets_pays_for_hiding_them(variables: dict[str, str], expected: bool) -> None:
    assert has_secrets(variables) is expected


def test_what_is_shown_names_no_secret() -> None:
    assert is_plain("PATH")
    assert is_plain("LC_ALL")
    assert not is_plain("PATH_TOKEN")
    assert not is_plain("NPM_TOKEN")
