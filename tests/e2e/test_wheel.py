"""The package in a fresh environment takes a service to production in a repository that has nothing of ours.

The checkout is on no path there: not in the environment, not in the working folder, not in a variable.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from dawsos.adapters.http import get
from e2e.clone import ROOT, Clone, Said, git

pytestmark = pytest.mark.e2e

_SOURCE = ROOT / "src" / "dawsos"
_WITHIN = 300.0


@dataclass
class Adopter:
    """A repository of somebody else's, and the environment into which they installed the wheel."""

    path: Path
    environment: Path
    login: dict[str, str]

    def run(self, program: str, *arguments: str, **more: str) -> Said:
        """Run a program of the environment in the repository as a new login of a person would."""
        done = subprocess.run(
            [str(self.environment / "bin" / program), *arguments], cwd=self.path, env={**self.login, "COLUMNS": "200", **more},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_WITHIN, check=False,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr)

    def dawsos(self, *arguments: str, **more: str) -> Said:
        """Run the installed command; it must end with 0."""
        said = self.run("dawsos", *arguments, **more)
        assert said.code == 0, f"dawsos {' '.join(arguments)} ended {said.code}:\n{said.text}"
        return said

    def processes(self) -> list[psutil.Process]:
        """Return every live process of the repository."""
        return Clone(self.path).processes()

    def commit(self, message: str) -> None:
        git(self.path, "add", "--all")
        git(self.path, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-m", message)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as `python -m build` does: from the source archive, so that this is whole as well."""
    out = tmp_path_factory.mktemp("dist")
    _done([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)], {**os.environ})
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def adopter(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adopter]:
    folder = tmp_path_factory.mktemp("adopter")
    environment, path = folder / "environment", folder / "shop"
    person = _login()
    python = str(environment / "bin" / "python")
    _done([getattr(sys, "_base_executable", sys.executable), "-m", "venv", str(environment)], person)
    install = [python, "-m", "pip", "install", "--quiet", "--no-input", "--no-compile", "--no-deps"]
    _done([*install, "--require-hashes", "-r", str(ROOT / "requirements" / "tool.txt")], person)
    _done([*install, str(wheel)], person)
    # The lock is complete for what the wheel says that it needs.
    _done([python, "-m", "pip", "check"], person)
    shutil.copytree(ROOT / "tests" / "pipelines" / "adopter", path)
    git(path.parent, "init", "--quiet", "--initial-branch=main", str(path))
    made = Adopter(path, environment, person)
    made.commit("the shop")
    yield made
    made.run("dawsos", "down", "--purge")
    for process in made.processes():
        process.kill()


def test_the_wheel_has_every_file_that_lies_with_the_source(wheel: Path) -> None:
    ours = {path.relative_to(_SOURCE.parent).as_posix() for path in _SOURCE.rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == {name for name in ours if not name.endswith(".pyc")}


def test_an_installed_dawsos_takes_a_service_to_production(adopter: Adopter) -> None:
    imported = adopter.run("python", "-c", "import dawsos; print(dawsos.__file__)").out.strip()
    assert Path(imported).is_relative_to(adopter.environment / "lib")

    said = adopter.dawsos("init", **_constraints(adopter.environment))
    assert "written   pipeline.yaml, dawsos-tools.txt, dawsos-project.txt, dawsos-service.txt" in said.out
    # The tests were collected, and the shop was started and asked, before anything was written.
    assert "collected 1 tests" in said.out
    assert "health    /health: status healthy" in said.out
    adopter.dawsos("lint")
    adopter.commit("the pipeline that dawsos init wrote")
    adopter.dawsos("run")
    said = adopter.dawsos("ship", "--approve-as", "Ada", "--reason", "the shop opens")
    found = re.search(r"^service +(http://\S+)$", said.out, re.MULTILINE)
    assert found, said.text
    commit = git(adopter.path, "rev-parse", "HEAD").strip()
    assert asyncio.run(get(f"{found[1]}/health"))["body"] == {"status": "healthy", "version": commit}
    report = re.search(r"^report +(/.*report\.html)$", said.out, re.MULTILINE)
    assert report, said.text
    assert commit[:7] in Path(report[1]).read_text()

    production = next(
        one for one in adopter.run("dawsos", "status", "--json").json()["environments"] if one["name"] == "production"
    )
    assert (production["url"], "canary" in production["roles"]) == (found[1], False)
    _nothing_of_the_checkout(adopter.processes())

    adopter.dawsos("down", "--purge")
    assert [process.cmdline() for process in adopter.processes()] == []


def _login() -> dict[str, str]:
    """Return the variables of a person who has git and a Python; with the caller's way to the package registry, and nothing else."""
    proxies = ("http_proxy", "https_proxy", "no_proxy")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PIP_", "SSL_")) or name.lower() in proxies or name == "HOME"
    }
    return {**kept, "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}


def _constraints(folder: Path) -> dict[str, str]:
    """Return the variable by which pip resolves to what the service's gates have: the newest ruff of the day is not what is
    tested here."""
    locked = (ROOT / "backend" / "requirements-dev.txt").read_text()
    path = folder / "constraints.txt"
    path.write_text("\n".join(re.findall(r"^[\w.-]+==[^\s;]+", locked, re.MULTILINE)))
    return {"PIP_CONSTRAINT": str(path)}


def _done(argv: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        argv, cwd="/", env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_WITHIN, check=False
    )  # fmt: skip
    assert done.returncode == 0, f"{argv} ended {done.returncode}:\n{done.stdout}{done.stderr}"


def _nothing_of_the_checkout(processes: list[psutil.Process]) -> None:
    assert processes
    for process in processes:
        words = [*process.cmdline(), process.cwd(), *process.environ().values()]
        assert not any(str(ROOT) in word for word in words), process
