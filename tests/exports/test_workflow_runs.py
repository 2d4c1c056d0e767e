"""The exported workflows run: act carries them out without GitHub, on a service that knows nothing of this repository.

The project is what `dawsos init` makes of it, with the examples of docs/pipeline-yaml.md filled in.  The jobs of a push call the
tool of this checkout, which takes no time to install; that of a pull request installs the wheel, as the workflow says.  act stands
in for GitHub: the actions are folders, and who reviewed a run is told by the test.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.http import get
from e2e.clone import git
from support.workflows import ROOT, GitHub, Ran, ended, review, signing_key

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_WITHIN = 600.0
_IDS = ("quality-gates", "build-artifacts", "deploy-staging", "deploy-production")
_JOBS = ("Quality gates", "Build artifacts", "Deploy to staging", "Deploy to production")
_EXPORTS = """\
exports:
  github_actions:
    profile: laptop
    {command}
    environments: {{production: {{home: {home}}}}}
"""
# What a developer could take for an improvement: one answer in three is an error, and no test asks three times.
_ANSWER = "        self.send_response(200 if body else 404)\n"
_FAULT = """\
        Handler.asked = getattr(Handler, "asked", 0) + 1
        failed = self.path == "/items" and Handler.asked % 3 == 0
        self.send_response(500 if failed else 200 if body else 404)
"""


@dataclass
class Shop:
    """The repository, GitHub for it, and the home of production on the runner."""

    path: Path
    github: GitHub
    home: Path
    tool: Path

    def export(self) -> None:
        _done([str(self.tool), "export"], self.path)
        _done([str(self.tool), "export", "--check"], self.path)

    def commit(self, message: str) -> str:
        git(self.path, "add", "--all")
        git(self.path, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-m", message)
        return git(self.path, "rev-parse", "HEAD").strip()

    def commit_of(self, revision: str) -> str:
        return git(self.path, "rev-parse", revision).strip()

    def source(self) -> str:
        return (self.path / "shop" / "__init__.py").read_text()

    def push(self, *, reviewed: bool = True) -> Ran:
        """Let the push of HEAD run, which a reviewer of production approves."""
        shutil.rmtree(self.github.store / "artifacts", ignore_errors=True)
        return self.github.act("push", "deploy", [review("ada", "production")] if reviewed else [])

    def dawsos(self, *arguments: str) -> str:
        """Ask the production of the runner."""
        done = subprocess.run(
            [str(self.tool), *arguments], cwd=self.path, env={**os.environ, "DAWSOS_HOME": str(self.home), "COLUMNS": "200"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_WITHIN, check=False,
        )  # fmt: skip
        return done.stdout

    def serving(self) -> dict[str, Any]:
        """Return what `dawsos status` says of production."""
        shown = json.loads(self.dawsos("status", "--json"))["environments"]
        found: dict[str, Any] = next(one for one in shown if one["name"] == "production")
        return found

    def served(self) -> str:
        """Return the commit that production answers with."""
        health: dict[str, Any] = asyncio.run(get(f"{self.serving()['url']}/health"))
        return str(health["body"]["version"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    place = tmp_path_factory.mktemp("ci")
    path, home, tool = place / "shop", place / "home", place / "dawsos"
    tool.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT / "src"} exec {sys.executable} -m dawsos.cli "$@"\n')
    tool.chmod(0o755)
    shutil.copytree(ROOT / "tests" / "pipelines" / "adopter", path)
    git(place, "init", "--quiet", "--initial-branch=main", str(path))
    locked = re.findall(r"^[\w.-]+==[^\s;]+", (ROOT / "backend" / "requirements-dev.txt").read_text(), re.MULTILINE)
    (place / "constraints.txt").write_text("\n".join(locked))
    _done([str(tool), "init"], path, PIP_CONSTRAINT=str(place / "constraints.txt"))
    pipeline = path / "pipeline.yaml"
    pipeline.write_text(pipeline.read_text() + _EXPORTS.format(home=home, command=f"command: {tool}"))
    secret, public = signing_key()
    github = GitHub(path, place, {}, {"DAWSOS_SIGNING_KEY": secret}, {"DAWSOS_TRUSTED_KEYS": public})
    given = Shop(path, github, home, tool)
    given.export()
    given.commit("The shop, its pipeline and its workflows")
    yield given
    if home.exists():
        given.dawsos("down", "--purge")
    for process in github.processes():
        process.kill()


def _done(argv: list[str], folder: Path = Path("/"), **more: str) -> None:
    done = subprocess.run(
        argv, cwd=folder, env={**os.environ, **more}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_WITHIN,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{argv} ended {done.returncode}:\n{done.stdout}{done.stderr}"


def test_commits_are_rolled_out_and_a_bad_one_is_rolled_back(shop: Shop) -> None:
    """In order: each push finds the production that the one before it left."""
    said = shop.push()
    assert ended(said) == dict.fromkeys(_JOBS, "succeeded"), said.text[-6000:]
    first = shop.commit_of("HEAD")
    assert shop.served() == first
    assert sorted(path.name for path in (shop.github.store / "artifacts").iterdir()) == sorted(
        [f"report-{name}" for name in _IDS] + [f"results-{name}" for name in _IDS[:-1]]
    )
    assert (shop.github.store / "sarif" / "dawsos-quality-gates.sarif").exists()
    # Who reviewed the environment approved what was shown in staging, and staging was carried out once.
    report = json.loads((shop.github.store / "artifacts" / "report-deploy-production" / "summary.json").read_text())
    assert report["result"] == "passed"
    approvals = list(shop.home.glob("runs/*/evidence/staging.approval-1.json"))
    assert approvals
    assert not (shop.home / "environments" / "staging").exists()

    (shop.path / "shop" / "__init__.py").write_text(shop.source().replace('"20"', '"21"'))
    second = shop.commit("Chairs cost more")
    said = shop.push()
    assert ended(said) == dict.fromkeys(_JOBS, "succeeded"), said.text[-6000:]
    assert shop.served() == second

    (shop.path / "shop" / "__init__.py").write_text(shop.source().replace(_ANSWER, _FAULT))
    assert _FAULT in shop.source()
    shop.commit("Items are counted")
    said = shop.push()
    assert ended(said) == {**dict.fromkeys(_JOBS[:-1], "succeeded"), _JOBS[-1]: "failed"}, said.text[-6000:]
    assert "exit status 4" in said.text
    assert shop.served() == second

    said = shop.github.act("workflow_dispatch", "rollback", reason="the price is wrong", to="")
    assert list(ended(said).values()) == ["succeeded"], said.text[-6000:]
    assert shop.served() == first

    said = shop.github.act("schedule", "nightly")
    assert list(ended(said).values()) == ["succeeded"], said.text[-6000:]


def test_without_a_reviewer_nothing_goes_to_production(shop: Shop) -> None:
    before = shop.served() if shop.home.exists() else ""
    (shop.path / "README.md").write_text("The shop\n")
    shop.commit("The shop has a name")
    said = shop.push(reviewed=False)
    assert ended(said) == {**dict.fromkeys(_JOBS[:-1], "succeeded"), _JOBS[-1]: "failed"}, said.text[-6000:]
    assert "nobody reviewed the environment production" in said.text
    assert not before or shop.served() == before


def test_a_pull_request_is_judged_by_the_installed_package_and_deploys_nothing(shop: Shop, tmp_path: Path) -> None:
    _done([sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), str(ROOT)])
    pipeline = shop.path / "pipeline.yaml"
    pipeline.write_text(pipeline.read_text().replace(f"    command: {shop.tool}\n", ""))
    shop.export()
    shop.commit("dawsos is installed")
    github = replace(shop.github, variables={"PIP_FIND_LINKS": str(tmp_path)})
    said = github.act("pull_request", "pull-request")
    assert ended(said) == {"Quality gates": "succeeded"}, said.text[-6000:]
    assert (shop.github.store / "artifacts" / "report-pull-request" / "report.html").exists()
