"""What an existing Flagger Canary really does, read from its manifest.  Pure: plain values in, findings out.

Facts from fluxcd/flagger at 15bd6ad; each ``flagger_*`` module names the files that it was held against.  ``analysis.flagger`` is the
same rule as a judge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dawsos.errors import BadInput
from dawsos.importers.flagger_metrics import Metric, Template, metric_findings, metrics_of, templates_of
from dawsos.importers.flagger_spec import USUAL_PROVIDER, analysis_of, interval_of, shape_findings, threshold_of
from dawsos.importers.flagger_strategy import Strategy, Walk, walk_of
from dawsos.importers.flagger_values import ManifestFinding, Place, get, listed, mapping, span, text
from dawsos.importers.flagger_webhooks import gates_of, kind_of, webhook_findings
from dawsos.model.flagger import FlaggerChecks, ManifestPolicy
from dawsos.model.policy import LadderStep

# The limits of the judge beside it where the manifest has none.
_ERROR_RATE, _SLOW = 0.005, 1.2
_SURELY = 20.0


@dataclass(frozen=True)
class Manifest:
    """One Canary as Flagger walks it.

    ``interval`` in seconds; ``weights`` are the steps of all users' requests, ``ticks`` the intervals from the first step to the
    promotion, None when it never comes.  ``blocked`` names metrics that fail on every tick; ``gates`` names the webhooks that a
    healthy canary waits for; ``needed_rate`` is the total requests a second below which one single failed request fails a check at
    the first weight (None: no such metric).  ``unsimulated`` says why it cannot be simulated, ``unknown`` names the metrics of which
    a simulation knows nothing.
    """

    name: str
    interval: float
    threshold: int
    strategy: Strategy
    weights: tuple[int, ...]
    ticks: int | None
    blocked: tuple[str, ...]
    gates: tuple[str, ...]
    needed_rate: float | None
    findings: tuple[ManifestFinding, ...]
    checks: FlaggerChecks = field(default_factory=FlaggerChecks)
    error_rate: float = _ERROR_RATE
    slow: float = _SLOW
    unsimulated: str = ""
    unknown: tuple[str, ...] = ()

    @property
    def rollback_seconds(self) -> float:
        """Seconds from the first check to the rollback of a canary that is bad from the start."""
        return (self.threshold + 1) * self.interval

    @property
    def promote_seconds(self) -> float | None:
        """Seconds of analysis of a healthy canary, None when it is never promoted."""
        return None if self.blocked or self.ticks is None else self.ticks * self.interval

    def policy(self) -> ManifestPolicy:
        """Return the same rule as a rollout policy, to simulate it; raises BadInput when that would not be what happens."""
        if self.unsimulated:
            raise BadInput(f"{self.name} cannot be simulated: {self.unsimulated}", fix="dawsos lint says what it does")
        weights = [weight for weight in self.weights if 0 < weight <= 100]
        if not weights or sorted(set(weights)) != weights:
            raise BadInput(
                f"{self.name}: its weights {list(self.weights)} are no ladder that could be simulated",
                fix="dawsos lint says why",
            )
        return ManifestPolicy(
            judge="flagger",
            ladder=tuple(LadderStep(weight=weight, duration=self.interval) for weight in weights),
            check_interval=self.interval,
            failed_checks=self.threshold,
            error_rate=self.error_rate,
            p95=self.slow,
            checks=self.checks,
        )


def read_manifest(documents: Sequence[Mapping[str, Any]], rate: float | None = None) -> list[Manifest]:
    """Return every Canary among ``documents``, with the MetricTemplates beside it; raises BadInput without any.

    ``rate`` is the traffic in requests a second, when it is known: a Canary for which it is enough has no finding about it.
    """
    objects = list(_objects(documents))
    templates = templates_of([document for document, _ in objects])
    found = [_canary(document, base, templates, rate) for document, base in objects if document.get("kind") == "Canary"]
    if not found:
        raise BadInput(
            "there is no Canary in this file", fix="give a manifest with `kind: Canary` (flagger.app/v1beta1)"
        )
    return found


def _objects(documents: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], Place]]:
    """Return each object with its place: those of a ``List`` (``kubectl get -o yaml``) are its items."""
    for index, document in enumerate(documents):
        if text(document.get("kind")).endswith("List") and isinstance(document.get("items"), list):
            for inner, item in enumerate(document["items"]):
                yield mapping(item), (index, "items", inner)
        else:
            yield document, (index,)


def _canary(
    document: Mapping[str, Any], base: Place, templates: Mapping[str, tuple[Template, ...]], rate: float | None
) -> Manifest:
    spec, provider = mapping(document.get("spec")), text(get(document, "spec", "provider")) or USUAL_PROVIDER
    name, namespace = text(get(document, "metadata", "name")) or "?", text(get(document, "metadata", "namespace"))
    analysis, place, about = analysis_of(spec, (*base, "spec"))
    shape = [*shape_findings(document, base, provider), *about]
    if not analysis:
        return Manifest(name, 60.0, 1, "canary", (), None, (), (), None, tuple(shape), unsimulated="it has no analysis")
    interval, about_interval = interval_of(analysis.get("interval"), place)
    threshold, about_threshold = threshold_of(analysis, place, interval)
    walk = walk_of(analysis, place, provider)
    metrics = metrics_of(analysis, place, provider, namespace, templates)
    blocked = tuple(metric.name for metric in metrics if metric.blocked)
    needed = _needed_rate(metrics, walk)
    findings = (
        *shape, *about_interval, *about_threshold, *walk.findings, *_unchecked(analysis, place), *metric_findings(metrics),
        *webhook_findings(analysis, place, walk.strategy, interval), *_traffic(analysis, place, walk, metrics, (needed, rate)),
        *_blocked(blocked, place, threshold, interval),
    )  # fmt: skip
    made = Manifest(
        name, interval, threshold, walk.strategy, walk.weights, walk.ticks, blocked, gates_of(analysis, walk.strategy), needed,
        findings, unsimulated=walk.unsimulated,
    )  # fmt: skip
    return _with_checks(made, metrics, place)


def _unchecked(analysis: Mapping[str, Any], place: Place) -> Iterator[ManifestFinding]:
    """What it means that there are no metrics."""
    if listed(analysis.get("metrics")):
        return
    kinds = {kind_of(mapping(hook)) for hook in listed(analysis.get("webhooks"))}
    if kinds <= {"event", "post-rollout"}:
        yield ManifestFinding("error", place, "no metrics: every canary is promoted", "add request-success-rate")
    else:
        said = "no metrics: nothing but the answers of webhooks stops a canary"
        yield ManifestFinding("warning", place, said, "add request-success-rate")


def _with_checks(manifest: Manifest, metrics: Sequence[Metric], place: Place) -> Manifest:
    """Return the manifest with what a simulation may assume of its metrics, and nothing else."""
    errors = [(metric.errors, metric.window) for metric in metrics if metric.errors is not None]
    slow = [(metric.latency, metric.window) for metric in metrics if metric.latency is not None]
    failures = any(metric.counts_failures for metric in metrics)
    unknown = tuple(
        metric.name
        for metric in metrics
        if metric.errors is None and metric.latency is None and not metric.counts_failures
    )
    error_rate, errors_window = min(errors, default=(None, None))
    (limit, share), slow_window = min(slow, default=((None, 0.05), None))
    checks = FlaggerChecks(errors_window, slow_window, share, failures)
    reason = manifest.unsimulated
    if not errors and not slow and not failures and not reason:
        reason = "the simulation knows what errors, latency and failure counters are, and it checks none of them"
    findings = manifest.findings
    if unknown and not reason:
        said = f"the simulation does not know what {', '.join(unknown)} measures, and takes it as passed"
        findings = (*findings, ManifestFinding("note", (*place, "metrics"), said, ""))
    return replace(
        manifest, checks=checks, error_rate=_ERROR_RATE if error_rate is None else error_rate, slow=limit or _SLOW,
        unsimulated=reason, unknown=unknown, findings=findings,
    )  # fmt: skip


def _blocked(names: tuple[str, ...], place: Place, threshold: int, interval: float) -> list[ManifestFinding]:
    if not names:
        return []
    fate = f"no canary is ever promoted, each is rolled back after {span((threshold + 1) * interval)}"
    said = f"{', '.join(names)} fails on every tick: {fate}"
    return [ManifestFinding("error", (*place, "metrics"), said, "see the metric's own line")]


def _needed_rate(metrics: Sequence[Metric], walk: Walk) -> float | None:
    """Return the requests a second in all with which a check of errors at the first weight allows one; None without such a check."""
    first = walk.weights[0] if walk.weights else 0
    found = [1 / metric.errors / metric.window for metric in metrics if metric.errors]
    return max(found) / (first / 100) if found and first > 0 else None


def _of_users(metric: Metric) -> bool:
    """Return whether it has a value only while the canary gets requests."""
    return metric.built_in or metric.errors is not None or metric.latency is not None


def _traffic(
    analysis: Mapping[str, Any],
    place: Place,
    walk: Walk,
    metrics: Sequence[Metric],
    rates: tuple[float | None, float | None],
) -> Iterator[ManifestFinding]:
    needed, rate = rates
    if needed is not None and (rate is None or rate < needed):
        said = f"one failed request fails a check of a healthy canary unless there are {needed:.1f} requests/s in all"
        yield ManifestFinding(
            "warning", (*place, "metrics"), said, "know your traffic, or give the check a longer window"
        )
    kinds = [kind_of(mapping(hook)) for hook in listed(analysis.get("webhooks"))]
    windows = [metric.window for metric in metrics if _of_users(metric)]
    if windows and "rollout" not in kinds and not walk.mirrored:
        if walk.strategy == "blue/green" and "pre-rollout" not in kinds:
            said = "no load test: users stay on the primary, so that a metric of requests has no values and each canary is rolled back"
            yield ManifestFinding(
                "warning", place, said, "add a webhook of type rollout that sends the canary requests, or mirror"
            )
        elif walk.strategy != "blue/green" and (rate is None or rate < _enough(walk, min(windows))):
            said = f"no load test: {span(min(windows))} without requests to the canary is 'no values found', a failed check"
            yield ManifestFinding(
                "warning", place, said, "add a webhook of type rollout that sends requests, or have steady traffic"
            )
    yield ManifestFinding(
        "note", place, "nothing is checked after the promotion, and nothing is compared with the old version", ""
    )


def _enough(walk: Walk, window: float) -> float:
    """Return the total requests a second from which on the canary surely has requests in each check (20 are expected)."""
    first = walk.weights[0] / 100 if walk.weights and walk.weights[0] > 0 else 0.0
    return _SURELY / window / first if first else math.inf
