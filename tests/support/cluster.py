"""A Kubernetes cluster that whoever runs the tests has: with Flagger, a gateway and Prometheus (docs/testing.md)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

VARIABLE = "DAWSOS_TEST_CLUSTER"
_WITHIN = 60.0


@dataclass(frozen=True)
class Gateway:
    """``address`` is the URL at which it answers this machine; ``name`` and ``namespace`` those of a Gateway API's Gateway.

    ``listeners`` (name -> URL) are those that have an address of their own: a route that names one needs no host name.
    """

    address: str
    name: str = ""
    namespace: str = ""
    listeners: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cluster:
    """``prometheus`` is its URL as Flagger reaches it, ``image`` one with python3 that the nodes have or can pull.

    ``context`` is that of the kubeconfig.  ``imports`` is a command that gives the OCI archive on its standard input to the nodes.
    ``script`` is deploy/cluster/cluster where the cluster is one of the project's own, of which tests may stop parts.
    """

    kubeconfig: Path
    gateways: Mapping[str, Gateway]
    prometheus: str = ""
    image: str = "python:3.12-alpine"
    context: str = ""
    imports: str = ""
    script: Path | None = None

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Return what kubectl prints; fails with what it says."""
        done = subprocess.run(
            self.argv(*arguments), input=text, capture_output=True, text=True, check=False, timeout=_WITHIN
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr.strip()}"
        return done.stdout

    def items(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        """Return the objects of a kind."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, *arguments, "-o", "json"))["items"]
        return found

    def argv(self, *arguments: str) -> list[str]:
        context = [f"--context={self.context}"] if self.context else []
        return ["kubectl", f"--kubeconfig={self.kubeconfig}", *context, *arguments]

    def node(self, *words: str) -> str:
        """Run ``deploy/cluster/cluster WORDS`` for the tests' own cluster and return what it prints."""
        if self.script is None:
            pytest.skip("the cluster is somebody else's: nothing of it is stopped")
        own = {**os.environ, "CLUSTER_RUN": str(self.kubeconfig.parent)}
        done = subprocess.run(
            [str(self.script), *words], env=own, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, f"cluster {' '.join(words)}: {done.stderr.strip()}"
        return done.stdout

    def added(self, *parts: str) -> Cluster:
        """Return the cluster with ``traefik`` or ``flagger`` (with its Prometheus) added to it."""
        self.node("add", *parts)
        return described(self.node("describe"))

    def apply(self, *documents: Mapping[str, Any]) -> None:
        items = {"apiVersion": "v1", "kind": "List", "items": documents}
        self.kubectl("apply", "-f", "-", text=json.dumps(items))

    def events(self, namespace: str) -> list[str]:
        """Return what Flagger said in ``namespace``, the oldest first."""
        found = json.loads(self.kubectl("get", "events", "-n", namespace, "-o", "json"))["items"]
        told = [event for event in found if event["involvedObject"]["kind"] == "Canary"]
        told.sort(key=lambda event: event["lastTimestamp"] or "")
        return [event["message"] for event in told]


def cluster() -> Cluster:
    """Return the cluster that the file named by ``DAWSOS_TEST_CLUSTER`` describes; skips the test without one."""
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(f"no cluster: {VARIABLE} names no file that describes one (docs/testing.md)")
    if shutil.which("kubectl") is None:
        pytest.fail("there is a cluster, and no kubectl on PATH")
    return described(Path(named).read_text())


def described(text: str) -> Cluster:
    """Return the cluster that a file of ``DAWSOS_TEST_CLUSTER`` describes."""
    told = YAML(typ="safe", pure=True).load(text)
    gateways = {provider: Gateway(**gateway) for provider, gateway in told.pop("gateways").items()}
    script = told.pop("script", None)
    return Cluster(Path(told.pop("kubeconfig")), gateways=gateways, script=Path(script) if script else None, **told)


@dataclass(frozen=True)
class Status:
    """One state of a Canary, ``at`` seconds on the monotonic clock."""

    at: float
    phase: str
    weight: int
    failed: int


@dataclass
class Watch:
    """What became of the Canaries, by namespace; ``changed`` is set anew with each change."""

    seen: dict[str, list[Status]] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, line: str) -> None:
        namespace, phase, weight, failed = line.split(",")
        status = Status(time.monotonic(), phase, int(weight or 0), int(failed or 0))
        with self.changed:
            self.seen.setdefault(namespace, []).append(status)
            self.changed.notify_all()

    def until(self, namespace: str, phases: Sequence[str], since: float, within: float) -> Status:
        """Return the first status in one of ``phases`` after ``since``; fails when there is none ``within`` seconds."""

        def found() -> Status | None:
            statuses = self.seen.get(namespace, [])
            return next((status for status in statuses if status.at > since and status.phase in phases), None)

        with self.changed:
            self.changed.wait_for(found, timeout=within)
            status = found()
            assert status is not None, (
                f"{namespace}: not {phases} within {within} s: {self.seen.get(namespace, [])[-3:]}"
            )
            return status


@contextmanager
def watching(of: Cluster) -> Iterator[Watch]:
    """Watch all Canaries of the cluster."""
    columns = "{.metadata.namespace},{.status.phase},{.status.canaryWeight},{.status.failedChecks}{'\\n'}"
    argv = of.argv("get", "canaries.flagger.app", "-A", "--watch", "-o", f"jsonpath={columns}")
    watch = Watch()
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            watch.add(line.strip())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield watch
    finally:
        process.kill()
        reader.join()
        with process:
            pass
