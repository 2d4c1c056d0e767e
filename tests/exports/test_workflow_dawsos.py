"""DawsOS itself is delivered by its workflow: act carries out the four jobs of a push without GitHub.

The workflow is the committed one but for two options: the profile ``laptop``, because that of production needs contracts with data
providers and takes 35 minutes of canary, and a ``home`` that the test may write.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from dawsos.adapters.http import get
from e2e.clone import Clone, git, until
from support.workflows import ROOT, GitHub, ended, review, signing_key

# The push takes ten to twenty minutes on two cores.
_WITHIN = 2700.0
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(_WITHIN + 600)]

_OPTIONS = 'github_actions: {command: ./dawsos, python: "3.11"'
_WORKFLOW = Path(".github/workflows/deploy.yml")
_JOBS = ("Quality gates", "Build artifacts", "Deploy to staging", "Deploy to production")
_IDS = ("quality-gates", "build-artifacts", "deploy-staging", "deploy-production")
_GATES = ("lint", "unit", "property", "golden", "integration", "security", "chaos")
_STAGES = (*_GATES, "build", "sbom", "staging", "uat", "canary")


@dataclass
class Delivery:
    """The repository, GitHub for it, and the home of production on the runner."""

    clone: Clone
    github: GitHub
    home: Path

    @property
    def artifacts(self) -> Path:
        return self.github.store / "artifacts"

    def push(self) -> None:
        """Let the push of HEAD run, which a reviewer of production approves; every job must pass."""
        shutil.rmtree(self.artifacts, ignore_errors=True)
        said = self.github.act("push", "deploy", [review("ada", "production")])
        assert ended(said) == dict.fromkeys(_JOBS, "succeeded"), said.text[-12000:]

    def asked(self, *arguments: str) -> Any:
        """Ask the home of production, with no more than the public key of the jobs."""
        said = self.clone.dawsos(*arguments, "--json", check=0, DAWSOS_HOME=str(self.home), **self.github.repository)
        return said.json()

    def production(self) -> dict[str, Any]:
        environments: list[dict[str, Any]] = self.asked("status")["environments"]
        assert [one["name"] for one in environments] == ["production"]
        return environments[0]

    def served(self) -> str:
        """Return the commit that production answers with."""
        health: dict[str, Any] = asyncio.run(get(f"{self.production()['url']}/health"))
        return str(health["body"]["version"])

    def runs(self, commit: str) -> list[dict[str, Any]]:
        """Return the runs of the jobs for a commit, in the order of the jobs, as production's journal has them."""
        return [self.asked("show", run["run"]) for run in self.asked("history") if run["commit"] == commit]


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivery]:
    place = tmp_path_factory.mktemp("ci")
    home = place / "home"
    clone = Clone.of_this_repository(place / "dawsos")
    git(clone.path, "checkout", "--quiet", "-B", "main")
    git(clone.path, "remote", "remove", "origin")
    options = f"{_OPTIONS}, profile: laptop, environments: {{production: {{home: {home}}}}}"
    clone.edit("pipeline.yaml", _OPTIONS, options)
    clone.dawsos("export", check=0)
    clone.dawsos("export", "--check", check=0)
    clone.commit("The workflow delivers to one machine")
    # The toolchain is named by its lock, and takes minutes to install: an earlier run has left it in the cache and on the runner.
    kept = (ROOT / ".dawsos" / "toolchains").resolve()
    for folder in (home, place / "cached" / ".dawsos"):
        folder.mkdir(parents=True)
        (folder / "toolchains").symlink_to(kept)
    secret, public = signing_key()
    variables = {"ACT_CACHED": str(place / "cached")}
    github = GitHub(
        clone.path, place, variables, {"DAWSOS_SIGNING_KEY": secret}, {"DAWSOS_TRUSTED_KEYS": public}, _WITHIN
    )
    try:
        yield Delivery(clone, github, home)
    finally:
        clone.dawsos("down", "--purge", DAWSOS_HOME=str(home))
        left = []
        for process in github.processes():
            try:
                left.append(" ".join(process.cmdline()))
                process.kill()
            except psutil.NoSuchProcess:
                continue
    assert left == [], "down left these processes"


def _the_committed_workflow_is_run(delivery: Delivery) -> None:
    committed = (ROOT / _WORKFLOW).read_text()
    expected = committed.replace("--profile production", "--profile laptop")
    expected = expected.replace("/var/lib/dawsos/dawsos-production", str(delivery.home))
    # What the stand-ins of the profile laptop take the place of.
    expected = re.sub(
        r"^ +(\w+_KEY|SMTP_URL|MAIL_FROM): \$\{\{ secrets\.(?!DAWSOS).*\n", "", expected, flags=re.MULTILINE
    )
    assert (delivery.clone.path / _WORKFLOW).read_text() == expected


def test_a_push_goes_to_production(delivery: Delivery) -> None:
    _the_committed_workflow_is_run(delivery)
    _the_push(delivery)
    _what_runs_does_not_need_the_checkout_of_its_job(delivery)
    said = delivery.github.act("schedule", "nightly")
    assert ended(said) == {"Verify production": "succeeded"}, said.text[-6000:]


def _the_push(delivery: Delivery) -> None:
    delivery.push()
    commit = git(delivery.clone.path, "rev-parse", "HEAD").strip()
    assert delivery.served() == commit
    assert sorted(path.name for path in delivery.artifacts.iterdir()) == sorted(
        [f"report-{name}" for name in _IDS] + [f"results-{name}" for name in _IDS[:-1]]
    )
    assert all((delivery.artifacts / f"report-{name}" / "report.html").exists() for name in _IDS)
    assert (delivery.github.store / "sarif" / "dawsos-quality-gates.sarif").exists()

    runs = delivery.runs(commit)
    assert [run["result"] for run in runs] == ["passed"] * 4
    # The job that has a stage carried it out, and every later one restored it.
    for stage in _STAGES:
        states = [run["stages"][stage]["state"] for run in runs if stage in run["stages"]]
        assert states == ["passed"] + ["restored"] * (len(states) - 1), stage
    rollout = runs[3]["rollout"]
    assert (rollout["outcome"], rollout["weight"]) == ("promoted", 100)
    (approval,) = runs[2]["approvals"]
    assert (approval["stage"], approval["name"]) == ("uat", "ada")
    assert "reviewed the environment production" in approval["reason"]
    told = delivery.asked("evidence", "--verify")
    assert told["problems"] == []
    assert {row["stage"] for row in told["statements"]} >= set(_STAGES)


def _what_runs_does_not_need_the_checkout_of_its_job(delivery: Delivery) -> None:
    """The jobs are over and act has removed their checkouts; a replica that dies is replaced all the same."""
    jobs = delivery.github.place / "jobs"
    assert not list(jobs.glob("*/hostexecutor"))
    replicas = {one["name"]: one["pid"] for one in delivery.production()["processes"] if one["address"]}
    name, pid = next(iter(replicas.items()))
    os.kill(pid, signal.SIGKILL)

    def replaced() -> bool:
        (one,) = (one for one in delivery.production()["processes"] if one["name"] == name)
        return one["pid"] not in (0, pid) and one["state"] == "ready"

    until(replaced, 60, f"{name} is replaced")
