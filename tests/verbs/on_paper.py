"""The verbs on paper: each opens the project with the clock and the environments of a ``Paper``."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dawsos.actions import ACTIONS, verification
from dawsos.adapters import git
from dawsos.adapters.files import write_json
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.model.events import ReleaseBuilt
from dawsos.model.pipeline import Pipeline, Stage
from dawsos.model.release import Release
from dawsos.model.status import StageState
from dawsos.rollout.lifecycle import begin
from dawsos.runs.context import RunContext
from dawsos.runs.journal import Journal
from dawsos.runs.lifecycle import RunOutcome
from dawsos.runs.project import Tools, find_project, load_run, open_tools
from dawsos.runs.recorder import Session
from dawsos.verbs import down, drill, execution, plan, resume, rollback, verify
from dawsos.verbs.execution import Options
from projects import TinyProject
from support.facts import fact
from support.memory_platform import MemoryEnvironment
from support.paper import ROLLOUT, Paper
from support.world import Silent, pipeline_of

# What opens the project by itself.
VERBS: tuple[ModuleType, ...] = (down, drill, execution, plan, resume, rollback, verify)
IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
APPROVED = Options(profile="production", approve_as="Ada", reason="seen")
# A rollout stage and an environment that are not called canary and production; every stage but the build really runs.
PIPELINE = f"""
version: 2
name: tiny
slo: {{error_rate: 1%, warm_p95: 1s, cold_p95: 2s}}
service: {{project: ., requirements: requirements.txt, command: python -m http.server}}
environments: {{live: {{replicas: 1}}}}
stages:
  - {{id: lint, inputs: ["*.sh"], steps: [{{run: "true"}}], gates: [exit_status]}}
  - {{id: chaos, needs: [lint], hotfix_skips: true, inputs: ["*.sh"], steps: [{{run: "true"}}], gates: [exit_status]}}
  - {{id: build, needs: [chaos], uses: release, inputs: ["*.txt"], gates: [exit_status]}}
  - id: uat
    needs: [build]
    steps: [{{run: "true"}}]
    gates: [exit_status]
    approval: {{role: product owner, expires: 1h}}
  - {{id: release-it, needs: [uat], uses: rollout, environment: live, gates: [rollout]}}
{ROLLOUT}"""


def silent(pipeline: Pipeline, stages: Sequence[Stage]) -> Sequence[Silent]:
    """Make the reporters of a run that nobody watches."""
    return [Silent()]


def given_to_verbs(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> Paper:
    """Let every verb open the project with the tools of ``paper``, and return it."""
    for verb in VERBS:
        monkeypatch.setattr(verb, "open_tools", lambda project: paper.tools)
    return paper


def finished(paper: Paper, ended: RunOutcome) -> tuple[int, str, str]:
    """Return the exit code of a run that has an end, its result and the reason."""
    run = load_run(paper.tools, ended.run)
    assert run.exit_code == ended.exit_code
    assert ended.report.exists()
    return ended.exit_code, run.result, run.reason


def shipped(paper: Paper, release: Release, run: str) -> Session:
    """Tell a ship that brought ``release`` to 100 %."""
    session = paper.session(run, commit=release.commit)
    paper.built(session, release)
    session.record(fact("run_finished", result="passed", exit_code=0, reason=""))
    return session


def under_way(paper: Paper, command: str = "ship", run: str = "20260301-120000-c0ffee0-aa") -> Session:
    """Tell a rollout that has begun and has no end; the release that serves is called ``old``."""
    release = paper.release("2")
    paper.serve(paper.release("1"))
    session = paper.session(run, command=command)
    paper.built(session, release)
    context = paper.rollout(session, release)
    context.logs.mkdir(parents=True, exist_ok=True)
    asyncio.run(begin(context, session.id, drill="errors=5%" if command == "drill" else ""))
    return session


def committed(paper: Paper, message: str = "more") -> git.Commit:
    """Commit everything in the project, which becomes a repository, and return the commit."""
    root = paper.project.root
    if not (root / ".git").exists():
        subprocess.run(("git", "init", "--quiet", "--initial-branch=main"), cwd=root, check=True)
    for words in (("add", "."), (*IDENTITY, "commit", "--quiet", "--allow-empty", "-m", message)):
        subprocess.run(("git", *words), cwd=root, check=True)
    return git.commit(root)


class Shipping(Paper):
    """A repository whose commits are shipped to the environment ``live``: only the build of the release is on paper."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(home)
        (home / "pipeline.yaml").write_text(PIPELINE)
        (home / "check.sh").write_text("true\n")
        self.pipeline = pipeline_of(PIPELINE)
        self.environments = {"live": MemoryEnvironment()}
        # What expires is asked by the clock and was written down by the journal: both have the same time.
        self.tools = replace(self.tools, journal=Journal(self.project.journal, self.clock))
        self.commit = committed(self, "first")
        given_to_verbs(self, monkeypatch)
        monkeypatch.setitem(ACTIONS, "release", self._build)
        monkeypatch.setattr(verification, "get", self._get)

    @property
    def live(self) -> MemoryEnvironment:
        return self.environments["live"]

    def serving(self) -> Release:
        """Return the release that has the traffic."""
        return self.live.deployments[str(self.live.roles.stable)].release

    async def _build(self, context: RunContext, attempt: StageAttempt) -> StageOutcome:
        release = self.release("1", context.commit.sha)
        step = {"name": "build", "command": "build", "classification": "ok", "exit_code": 0, "seconds": 0.0}
        write_json(attempt.artifacts / "steps.json", [{**step, "log": "build.log", "tail": []}])
        facts = {"release": release.digest, "commit": release.commit, "bytes": release.size, "builder": "bundle"}
        write_json(attempt.artifacts / "release.json", facts)
        built = ReleaseBuilt(release.digest, release.commit, "bundle", "", str(release.path), release.size)
        context.session.record(built, attempt.stage.id)
        return StageOutcome(StageState.PASSED)

    async def _get(self, url: str, *, token: str = "") -> dict[str, Any]:
        body: Any = {"status": "healthy", "version": self.serving().commit}
        if url.endswith("/metrics"):
            body = "http_requests_total 1\n"
        return {"status_code": 200, "body": body, "headers": {}, "error": ""}


def states(paper: Paper, run: str) -> dict[str, str]:
    """Return how each stage of the run ended."""
    return {stage.id: str(stage.state) for stage in load_run(paper.tools, run).stages.values()}


def interrupted(good: TinyProject, command: str, stages: list[str]) -> Tools:
    """Tell a run of HEAD whose owner was killed before it had done anything."""
    tools = open_tools(find_project(good.path))
    facts = {"command": command, "commit": git.commit(good.path).sha, "profile": "laptop", "stages": stages}
    tools.journal.append("20260301-120000-c0ffee0-aa", fact("run_started", **facts, options={"profile": "laptop"}))
    return tools
