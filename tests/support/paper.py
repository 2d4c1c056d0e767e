"""Production on paper: a project whose environments are in memory; the commands of its releases really run."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

from dawsos.actions.rollout import rollout_context
from dawsos.adapters.git import Commit
from dawsos.engine.contract import StageAttempt
from dawsos.model.environment import PlatformName
from dawsos.model.pipeline import Pipeline
from dawsos.model.release import Release
from dawsos.platforms.contract import EnvironmentSpec, Platform, PlatformHost
from dawsos.releases import bundle as releases
from dawsos.rollout.lifecycle import RolloutContext
from dawsos.runs.context import RunContext
from dawsos.runs.project import Project, Tools, open_tools
from dawsos.runs.recorder import Session
from fakes import VirtualClock
from support.facts import fact
from support.memory_platform import URL, MemoryEnvironment, MemoryPlatform, erring, healthy
from support.world import COMMIT, PIPELINE, Silent, pipeline_of

__all__ = ["ROLLOUT", "URL", "Paper", "alter", "erring", "healthy"]

ROLLOUT = """rollout:
  judge: thresholds
  baseline: 0s
  ladder: [{weight: 50, duration: 2s}, {weight: 100, duration: 2s}]
  tick: 1s
  check_interval: 1s
  failed_checks: 2
"""
_ENVIRONMENTS = "environments: {staging: {}, production: {}}"


class Paper:
    """``service`` adds keys to the pipeline's service, ``rollout`` replaces its rollout, ``env`` the environments' variables."""

    def __init__(
        self,
        home: Path,
        service: dict[str, Any] | None = None,
        rollout: str = ROLLOUT,
        env: dict[str, str] | None = None,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        text = PIPELINE.partition("rollout:\n")[0] + rollout
        # JSON is YAML, and knows how to quote.
        text = text.replace("service: {", f"service: {{{json.dumps(service)[1:-1]}, " if service else "service: {")
        variables = {"GREETING": "hello"} if env is None else env
        if "workers" in (service or {}):
            variables = {**variables, "QUEUE_URL": "http://127.0.0.1:{QUEUE_PORT}"}
        settings = json.dumps({"replicas": 1, "env": variables})
        assert _ENVIRONMENTS in text
        text = text.replace(_ENVIRONMENTS, f"environments: {{staging: {settings}, production: {settings}}}")
        (home / "pipeline.yaml").write_text(text)
        (home / "requirements.txt").touch()
        self.pipeline: Pipeline = pipeline_of(text)
        self.project = Project(home, home / ".dawsos")
        self.clock = VirtualClock()
        self.environments = {name: MemoryEnvironment() for name in ("staging", "production")}
        self.tools: Tools = replace(open_tools(self.project), clock=self.clock, make_platform=self._make_platform)

    def _make_platform(self, kind: PlatformName, host: PlatformHost) -> Platform:
        return MemoryPlatform(host, self.environments[host.name])

    @property
    def production(self) -> MemoryEnvironment:
        return self.environments["production"]

    def platform(self, name: str = "production") -> MemoryPlatform:
        """Return a prepared platform of the environment."""
        platform = self.tools.platform(name, self.pipeline.environment(name))
        assert isinstance(platform, MemoryPlatform)
        asyncio.run(platform.prepare(EnvironmentSpec(self.pipeline.service, self.pipeline.environment(name))))
        return platform

    def release(self, text: str = "1", sha: str = COMMIT) -> Release:
        """Return a sealed release; another ``text`` or commit is another release."""
        work = self.project.releases / "build"
        (work / "site" / "app").mkdir(parents=True)
        (work / "site" / "app" / "__init__.py").write_text(f"VERSION = {text!r}\n")
        return releases._seal(work, Commit(sha, "subject", "Ada", 1_700_000_000, "main"), self.project.releases)

    def session(self, name: str = "20260301-120000-c0ffee0-aa", **facts: Any) -> Session:
        """Return a run of ``release`` that has come as far as its canary."""
        session = Session(self.tools, name, [Silent()])
        told = {
            "command": "ship", "commit": COMMIT, "ref": "main", "profile": "production", "definition": "d" * 64,
            "stages": [stage.id for stage in self.pipeline.stages], "options": {},
        }  # fmt: skip
        session.record(fact("run_started", **{**told, **facts}))
        return session

    def built(self, session: Session, release: Release) -> None:
        """Record that the run built ``release``."""
        session.record(
            fact("release_built", release=release.digest, commit=release.commit, builder="bundle", bytes=1), "build"
        )

    def attempt(self, session: Session, stage: str) -> StageAttempt:
        """Return the first attempt at a stage of the run."""
        artifacts = session.artifacts(stage)
        artifacts.mkdir(parents=True, exist_ok=True)
        return StageAttempt(self.pipeline.stage(stage), 1, artifacts, None, session, self.clock)

    def context(self, session: Session) -> RunContext:
        """Return what the actions of the run share."""
        commit = Commit(COMMIT, "subject", "Ada", 1_700_000_000, "main")
        return RunContext(self.tools, self.pipeline, commit, self.project.root, session)

    def rollout(self, session: Session, release: Release, profile: str = "") -> RolloutContext:
        """Return what a rollout of ``release`` in production works with."""
        parts = (self.platform(), release, self.pipeline.policy(profile))
        return rollout_context(session, self.pipeline, parts, "canary", session.artifacts("canary"))

    def serve(self, release: Release, deployment: str = "old", environment: str = "production") -> None:
        """Let ``release`` serve all traffic."""
        platform = self.platform(environment)

        async def live() -> None:
            await platform.deploy(deployment, release)
            await platform.route(deployment, None, 0)

        asyncio.run(live())
        self.environments[environment].weights.clear()


def alter(paper: Paper) -> None:
    """Change a fact in the journal, as nothing of the tool does."""
    for path in paper.project.journal.rglob("*"):
        if path.is_file() and path.read_bytes()[:6] == b"SQLite":
            with sqlite3.connect(path) as database:
                database.execute("UPDATE events SET body = replace(body, 'because', 'forgive')")
            database.close()
