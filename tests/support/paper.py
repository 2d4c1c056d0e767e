"""Production on paper: the real platform over its real files, where processes and Envoy do at once what they are told."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dawsos.actions import environments
from dawsos.actions.environments import Environment
from dawsos.adapters.git import Commit
from dawsos.engine.contract import StageAttempt
from dawsos.errors import InfrastructureError
from dawsos.model.pipeline import Pipeline
from dawsos.model.policy import CrashLoop
from dawsos.model.rollout import Counts, Sample
from dawsos.platforms.local.platform import Deployment, LocalPlatform
from dawsos.platforms.local.state import EnvironmentStatus, ProcessStatus, read_desired, read_json, write_desired
from dawsos.releases import bundle as releases
from dawsos.runs.project import Project, Tools, open_tools
from dawsos.runs.recorder import Session
from fakes import ScriptedTraffic, VirtualClock, sample
from support.facts import fact
from support.world import COMMIT, PIPELINE, Silent, pipeline_of

URL = "http://127.0.0.1:7"
ROLLOUT = """rollout:
  judge: thresholds
  baseline: 0s
  ladder: [{weight: 50, duration: 2s}, {weight: 100, duration: 2s}]
  tick: 1s
  check_interval: 1s
  failed_checks: 2
"""


def healthy(at: float, weight: int) -> Sample:
    return sample(at, weight)


def erring(at: float, weight: int) -> Sample:
    return sample(at, weight, canary=Counts(20, 10, ((0.1, 20), (float("inf"), 20))))


class PaperPlatform(LocalPlatform):
    """``broken`` names deployments whose processes never become ready, ``told`` what the proxy confirmed, in order."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(folder, name)
        self.script: Callable[[float, int], Sample] = healthy
        self.broken: set[str] = set()
        self.told: list[str] = []
        self.faults: list[tuple[float, float]] = []
        self.leases: list[float] = []
        self.crashed: list[str] = []

    async def _ready(self, specs: Any, within: float) -> None:
        late = next((spec.name for spec in specs if spec.group in self.broken or "*" in self.broken), None)
        if late is not None:
            raise InfrastructureError(f"{self.name}: {late} is not ready", fix="read its log")

    async def _confirm(self, name: str, version: str) -> None:
        """Envoy would refuse a route to a cluster that it does not know."""
        envoy = self.folder / "envoy"
        known = {cluster["name"] for cluster in read_json(envoy / "clusters.json").get("resources", ())}
        routed = (envoy / "routes.json").read_text() if (envoy / "routes.json").exists() else ""
        for cluster in ("to-" + name for name in self.deployments()):
            assert f'"{cluster}"' not in routed or cluster in known
        self.told.append(name)

    def status(self) -> EnvironmentStatus:
        desired = read_desired(self.folder)
        shown = [
            ProcessStatus(name, spec.group, 1, "dead" if spec.group in self.broken else "ready")
            for name, spec in desired.processes.items()
        ]
        return EnvironmentStatus(True, URL, tuple(shown))

    def traffic(self, failure_counters: tuple[str, ...] = (), crash_loop: CrashLoop | None = None) -> PaperTraffic:  # type: ignore[override]
        return PaperTraffic(self)

    async def set_fault(self, errors: float = 0.0, latency: float = 0.0, share: float = 1.0, path: str = "/") -> None:
        self.faults.append((errors, latency))
        await super().set_fault(errors, latency, share, path)

    def renew_lease(self, seconds: float) -> None:
        self.leases.append(seconds)
        super().renew_lease(seconds)

    def crash(self, deployment_id: str) -> None:
        self.crashed.append(deployment_id)


class PaperTraffic(ScriptedTraffic):
    """The proxy of a ``PaperPlatform``."""

    def __init__(self, platform: PaperPlatform) -> None:
        super().__init__(lambda at, weight: platform.script(at, weight))
        self.platform = platform

    async def set_weight(self, weight: int) -> float:
        roles = self.platform.roles()
        await self.platform.route(stable=roles.stable, canary=roles.canary, weight=weight)
        return await super().set_weight(weight)

    async def close(self) -> None: ...


class Paper:
    """A project whose environments are on paper; the commands of its releases really run."""

    def __init__(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, service: dict[str, Any] | None = None, rollout: str = ROLLOUT
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        text = PIPELINE.partition("rollout:\n")[0] + rollout
        # JSON is YAML, and knows how to quote.
        text = text.replace("service: {", f"service: {{{json.dumps(service)[1:-1]}, " if service else "service: {")
        (home / "pipeline.yaml").write_text(text)
        (home / "requirements.txt").touch()
        self.pipeline: Pipeline = pipeline_of(text)
        self.project = Project(home, home / ".dawsos")
        self.clock = VirtualClock()
        self.tools: Tools = replace(open_tools(self.project), clock=self.clock)
        self.variables = {"GREETING": "hello", "QUEUE_URL": "http://127.0.0.1:{QUEUE_PORT}"}
        self.platforms = {
            name: PaperPlatform(self.project.environment(name), name) for name in ("staging", "production")
        }
        for platform in self.platforms.values():
            platform.folder.mkdir(parents=True)
            desired = read_desired(platform.folder)
            desired.proxy = {"listener": 7, "admin": 8, "faults": 9}
            write_desired(platform.folder, desired)

        async def prepare(
            tools: Tools, pipeline: Pipeline, name: str, profile: str, root: Path | None = None
        ) -> Environment:
            return self.environment(name)

        monkeypatch.setattr(environments, "prepare", prepare)

    @property
    def production(self) -> PaperPlatform:
        return self.platforms["production"]

    def environment(self, name: str = "production") -> Environment:
        return Environment(name, self.pipeline.environment(name), self.platforms[name], self.variables, URL)

    def release(self, text: str = "1", sha: str = COMMIT) -> releases.Release:
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

    def built(self, session: Session, release: releases.Release) -> None:
        session.record(
            fact("release_built", release=release.digest, commit=release.commit, builder="bundle", bytes=1), "build"
        )

    def work(self, session: Session, stage: str) -> StageAttempt:
        artifacts = session.artifacts(stage)
        artifacts.mkdir(parents=True, exist_ok=True)
        return StageAttempt(self.pipeline.stage(stage), 1, artifacts, None, session, self.clock)

    def serve(self, release: releases.Release, deployment: str = "old", environment: str = "production") -> None:
        """Let ``release`` serve all traffic."""
        platform = self.platforms[environment]

        async def live() -> None:
            await platform.deploy(Deployment(deployment, release.digest, ("x",), "/", {}, 1))
            await platform.route(stable=deployment, canary=None, weight=0)

        asyncio.run(live())
        platform.told.clear()


def alter(paper: Paper) -> None:
    """Change a fact in the journal, as nothing of the tool does."""
    for path in paper.project.journal.rglob("*"):
        if path.is_file() and path.read_bytes()[:6] == b"SQLite":
            with sqlite3.connect(path) as database:
                database.execute("UPDATE events SET body = replace(body, 'because', 'forgive')")
            database.close()
