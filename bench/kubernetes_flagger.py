"""Flagger for bench/kubernetes.py: its provider gatewayapi:v1 on Contour, judged by Envoy's counters that Prometheus reads."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from support.cluster import Cluster, watching
from support.oci import given

# Per-backend counters of Envoy, as Contour names its clusters: NAMESPACE_SERVICE_PORT.
_REQUESTS = 'envoy_cluster_upstream_rq_xx{envoy_cluster_name="NAMESPACE_shop-canary_80"CLASS}'


class Flagger:
    """A Deployment with a Canary of Flagger, the ladder of ours (5 25 45 65 85 100 %), at one ``interval`` in seconds."""

    def __init__(self, cluster: Cluster, interval: float) -> None:
        self.name = f"flagger-{interval:g}"
        self.namespace = f"bench-{self.name}-{os.getpid()}"
        self.host = f"{self.namespace}.test"
        self._cluster, self._interval = cluster, interval
        self._folder = Path(tempfile.mkdtemp(prefix="bench-"))
        if not cluster.prometheus and cluster.script is not None:
            cluster.node("add", "flagger")
            described = cluster.node("describe").splitlines()
            self._prometheus = next(line.split(": ")[1] for line in described if line.startswith("prometheus: "))
        else:
            self._prometheus = cluster.prometheus
        cluster.kubectl("create", "namespace", self.namespace)

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
            status = watch.until(self.namespace, ["Succeeded", "Failed"], since + 1, 300 + 20 * self._interval)
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
            "spec": {"provider": {"type": "prometheus", "address": self._prometheus}, "query": query},
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
                },
            },
        }  # fmt: skip
