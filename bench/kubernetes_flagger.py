"""Flagger for bench/kubernetes.py: its provider gatewayapi:v1 on Contour, judged by Envoy's counters that Prometheus reads.

``Flagger`` is as its documents say; ``Judged`` is the same Canary with ``dawsos judge`` beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from support.cluster import Cluster, watching
from support.oci import given

# Per-backend counters of Envoy, as Contour names its clusters: NAMESPACE_SERVICE_PORT.
_REQUESTS = 'envoy_cluster_upstream_rq_xx{envoy_cluster_name="NAMESPACE_shop-canary_80"CLASS}'


class Flagger:
    """A Deployment with a Canary of Flagger, the ladder of ours (5 25 45 65 85 100 %), at one ``interval`` in seconds."""

    kind = "flagger"

    def __init__(self, cluster: Cluster, interval: float) -> None:
        self.name = f"{self.kind}-{interval:g}"
        self.namespace = f"bench-{self.name}-{os.getpid()}"
        self.host = f"{self.namespace}.test"
        self._cluster, self._interval = cluster, interval
        self._folder = Path(tempfile.mkdtemp(prefix="bench-"))
        cluster.kubectl("create", "namespace", self.namespace)

    def close(self) -> None:
        self._cluster.kubectl("delete", "namespace", self.namespace, "--wait=false", "--ignore-not-found")

    def first(self, release: Any) -> None:
        image = given(self._cluster, release.images[0], self._folder)
        self._cluster.apply(self._deployment(image), *self._templates(), self._canary())
        with watching(self._cluster) as watch:
            watch.until(self.namespace, ["Initialized"], 0.0, 180.0)

    def roll_out(self, release: Any) -> dict[str, Any]:
        image = given(self._cluster, release.images[0], self._folder)
        offset = time.time() - time.monotonic()
        with watching(self._cluster) as watch:
            since = time.monotonic()
            self._cluster.kubectl("set", "image", "-n", self.namespace, "deployment/shop", f"shop={image}")
            # The phase of the run before stays until Flagger has seen the new template.
            began = watch.until(self.namespace, ["Progressing"], since, 60 + 3 * self._interval)
            status = watch.until(self.namespace, ["Succeeded", "Failed"], began.at, 300 + 20 * self._interval)
        events = self._cluster.events(self.namespace)
        failed = status.phase == "Failed"
        return {
            "outcome": "rolled_back" if failed else "promoted",
            "reason": events[-1] if events else "",
            "decided": status.at + offset,
        }

    def _deployment(self, image: str) -> dict[str, Any]:
        container = {
            "name": "shop", "image": image, "imagePullPolicy": "IfNotPresent", "env": [{"name": "PORT", "value": "8000"}],
            "ports": [{"name": "http", "containerPort": 8000}],
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 8000}, "periodSeconds": 1},
            "lifecycle": {"preStop": {"sleep": {"seconds": 2}}},
            "resources": {"requests": {"cpu": "10m", "memory": "24Mi"}, "limits": {"memory": "128Mi"}},
        }  # fmt: skip
        return {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop", "namespace": self.namespace},
            "spec": {
                "replicas": 2, "selector": {"matchLabels": {"app": "shop"}},
                "template": {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [container]}},
            },
        }  # fmt: skip

    def _templates(self) -> list[dict[str, Any]]:
        window = "[{{ interval }}]"
        every = _REQUESTS.replace("NAMESPACE", self.namespace)
        good = f"sum(rate({every.replace('CLASS', ',envoy_response_code_class!=' + json.dumps('5'))}{window}))"
        total = f"sum(rate({every.replace('CLASS', '')}{window}))"
        buckets = (
            f'envoy_cluster_upstream_rq_time_bucket{{envoy_cluster_name="{self.namespace}_shop-canary_80"}}{window}'
        )
        return [
            self._template("success", f"100 * ({good} or 0 * {total}) / {total}"),
            self._template("p95", f"histogram_quantile(0.95, sum by (le) (rate({buckets})))"),
        ]

    def _template(self, name: str, query: str) -> dict[str, Any]:
        return {
            "apiVersion": "flagger.app/v1beta1", "kind": "MetricTemplate",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"provider": {"type": "prometheus", "address": self._cluster.prometheus}, "query": query},
        }  # fmt: skip

    def _canary(self) -> dict[str, Any]:
        window = f"{max(10.0, self._interval):g}s"
        gateway = self._cluster.gateways["contour"]
        return {
            "apiVersion": "flagger.app/v1beta1", "kind": "Canary",
            "metadata": {"name": "shop", "namespace": self.namespace},
            "spec": {
                "provider": "gatewayapi:v1", "progressDeadlineSeconds": 120,
                "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
                "service": {
                    "port": 80, "targetPort": 8000, "hosts": [self.host],
                    "gatewayRefs": [{"name": gateway.name, "namespace": gateway.namespace}],
                },
                "analysis": {
                    "interval": f"{self._interval:g}s", "threshold": 5, "stepWeights": [5, 25, 45, 65, 85, 100],
                    "metrics": [
                        {"name": "success", "templateRef": {"name": "success"}, "interval": window, "thresholdRange": {"min": 99.5}},
                        {"name": "p95", "templateRef": {"name": "p95"}, "interval": window, "thresholdRange": {"max": 1200}},
                    ],
                    **self._webhooks(),
                },
            },
        }  # fmt: skip

    def _webhooks(self) -> dict[str, Any]:
        return {}


class Judged(Flagger):
    """The same with ``dawsos judge``: a process of this machine, which Flagger reaches where this machine reaches the gateway from."""

    kind = "judged"

    def __init__(self, cluster: Cluster, interval: float, policy: Mapping[str, Any]) -> None:
        super().__init__(cluster, interval)
        self._address = _own_address(cluster.gateways["contour"].address)
        self._log = self._folder / "judge.log"
        (self._folder / "pipeline.yaml").write_text(json.dumps(self._pipeline(policy)))
        argv = [sys.executable, "-m", "dawsos.cli", "judge", "--listen", self._address, "--context", cluster.context]
        with self._log.open("w") as log:
            self._judge = subprocess.Popen(
                argv, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def first(self, release: Any) -> None:
        super().first(release)
        deadline = time.monotonic() + 30
        while "it answers Flagger" not in self._log.read_text():
            if self._judge.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"dawsos judge does not answer: {self._log.read_text()[-800:]}")
            time.sleep(0.2)

    def roll_out(self, release: Any) -> dict[str, Any]:
        began = time.time()
        told = super().roll_out(release)
        if self._judge.poll() is not None:
            raise SystemExit(f"dawsos judge ended: {self._log.read_text()[-800:]}")
        route = json.loads(self._cluster.kubectl("get", "httproute", "shop", "-n", self.namespace, "-o", "json"))
        verdict = json.loads(route["metadata"].get("annotations", {}).get("dawsos.dev/verdict", "{}"))
        if verdict.get("at", 0.0) < began:
            # Flagger found it first.
            return told
        return {**told, "reason": verdict["reason"], "decided": verdict["at"], "failed_at": told["decided"]}

    def close(self) -> None:
        self._judge.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._judge.wait(10)
        self._judge.kill()
        super().close()

    def _webhooks(self) -> dict[str, Any]:
        # As `dawsos export flagger` writes them.
        hooks = {"rollback": "/rollback", "confirm-traffic-increase": "/confirm-traffic-increase"}
        return {
            "webhooks": [
                {"name": f"judge-{kind}", "type": kind, "url": f"http://{self._address}{path}", "timeout": "5s", "muteAlert": True}
                for kind, path in hooks.items()
            ]
        }  # fmt: skip

    def _pipeline(self, policy: Mapping[str, Any]) -> dict[str, Any]:
        gateway = self._cluster.gateways["contour"]
        ladder = [step["duration"] for step in policy["ladder"]]
        rest = {key: value for key, value in policy.items() if key not in ("ladder", "error_rate", "p95")}
        return {
            "version": 2, "name": "shop",
            "slo": {"error_rate": policy["error_rate"], "warm_p95": policy["p95"], "cold_p95": "2s"},
            "toolchains": {"tools": {"requirements": "tools.txt"}},
            "service": {
                "project": ".", "requirements": "requirements.txt", "command": "python -m shop",
                "images": [{"name": "shop", "dockerfile": "Dockerfile", "base": "localhost/base"}],
            },
            "environments": {
                "production": {
                    "platform": "kubernetes", "context": self._cluster.context, "namespace": self.namespace, "release": "shop",
                    "chart": ".", "images": {"import": "none"}, "gateway": {"kind": "contour"},
                }
            },
            "stages": [
                {"id": "build", "uses": "release", "toolchain": "tools", "inputs": ["**"], "gates": ["exit_status"]},
                {"id": "canary", "needs": ["build"], "uses": "rollout", "environment": "production", "gates": ["rollout"]},
            ],
            "rollout": {"ladder": policy["ladder"], "judge": "statistical"},
            "profiles": {"bench": {"durations": ladder, **rest}},
            "exports": {
                "flagger": {
                    "profile": "bench", "deployment": "shop", "namespace": self.namespace, "judge": f"http://{self._address}",
                    "hosts": [self.host], "gateway": {"name": gateway.name, "namespace": gateway.namespace},
                }
            },
        }  # fmt: skip


def _own_address(other: str) -> str:
    """Return address and free port of this machine at which who answers at ``other`` reaches it."""
    where = urlsplit(other)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect((where.hostname or "", where.port or 80))
        host = asking.getsockname()[0]
    with socket.socket() as free:
        free.bind((host, 0))
        return f"{host}:{free.getsockname()[1]}"
