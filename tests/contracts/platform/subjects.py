"""What the conformance suite needs of a platform beyond the contract: releases to run, and requests to send."""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import http.client
import json
import os
import sys
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.policy import RolloutPolicy
from dawsos.model.release import Release
from dawsos.model.service import Service
from dawsos.platforms.contract import EnvironmentSpec, Platform, PlatformHost
from dawsos.platforms.kubernetes.platform import KubernetesPlatform
from dawsos.platforms.local.platform import LocalPlatform
from fakes import VirtualClock
from support import cluster as existing
from support.cluster_charts import tiny_values
from support.memory_platform import MemoryEnvironment, MemoryPlatform
from support.oci import tiny_release

CHART = Path(__file__).resolve().parents[3] / "charts" / "dawsos"

SERVER = """
import http.server, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = os.environ["GIT_SHA"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *words):
        pass

if {broken!r}:
    sys.exit("this release does not start")
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
SERVICE = Service.model_validate(
    {
        "project": ".", "requirements": "requirements.txt", "command": "python -m tiny_server", "health": "/health",
        "ready": "/ready", "ready_within": "20s", "stop_grace": "2s",
    }
)  # fmt: skip
SPEC = EnvironmentSpec(
    SERVICE, EnvironmentSettings(replicas=2, env={"GREETING": "hello", "SESSION_PASSWORD": "hunter22"})
)
POLICY = RolloutPolicy.model_validate({"ladder": [{"weight": 100, "duration": "1s"}], "error_rate": "1%", "p95": "1s"})


def release(folder: Path, text: str, *, broken: bool = False) -> Release:
    """Return a release whose replicas answer every page with their commit."""
    commit = hashlib.sha1(text.encode()).hexdigest()  # noqa: S324 - it stands for a commit
    path = folder / "releases" / text
    (path / "site").mkdir(parents=True, exist_ok=True)
    (path / "site" / "tiny_server.py").write_text(SERVER.format(broken=broken))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Release(digest, path, commit, 1, "3.11", sys.executable)


class Subject(Protocol):
    """One environment of one platform; ``lease`` is the shortest that it keeps reliably, in seconds."""

    name: str
    lease: float

    @property
    def spec(self) -> EnvironmentSpec:
        """What the environment has to provide."""
        ...

    def platform(self) -> Platform:
        """Return a platform object of the environment; a second one is what a new process has after a crash."""
        ...

    def release(self, text: str, *, broken: bool = False) -> Release: ...

    async def ask(self, requests: int) -> Counter[str]:
        """Send requests to the environment's address; return how many each commit answered, ``error`` for the others."""
        ...

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        ...


class MemorySubject:
    """The platform of the tests themselves."""

    name = "memory"
    lease = 5.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = MemoryEnvironment()
        self._clock = VirtualClock()
        self._commits: dict[str, str] = {}

    @property
    def spec(self) -> EnvironmentSpec:
        return SPEC

    def platform(self) -> MemoryPlatform:
        masker = Masker()
        host = PlatformHost(
            "suite",
            self._folder / "suite",
            self._clock,
            ProcessRunner(SystemClock(), masker),
            masker,
            SPEC.settings,
            self._folder,
        )
        return MemoryPlatform(host, self._environment)

    def release(self, text: str, *, broken: bool = False) -> Release:
        made = release(self._folder, text, broken=broken)
        self._commits[made.digest] = made.commit
        if broken:
            self._environment.broken.add(made.digest[:8])
        return made

    async def ask(self, requests: int) -> Counter[str]:
        found = self.platform().ask(requests)
        return Counter({self._commits.get(digest, digest): number for digest, number in found.items()})

    async def wait(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class LocalSubject:
    """Processes behind Envoy on this machine."""

    name = "local"
    lease = 1.5

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def spec(self) -> EnvironmentSpec:
        return SPEC

    def platform(self) -> LocalPlatform:
        masker = Masker()
        host = PlatformHost(
            "suite",
            self._folder / "suite",
            SystemClock(),
            ProcessRunner(SystemClock(), masker),
            masker,
            SPEC.settings,
            self._folder,
        )
        return LocalPlatform(host)

    def release(self, text: str, *, broken: bool = False) -> Release:
        return release(self._folder, text, broken=broken)

    async def ask(self, requests: int) -> Counter[str]:
        url = (await self.platform().status()).url
        return await asyncio.to_thread(_answers, url, requests)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class KubernetesSubject:
    """Deployments behind a gateway on a cluster, in a namespace of their own."""

    name = "kubernetes"
    lease = 3.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cluster = existing.cluster()
        os.environ["KUBECONFIG"] = str(self._cluster.kubeconfig)
        self._gateway = self._cluster.gateways["contour"]
        self._namespace = _namespace()
        self._host = f"{self._namespace}.test"
        # What guards a rollout, and injects the faults of a drill, runs in the tool's own image.
        tool = os.environ.get("DAWSOS_TOOL_IMAGE", "")
        values = {**tiny_values(self._gateway, host=self._host, tool=tool), "drainSeconds": 1}
        (folder / "values.json").write_text(json.dumps(values))

    def platform(self) -> KubernetesPlatform:
        masker = Masker()
        folder = self._folder / "suite"
        folder.mkdir(exist_ok=True)
        return KubernetesPlatform(
            PlatformHost(
                "suite",
                folder,
                SystemClock(),
                ProcessRunner(SystemClock(), masker),
                masker,
                self._settings(),
                self._folder,
            )
        )

    def _settings(self) -> EnvironmentSettings:
        return EnvironmentSettings.model_validate(
            {
                "platform": "kubernetes", "context": self._cluster.context, "namespace": self._namespace,
                "release": "suite", "chart": str(CHART), "values": ["values.json"], "url": self._gateway.address,
                "images": {"import": self._cluster.imports}, "env": SPEC.settings.env,
            }
        )  # fmt: skip

    @property
    def spec(self) -> EnvironmentSpec:
        # Pods take longer than processes: a busy machine is not the release's fault.
        patient = SERVICE.model_copy(update={"ready_within": 2 * SERVICE.ready_within})
        return replace(SPEC, service=patient, settings=self._settings())

    def release(self, text: str, *, broken: bool = False) -> Release:
        return tiny_release(self._folder, text, **({"BROKEN": True} if broken else {}))

    async def ask(self, requests: int) -> Counter[str]:
        return await asyncio.to_thread(_answers, self._gateway.address, requests, self._host)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@cache
def _namespace() -> str:
    """Return a namespace for the tests of this process, which is deleted at its end."""
    cluster = existing.cluster()
    name = f"platform-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    atexit.register(cluster.kubectl, "delete", "namespace", name, "--wait=false", "--ignore-not-found")
    return name


def _answers(url: str, requests: int, host: str = "") -> Counter[str]:
    address, answers = urlsplit(url), Counter[str]()
    for _ in range(requests):
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
        try:
            connection.request("GET", "/", headers={"Host": host or address.netloc})
            response = connection.getresponse()
            answers[response.read().decode() if response.status == 200 else "error"] += 1
        except (OSError, http.client.HTTPException):
            answers["error"] += 1
        finally:
            connection.close()
    return answers


SUBJECTS: dict[str, Callable[[Path], Subject]] = {
    "memory": MemorySubject,
    "local": LocalSubject,
    "kubernetes": KubernetesSubject,
}
