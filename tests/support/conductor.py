"""One rollout on a cluster, as a process that can be killed and started again: ``python -m support.conductor ORDER.json``.

It does what stage `canary` of a ship does, with the tool's own platform, controller and journal, and without the stages before it.
The last line of its standard output is how the rollout ended.  ``Scene`` writes the orders.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.load_process import LoadProcess
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.events import Event, Fact
from dawsos.model.fold import fold
from dawsos.model.policy import RolloutPolicy
from dawsos.model.release import BuiltImage, Release
from dawsos.model.run import Run
from dawsos.model.service import Service
from dawsos.platforms.contract import EnvironmentSpec, PlatformHost
from dawsos.platforms.kubernetes.platform import KubernetesPlatform
from dawsos.rollout.lifecycle import RolloutContext, begin, conduct
from dawsos.runs.journal import Journal
from support.cluster import Cluster, Gateway
from support.cluster_charts import tiny_values

ROOT = Path(__file__).resolve().parents[2]
SERVICE = Service.model_validate(
    {
        "project": ".", "requirements": "requirements.txt", "command": "python -m tiny_service", "health": "/health",
        "healthy": "any", "version": "none",
        "ready": "/ready", "ready_within": "60s", "stop_grace": "3s",
    }
)  # fmt: skip
STAGE = "canary"


class Kept:
    """A recorder whose events are in a journal on disk, so that another process goes on with them."""

    def __init__(self, folder: Path, run: str) -> None:
        self._journal, self._run = Journal(folder, SystemClock()), run
        self._state = fold(self._journal.events(run))

    @property
    def state(self) -> Run:
        return self._state

    def record(self, fact: Fact, stage: str = "") -> Event:
        event = self._journal.append(self._run, fact, stage)
        self.refresh()
        return event

    def refresh(self) -> Run:
        self._state = fold(self._journal.events(self._run, self._state.last_seq), self._state)
        return self._state

    def since(self, seq: int) -> list[Event]:
        return self._journal.events(self._run, seq)

    def close(self) -> None:
        self._journal.close()


@dataclass
class Scene:
    """One environment of the tiny service on ``cluster``, in ``namespace``; everything else of it is in ``folder``.

    With ``tool``, the name of the tool's image on the nodes, it has a guardian.
    """

    cluster: Cluster
    gateway: Gateway
    namespace: str
    folder: Path
    replicas: int = 2
    tool: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return f"{self.namespace}.test"

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "platform": "kubernetes", "context": self.cluster.context, "namespace": self.namespace, "release": "tiny",
            "chart": str(ROOT / "charts" / "dawsos"), "values": ["values.json"], "url": self.gateway.address,
            "images": {"import": self.cluster.imports}, "replicas": self.replicas, **self.more,
        }  # fmt: skip

    def platform(self) -> KubernetesPlatform:
        values = tiny_values(self.gateway, host=self.host, tool=self.tool)
        (self.folder / "values.json").write_text(json.dumps(values))
        return platform_of(self.settings, self.folder)

    def first(self, release: Release) -> None:
        """Let ``release`` serve all users."""

        async def serve() -> None:
            platform = self.platform()
            await platform.prepare(EnvironmentSpec(SERVICE, EnvironmentSettings.model_validate(self.settings)))
            await platform.deploy("first", release)
            await platform.route("first", None, 0)

        asyncio.run(serve())

    def roll_out(self, release: Release, run: str, policy: Mapping[str, Any]) -> subprocess.Popen[str]:
        """Start the rollout of ``release``, or go on with it where the same ``run`` was killed."""
        (image,) = release.images
        order = {
            "settings": self.settings, "folder": str(self.folder), "run": run, "policy": dict(policy),
            "release": {"digest": release.digest, "path": str(release.path), "commit": release.commit},
            "image": {"name": image.name, "digest": image.digest, "layout": str(image.layout)},
        }  # fmt: skip
        file = self.folder / f"{run}.json"
        file.write_text(json.dumps(order))
        argv = [sys.executable, "-m", "support.conductor", str(file)]
        own = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}"}
        with (self.folder / f"{run}.err").open("a") as errors:
            return subprocess.Popen(
                argv, env=own, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
            )

    def ended(self, process: subprocess.Popen[str], within: float) -> dict[str, Any]:
        """Return how a rollout ended: ``outcome``, ``reason``, ``seconds``, and when it was decided and began (epoch)."""
        try:
            out, _ = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert process.returncode == 0, f"the conductor ended with {process.returncode}: {self.said()}"
        told: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
        return told

    def said(self, run: str = "*") -> str:
        """Return the last words of the conductors of a run."""
        return "".join(path.read_text()[-2000:] for path in self.folder.glob(f"{run}.err"))

    def weight(self) -> int:
        """Return the canary's share of the traffic as the route has it."""
        (route,) = self.cluster.items("httproutes", "-n", self.namespace)
        backends = route["spec"]["rules"][0]["backendRefs"]
        return sum(int(one.get("weight", 1)) for one in backends if one["name"].endswith("-canary"))

    def has_traffic(self) -> None:
        """Fails while the canary has no traffic."""
        assert self.weight() > 0, "the canary has no traffic"

    def is_withdrawn(self) -> None:
        """Fails while the canary has traffic."""
        weight = self.weight()
        assert weight == 0, f"the canary has {weight} % of the traffic"


def platform_of(settings: Mapping[str, Any], folder: Path) -> KubernetesPlatform:
    masker, own = Masker(), folder / "environment"
    own.mkdir(exist_ok=True)
    runner = ProcessRunner(SystemClock(), masker)
    found = EnvironmentSettings.model_validate(dict(settings))
    return KubernetesPlatform(PlatformHost("production", own, SystemClock(), runner, masker, found, folder))


async def main(order: Mapping[str, Any]) -> dict[str, Any]:
    folder, told = Path(order["folder"]), order["release"]
    image = BuiltImage(order["image"]["name"], order["image"]["digest"], Path(order["image"]["layout"]))
    release = Release(told["digest"], Path(told["path"]), told["commit"], 1, "3.11", "/usr/bin/python3", (image,))
    platform = platform_of(order["settings"], folder)
    settings = EnvironmentSettings.model_validate(order["settings"])
    recorder = Kept(folder / "journal", order["run"])
    logs = folder / "logs" / order["run"]
    logs.mkdir(parents=True, exist_ok=True)
    policy = RolloutPolicy.model_validate(order["policy"])
    context = RolloutContext(
        STAGE, SERVICE, release, platform, policy, recorder, SystemClock(), Masker(), LoadProcess, logs
    )
    try:
        await platform.prepare(EnvironmentSpec(SERVICE, settings))
        record = recorder.state.rollout or await begin(context, order["run"])
        finished = await conduct(context, record)
        events = recorder.since(0)
    finally:
        recorder.close()
    moments = {event.kind: event.at for event in reversed(events)}
    return {
        "outcome": finished.outcome,
        "reason": finished.reason,
        "seconds": finished.seconds,
        "deployment": record.deployment,
        "began": next((event.at for event in events if event.kind == "weight_confirmed"), None),
        "decided": moments.get("rollout_decided"),
        "finished": moments.get("rollout_finished"),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))), flush=True)
