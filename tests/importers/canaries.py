"""Manifests for the tests of the reader: a good Canary, changed in one place for each row of a table."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from dawsos.importers.flagger import Manifest, read_manifest

RATE = 1000.0
TEMPLATE: dict[str, Any] = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "MetricTemplate",
    "metadata": {"name": "slow"},
    "spec": {
        "provider": {"type": "prometheus", "address": "http://prometheus"},
        "query": 'histogram_quantile(0.95, sum(rate(http_request_duration_seconds_bucket{namespace="{{ namespace }}", '
        'pod=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"}[{{ interval }}])) by (le)) * 1000',
    },
}
CANARY: dict[str, Any] = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "shop", "namespace": "prod"},
    "spec": {
        "provider": "istio",
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
        "service": {"port": 80},
        "analysis": {
            "interval": "1m",
            "threshold": 5,
            "stepWeights": [5, 25, 50],
            "metrics": [
                {"name": "request-success-rate", "interval": "1m", "thresholdRange": {"min": 99}},
                {"name": "slow", "interval": "1m", "templateRef": {"name": "slow"}, "thresholdRange": {"max": 500}},
            ],
            "webhooks": [{"name": "load", "type": "rollout", "url": "http://tester/", "timeout": "5s"}],
        },
    },
}
# What stands for a key that is taken away.
GONE = object()
KNATIVE = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "shop"}
SUCCESS = {"name": "request-success-rate", "interval": "1m", "thresholdRange": {"min": 99}}


def changed(analysis: Mapping[str, Any] | None = None, spec: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the good Canary with other keys."""
    made = copy.deepcopy(CANARY)
    for target, changes in ((made["spec"]["analysis"], analysis or {}), (made["spec"], spec or {})):
        for key, value in changes.items():
            if value is GONE:
                target.pop(key, None)
            else:
                target[key] = value
    return made


def read(
    analysis: Mapping[str, Any] | None = None,
    spec: Mapping[str, Any] | None = None,
    template: Mapping[str, Any] | None = None,
    rate: float | None = RATE,
) -> Manifest:
    """Return the good Canary with other keys, as it is read beside its template."""
    beside = copy.deepcopy(TEMPLATE)
    beside["spec"].update(template or {})
    return read_manifest([changed(analysis, spec), beside], rate)[0]


def said(manifest: Manifest, *levels: str) -> list[str]:
    """Return what the findings say."""
    return [one.message for one in manifest.findings if not levels or one.level in levels]


def new(manifest: Manifest) -> list[tuple[str, str]]:
    """Return (level, message) of what the good Canary does not have."""
    usual = {one.message for one in read().findings}
    return [(one.level, one.message) for one in manifest.findings if one.message not in usual]
