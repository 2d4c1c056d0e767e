"""A small service with a pipeline of its own, shipped to a real cluster: only the build of the release is the tests' own."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dawsos.actions import ACTIONS
from dawsos.adapters.files import write_json
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.model.events import ReleaseBuilt
from dawsos.model.status import StageState
from dawsos.releases import bundle as releases
from dawsos.runs.context import RunContext
from projects import Said, called
from support.cluster import Cluster, Gateway
from support.cluster_charts import tiny_values
from support.oci import image
from support.tiny_service import source

ROOT = Path(__file__).resolve().parents[2]
IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
ROLLOUT: dict[str, Any] = {
    "ladder": [{"weight": 20, "duration": "5s"}, {"weight": 100, "duration": "3s"}],
    "tick": "1s", "check_interval": "5s", "min_requests": 1, "warm_up": {"duration": "1s"},
}  # fmt: skip
LOAD = {"rate": 30, "requests": [{"path": "/items", "share": 1}]}
# The page of health says what `dawsos verify` asks for.
_HEALTH = """        elif self.path.startswith("/health"):
            text = '{"status": "healthy", "version": "' + text + '"}'
        elif judged:
"""
_LENGTH = '        self.send_header("Content-Length", str(len(body)))\n'
_TYPE = '        self.send_header("Content-Type", "application/json" if text.startswith("{") else "text/plain")\n'


@dataclass
class ClusterShip:
    """A repository in ``folder`` whose production is ``namespace``, reached at ``listener`` of the gateway.

    ``more`` are further settings of production, ``faults`` the constants of the next release.
    """

    folder: Path
    cluster: Cluster
    gateway: Gateway
    namespace: str
    listener: str
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    more: Mapping[str, Any] = field(default_factory=dict)
    faults: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        shutil.copytree(ROOT / "charts" / "dawsos", self.folder / "chart")
        for name in ("requirements.txt", "Dockerfile"):
            (self.folder / name).touch()
        values = {**tiny_values(self.gateway, listener=self.listener), **self.values}
        (self.folder / "values.json").write_text(json.dumps(values))
        production = {
            "platform": "kubernetes", "context": self.cluster.context, "namespace": self.namespace, "release": "tiny",
            "chart": "chart", "values": ["values.json"], "images": {"import": self.cluster.imports}, "replicas": 1,
            "url": self.gateway.listeners[self.listener], **self.more,
        }  # fmt: skip
        pipeline = {
            "version": 2, "name": "tiny", "slo": {"error_rate": "1%", "warm_p95": "1s", "cold_p95": "2s"},
            "service": {
                "project": ".", "requirements": "requirements.txt", "command": "python -m tiny_service",
                "health": "/health", "ready": "/ready", "ready_within": "60s", "stop_grace": "3s",
                "images": [{"name": "backend", "dockerfile": "Dockerfile", "base": "localhost/none"}],
            },
            "environments": {"production": production},
            "stages": [
                {"id": "build", "uses": "release", "inputs": ["*.txt"], "gates": ["exit_status"]},
                {
                    "id": "canary", "needs": ["build"], "uses": "rollout", "environment": "production",
                    "budget": "10m", "gates": ["rollout"],
                },
            ],
            "rollout": ROLLOUT,
            "profiles": {"laptop": {"load": LOAD}},
        }  # fmt: skip
        (self.folder / "pipeline.yaml").write_text(json.dumps(pipeline))
        self._git("init", "--quiet", "--initial-branch=main")
        self.commit("first")
        self.monkeypatch.chdir(self.folder)
        self.monkeypatch.delenv("DAWSOS_HOME", raising=False)
        self.monkeypatch.setitem(ACTIONS, "release", self._build)
        # No builder is needed: the image is made here.
        self.monkeypatch.setattr("dawsos.actions.images.must_be_buildable", _nothing)

    def _git(self, *words: str) -> None:
        subprocess.run(["git", *IDENTITY, *words], cwd=self.folder, check=True)

    def commit(self, message: str, **faults: float) -> None:
        """Commit; the release of this commit has ``faults`` in its code."""
        self.faults = faults
        (self.folder / "requirements.txt").write_text(f"# {message}\n")
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "-m", message)

    def clone(self, name: str) -> Path:
        """Return a clone without a home, whose owner believes the keys of this one, and work in it from now on."""
        folder = self.folder.with_name(name)
        subprocess.run(["git", "clone", "--quiet", str(self.folder), str(folder)], check=True)
        (folder / ".dawsos" / "keys").mkdir(parents=True)
        for path in (self.folder / ".dawsos" / "keys").glob("*.pub"):
            shutil.copy(path, folder / ".dawsos" / "keys")
        self.monkeypatch.chdir(folder)
        return folder

    def dawsos(self, *words: str) -> Said:
        """Call the command line."""
        return called(self.monkeypatch, self.capsys, *words)

    def kubectl(self, *words: str, text: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.namespace, *words, text=text)

    async def _build(self, context: RunContext, attempt: StageAttempt) -> StageOutcome:
        """Make the release of the tiny service with its image, and the evidence of a build."""
        project, sha = context.tools.project, context.commit.sha
        work = project.releases / "build"
        (work / "site").mkdir(parents=True)
        text = source(**self.faults).replace("        elif judged:\n", _HEALTH).replace(_LENGTH, _LENGTH + _TYPE)
        (work / "site" / "tiny_service.py").write_text(text)
        release = releases._seal(work, context.commit, project.releases)
        config = {
            "Entrypoint": ["/usr/bin/python3", "-B", "/app/tiny_service.py"],
            "Env": [f"GIT_SHA={sha}", "PYTHONUNBUFFERED=1", "PATH=/usr/bin"],
        }
        built = image(project.images, "backend", {"app/tiny_service.py": text}, config)
        step = {"name": "build", "command": "build", "classification": "ok", "exit_code": 0, "seconds": 0.0}
        write_json(attempt.artifacts / "steps.json", [{**step, "log": "build.log", "tail": []}])
        facts = {"release": release.digest, "commit": sha, "bytes": release.size, "builder": "bundle"}
        write_json(attempt.artifacts / "release.json", {**facts, "images": {"backend": built.digest}})
        write_json(attempt.artifacts / "image-backend.json", {"digests": [built.digest, built.digest]})
        images = {"backend": built.digest}
        fact = ReleaseBuilt(release.digest, sha, "bundle", "", str(release.path), release.size, images)
        context.session.record(fact, attempt.stage.id)
        return StageOutcome(StageState.PASSED)


async def _nothing(_context: RunContext) -> None: ...


def key_pair(folder: Path) -> tuple[str, str]:
    """Return a private and a public ed25519 key as the documented commands of openssl make them."""
    private = folder / "job.pem"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(private)], check=True, capture_output=True
    )
    public = subprocess.run(
        ["openssl", "pkey", "-in", str(private), "-pubout"], check=True, capture_output=True, text=True
    )
    return private.read_text(), public.stdout


def given_rights(cluster: Cluster, namespace: str, gateway: Gateway) -> None:
    """Apply deploy/kubernetes/rbac.yaml for this namespace and this gateway."""
    text = (ROOT / "deploy" / "kubernetes" / "rbac.yaml").read_text()
    text = text.replace("namespace: production", f"namespace: {namespace}")
    text = text.replace("dawsos-gateway", f"dawsos-{namespace}").replace("projectcontour", gateway.namespace)
    cluster.kubectl("apply", "-f", "-", text=text)


def lines_with(said: Said, words: Sequence[str]) -> list[str]:
    """Return the lines of what a command said that have all of ``words``."""
    return [line for line in said.out.splitlines() if all(word in line for word in words)]
