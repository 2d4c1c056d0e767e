"""Other people's Python projects are adopted: source archives from the package registry, and the locks of each tool that makes some.

Marked slow: it needs the package registry and takes about a minute for each row; docs/testing.md has the command.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dawsos.adapters import toolchain
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.adoption import exporting
from dawsos.adoption.exporting import export
from dawsos.adoption.locks import EXPORTERS
from dawsos.adoption.python_facts import Lock, LockName
from dawsos.errors import BadInput
from e2e.clone import ROOT, git

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

_TOOLCHAINS = ROOT / ".dawsos" / "toolchains"
_PEP621 = '[project]\nname = "shop"\nversion = "1.0"\nrequires-python = ">=3.11"\ndependencies = ["{run}"]\n'
_POETRY = (
    '[tool.poetry]\nname = "shop"\nversion = "1.0"\ndescription = ""\nauthors = []\n'
    '[tool.poetry.dependencies]\npython = "^3.11"\n{run} = "*"\n[tool.poetry.group.dev.dependencies]\niniconfig = "*"\n'
)
# Format -> the project's file with a place for what it runs with, and the command that locks it.
LOCKS: dict[LockName, tuple[str, str, tuple[str, ...]]] = {
    "uv": ("pyproject.toml", f'{_PEP621}[dependency-groups]\ndev = ["iniconfig"]\n', ("uv", "lock")),
    "poetry": ("pyproject.toml", _POETRY, ("poetry", "--no-interaction", "lock")),
    "pdm": ("pyproject.toml", f'{_PEP621}[tool.pdm.dev-dependencies]\ndev = ["iniconfig"]\n', ("pdm", "lock")),
    "pipenv": ("Pipfile", '[packages]\n{run} = "*"\n[dev-packages]\niniconfig = "*"\n', ("pipenv", "lock")),
}
_FILES = {"uv": "uv.lock", "poetry": "poetry.lock", "pdm": "pdm.lock", "pipenv": "Pipfile.lock"}


@pytest.mark.parametrize("form", LOCKS)
def test_the_lock_of_each_tool_is_read_and_a_stale_one_is_refused(form: LockName, tmp_path: Path) -> None:
    name, text, command = LOCKS[form]
    (tmp_path / name).write_text(text.format(run="click"))
    locked = asyncio.run(_locked(form, tmp_path, command))
    lock = Lock(form, _FILES[form], ("dev",))
    names = {pin.name for pin in asyncio.run(export(tmp_path, lock, _TOOLCHAINS))}
    assert {"click", "iniconfig"} <= names
    assert "iniconfig" not in {pin.name for pin in asyncio.run(export(tmp_path, lock, _TOOLCHAINS, tests=False))}
    # What the tool made beside the lock when it locked is its own; reading the lock leaves nothing.
    assert {path.name for path in tmp_path.iterdir()} == locked
    (tmp_path / name).write_text(text.format(run="packaging"))
    with pytest.raises(BadInput, match="does not fit the project any more"):
        asyncio.run(export(tmp_path, lock, _TOOLCHAINS))


async def _locked(form: LockName, folder: Path, command: tuple[str, ...]) -> set[str]:
    """Let the tool lock the project, and return what lies there then."""
    runner = ProcessRunner(SystemClock(), Masker())
    tools = await toolchain.ensure(exporting.TOOLS / f"{form}.txt", _TOOLCHAINS, runner)
    home = folder.parent / f"{folder.name}-home"
    variables = {**toolchain.tool_environment(folder), "HOME": str(home), "PDM_CHECK_UPDATE": "0"}
    variables["PATH"] = f"{tools / 'bin'}:{variables['PATH']}"
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=folder, env=variables, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert EXPORTERS[form].mend in " ".join(command).replace("--no-interaction ", "")
    return {path.name for path in folder.iterdir()}


# (project, version, SHA-256 of its source archive, options of init, exit code of the run that follows, why that one)
PROJECTS: list[tuple[str, str, str, tuple[str, ...], int, str]] = [
    ("itsdangerous", "2.2.0", "e0050c0b7da1eea53ffaf149c0cfbb5c6e2e2b69c4bef22c81fa6eb73e5f6173", (), 1, "unused-ignore"),
    ("itsdangerous", "2.2.0", "e0050c0b7da1eea53ffaf149c0cfbb5c6e2e2b69c4bef22c81fa6eb73e5f6173", ("--baseline",), 0, ""),
    ("cleo", "2.1.0", "0b2c880b5d13660a7ea651001fb4acb527696c01f15c9ee650f377aa543fd523", ("--baseline",), 0, ""),
    ("cachetools", "8.0.2", "30ac523adfc118b51d2b2e7bad8a0ddb31370dfe2700c7f10ca224f36ccf81e0", (), 0, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "version", "digest", "options", "code", "why"),
    PROJECTS,
    ids=[" ".join((row[0], *row[3])) for row in PROJECTS],
)
def test_a_published_project_is_adopted_and_run(
    name: str, version: str, digest: str, options: tuple[str, ...], code: int, why: str, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text(f"{name}=={version} --hash=sha256:{digest}\n")
    argv = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-binary",
        name,
        "--require-hashes",
        "-r",
        "list.txt",
    ]
    subprocess.run(argv, cwd=tmp_path, check=True, timeout=600)
    (archive,) = tmp_path.glob("*.tar.gz")
    project = tmp_path / "project"
    project.mkdir()
    subprocess.run(
        ["tar", "-xzf", str(archive), "--strip-components=1", "--no-same-owner", "-C", str(project)], check=True
    )
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(project))
    _commit(project, "as it was published")
    (project / ".dawsos").mkdir()
    (project / ".dawsos" / "toolchains").symlink_to(_TOOLCHAINS)
    said = _dawsos(project, "init", *options)
    assert said.returncode == 0, said.stdout + said.stderr
    written = git(project, "status", "--porcelain", "--untracked-files=all").splitlines()
    assert {line[3:] for line in written} <= {
        "pipeline.yaml", "dawsos-tools.txt", "dawsos-project.txt", "dawsos-waivers.yaml", "dawsos-quarantine.yaml",
    }  # fmt: skip
    _commit(project, "adopted")
    ran = _dawsos(project, "run")
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert why in ran.stdout
    assert git(project, "status", "--porcelain") == ""


def _commit(project: Path, message: str) -> None:
    git(project, "add", "--all")
    git(project, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-m", message)


def _dawsos(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "dawsos.cli", *arguments], cwd=project, env=variables, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
