"""What an existing Flagger Canary really does, read from its manifest.  Pure: plain values in, findings out.

Facts from fluxcd/flagger at 15bd6ad: ``pkg/apis/flagger/v1beta1/canary.go``, ``pkg/controller/scheduler*.go``,
``pkg/metrics/observers``.  ``analysis.flagger`` is the same rule as a judge.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from dawsos.errors import BadInput
from dawsos.importers.flagger_metrics import BUILT_INS, ManifestFinding, Place, metric_findings
from dawsos.model.policy import LadderStep, RolloutPolicy

_INTERVAL = re.compile(r"^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$")
_SHORTEST = 10.0
_USUAL = 60.0
_MOST_STEPS = 1000
_SURELY = 20.0
_NEEDS_INGRESS = ("nginx", "skipper")

Walk = Literal["ends", "stalls"]


@dataclass(frozen=True)
class Manifest:
    """One Canary as Flagger walks it.  ``interval`` in seconds; ``weights`` are the steps it takes, ``ends`` is False when it
    never gets past the last of them; ``blocked`` names metrics that fail on every tick; ``needed_rate`` is the total
    requests a second below which one single failed request fails a check at the first weight (None: no such metric);
    ``passes`` checks must pass at each weight (1, or the iterations of blue/green)."""

    name: str
    interval: float
    threshold: int
    weights: tuple[int, ...]
    ends: bool
    blocked: tuple[str, ...]
    needed_rate: float | None
    findings: tuple[ManifestFinding, ...]
    error_rate: float = 0.005
    slow: float = 1.2
    passes: int = 1

    @property
    def rollback_seconds(self) -> float:
        """Seconds from the first check to the rollback of a canary that is bad from the start."""
        return (self.threshold + 1) * self.interval

    @property
    def promote_seconds(self) -> float | None:
        """Seconds of analysis of a healthy canary, None when it is never promoted."""
        return None if self.blocked or not self.ends else len(self.weights) * self.passes * self.interval

    def policy(self) -> RolloutPolicy:
        """Return the same rule as a rollout policy, to simulate it; raises BadInput when its weights are no ladder."""
        weights = [weight for weight in self.weights if 0 < weight <= 100]
        if not weights or sorted(set(weights)) != weights:
            raise BadInput(f"{self.name}: its weights {weights} are no ladder that could be simulated")
        last = [] if weights[-1] == 100 else [100]
        return RolloutPolicy(
            judge="flagger",
            ladder=tuple(
                LadderStep(weight=weight, duration=self.interval * self.passes) for weight in [*weights, *last]
            ),
            check_interval=self.interval,
            failed_checks=self.threshold,
            error_rate=self.error_rate,
            p95=self.slow,
        )


def read_manifest(documents: Sequence[Mapping[str, Any]], rate: float | None = None) -> list[Manifest]:
    """Return every Canary among ``documents``, with the MetricTemplates beside it; raises BadInput without any.

    ``rate`` is the traffic in requests a second, when it is known: a Canary for which it is enough has no finding about it.
    """
    templates = {
        str(_get(document, "metadata", "name")): str(_get(document, "spec", "query") or "")
        for document in documents
        if document.get("kind") == "MetricTemplate"
    }
    found = [
        _canary(document, number, templates, rate)
        for number, document in enumerate(documents)
        if document.get("kind") == "Canary"
    ]
    if not found:
        raise BadInput(
            "there is no Canary in this file", fix="give a manifest with `kind: Canary` (flagger.app/v1beta1)"
        )
    return found


def _canary(document: Mapping[str, Any], number: int, templates: Mapping[str, str], rate: float | None) -> Manifest:
    root: Place = (number, "spec")
    spec = _mapping(document.get("spec"))
    analysis = _mapping(spec.get("analysis"))
    place: Place = (*root, "analysis")
    interval, about_interval = _interval(analysis.get("interval"), place)
    threshold, about_threshold = _threshold(analysis.get("threshold"), place, interval)
    weights, ends, about_weights = _ladder(analysis, place)
    provider = str(spec.get("provider") or "istio")
    metrics = [_mapping(metric) for metric in _list(analysis.get("metrics"))]
    about_metrics = metric_findings(metrics, place, templates, provider)
    blocked = tuple(str(metric.get("name")) for metric in metrics if not _resolvable(metric))
    error_rate, slow = _limits(metrics)
    needed = _needed_rate(metrics, interval, weights)
    findings = [
        *_shape(document, spec, root, provider), *about_interval, *about_threshold, *about_weights, *about_metrics,
        *_traffic(analysis, place, needed, rate, _enough(interval, weights)), *_blocked(blocked, place, threshold, interval),
    ]  # fmt: skip
    return Manifest(
        str(_get(document, "metadata", "name") or "?"), interval, threshold, weights, ends, blocked, needed,
        tuple(findings), error_rate, slow, max(1, _iterations(analysis)),
    )  # fmt: skip


def _shape(
    document: Mapping[str, Any], spec: Mapping[str, Any], root: Place, provider: str
) -> Iterable[ManifestFinding]:
    if document.get("apiVersion") != "flagger.app/v1beta1":
        api_version = document.get("apiVersion")
        yield ManifestFinding(
            "error", (root[0],), f"apiVersion {api_version!r} is not Flagger's", "write flagger.app/v1beta1"
        )
    if not spec.get("targetRef"):
        yield ManifestFinding("error", root, "no targetRef: the API server refuses the Canary", "name the Deployment")
    if not _get(spec, "service", "port"):
        yield ManifestFinding("error", (*root, "service"), "service.port is missing", "give the port of the service")
    if provider in _NEEDS_INGRESS and not spec.get("ingressRef"):
        yield ManifestFinding("error", root, f"provider {provider} needs an ingressRef", "name the Ingress")
    if spec.get("skipAnalysis"):
        yield ManifestFinding("error", (*root, "skipAnalysis"), "skipAnalysis promotes without any check", "remove it")


def _interval(value: object, place: Place) -> tuple[float, list[ManifestFinding]]:
    where = (*place, "interval")
    if value is None:
        return _USUAL, [
            ManifestFinding("error", place, "no interval: the API server refuses the Canary", "write interval: 1m")
        ]
    match = _INTERVAL.match(str(value))
    if not match or not any(match.groups()):
        return _USUAL, [
            ManifestFinding("warning", where, f"interval {value!r} cannot be read: 60 s is used", "write 1m or 30s")
        ]
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    found = hours * 3600.0 + minutes * 60 + seconds
    if match[1]:
        text = f"interval {value!r}: the API server refuses hours"
        return found, [ManifestFinding("error", where, text, f"write {found / 60:g}m")]
    if found < _SHORTEST:
        return _SHORTEST, [
            ManifestFinding("warning", where, f"interval {value} is raised to 10 s", "write 10s or more")
        ]
    return found, []


def _threshold(value: object, place: Place, interval: float) -> tuple[int, list[ManifestFinding]]:
    number = value if isinstance(value, int) and not isinstance(value, bool) else 0
    where = (*place, "threshold")
    if number <= 0:
        return 1, [
            ManifestFinding(
                "warning", where, f"threshold {value!r} means 1: the first failed check rolls back", "write it out"
            )
        ]
    total = f"{number} failed checks in all, not in a row: a check that passes takes none away"
    late = f"and the rollback comes one tick later, after {_span((number + 1) * interval)}"
    return number, [ManifestFinding("note", where, f"{total}, {late}", "")]


def _ladder(analysis: Mapping[str, Any], place: Place) -> tuple[tuple[int, ...], bool, list[ManifestFinding]]:
    listed, step, most = analysis.get("stepWeights"), analysis.get("stepWeight"), analysis.get("maxWeight") or 0
    numbers = [*(listed if isinstance(listed, list) else [] if listed is None else [listed]), step or 0, most]
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        raise BadInput("stepWeights, stepWeight and maxWeight are whole numbers", fix="write stepWeights: [5, 25, 50]")
    if _iterations(analysis):
        note = ManifestFinding(
            "note", (*place, "iterations"), "iterations: blue/green, the whole traffic at once, no ladder", ""
        )
        return (100,), True, [note]
    if isinstance(listed, list) and listed and step:
        text = "stepWeight and stepWeights together are refused by the API server"
        return tuple(listed), True, [ManifestFinding("error", (*place, "stepWeights"), text, "keep stepWeights")]
    if isinstance(listed, list) and listed:
        return _explicit(tuple(listed), analysis, place)
    if step is None:
        text = "neither stepWeight nor stepWeights: the API server refuses the Canary"
        return (), False, [ManifestFinding("error", place, text, "write stepWeights: [5, 25, 50]")]
    # Nothing, 0 and less mean the whole traffic.
    return _linear(int(step), int(most) if most > 0 else 100, place)


def _iterations(analysis: Mapping[str, Any]) -> int:
    """Return how often a blue/green analysis must pass, 0 where there is a ladder."""
    number = analysis.get("iterations")
    return max(0, number) if isinstance(number, int) and not isinstance(number, bool) else 0


def _explicit(
    listed: tuple[int, ...], analysis: Mapping[str, Any], place: Place
) -> tuple[tuple[int, ...], bool, list[ManifestFinding]]:
    findings = []
    if "maxWeight" in analysis:
        findings.append(
            ManifestFinding("note", (*place, "maxWeight"), "maxWeight is ignored beside stepWeights", "remove it")
        )
    for before, after in pairwise(listed):
        if after <= before:
            text = f"the walk stalls at {before} %: stepWeights must increase, {after} does not"
            findings.append(ManifestFinding("error", (*place, "stepWeights"), text, "sort the weights, each once"))
            return listed[: listed.index(before) + 1], False, findings
    return listed, True, findings


def _linear(step: int, most: int, place: Place) -> tuple[tuple[int, ...], bool, list[ManifestFinding]]:
    where = (*place, "stepWeight")
    if step <= 0:
        return (
            (0,),
            False,
            [ManifestFinding("error", where, f"stepWeight {step}: the canary stays at 0 % for ever", "write 10 or so")],
        )
    count = min(_MOST_STEPS, math.ceil(most / step))
    weights = tuple(min(100, step * number) for number in range(1, count + 1))
    walk = " ".join(map(str, weights[:12])) + (" ..." if count > 12 else "")
    text = f"the walk is {walk} %: it begins with {step} % of the users and every step lasts one interval"
    findings = [
        ManifestFinding(
            "warning" if step > 5 else "note", where, text, "for 5 25 45 ... write stepWeights: [5, 25, 45, ...]"
        )
    ]
    if weights[-1] > most:
        findings.append(
            ManifestFinding(
                "warning", (*place, "maxWeight"), f"it overshoots maxWeight {most}: {weights[-1]} %", "use a multiple"
            )
        )
    return weights, True, findings


def _resolvable(metric: Mapping[str, Any]) -> bool:
    return bool(metric.get("name") in BUILT_INS or metric.get("templateRef") or metric.get("query"))


def _blocked(names: tuple[str, ...], place: Place, threshold: int, interval: float) -> list[ManifestFinding]:
    if not names:
        return []
    fate = f"no canary is ever promoted, each is rolled back after {_span((threshold + 1) * interval)}"
    text = f"{', '.join(names)} fails on every tick: {fate}"
    return [ManifestFinding("error", (*place, "metrics"), text, "see the metric's own line")]


def _limits(metrics: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    error_rate, slow = 0.005, 1.2
    for metric in metrics:
        limits = _mapping(metric.get("thresholdRange"))
        # Without a range Flagger still reads the deprecated threshold: the least rate, the longest duration.
        least, most = (_number(limits.get(key) if limits else metric.get("threshold")) for key in ("min", "max"))
        if _measures_errors(metric) and least is not None:
            error_rate = round(min(1.0, max(0.0, 1 - least / 100)), 9)
        if str(metric.get("name", "")).startswith("request-duration") and most is not None and most > 0:
            slow = most / 1000
    return error_rate, slow


def _needed_rate(metrics: Sequence[Mapping[str, Any]], interval: float, weights: tuple[int, ...]) -> float | None:
    error_rate, _ = _limits(metrics)
    if not any(map(_measures_errors, metrics)) or not weights or weights[0] <= 0 or error_rate <= 0:
        return None
    return 1 / error_rate / max(interval, _USUAL) / (weights[0] / 100)


def _measures_errors(metric: Mapping[str, Any]) -> bool:
    """Return whether it is Flagger's success rate, or a template's with a name like it (per cent as well)."""
    return str(metric.get("name", "")).endswith("success-rate")


def _enough(interval: float, weights: tuple[int, ...]) -> float:
    """Return the total requests a second from which on the canary surely has requests in each check (20 are expected)."""
    first = weights[0] / 100 if weights and weights[0] > 0 else 0.0
    return _SURELY / max(interval, _USUAL) / first if first else math.inf


def _traffic(
    analysis: Mapping[str, Any], place: Place, needed: float | None, rate: float | None, enough: float
) -> Iterable[ManifestFinding]:
    if needed is not None and (rate is None or rate < needed):
        text = f"one failed request fails a check of a healthy canary unless there are {needed:.1f} requests/s in all"
        yield ManifestFinding(
            "warning", (*place, "metrics"), text, "know your traffic, or give the check a longer window"
        )
    hooks = [_mapping(hook).get("type") for hook in _list(analysis.get("webhooks"))]
    if "rollout" not in hooks and None not in hooks and (rate is None or rate < enough):
        text = "no load test: a minute without requests to the canary is 'no values found', a failed check"
        yield ManifestFinding(
            "warning", place, text, "add a webhook of type rollout that sends requests, or have steady traffic"
        )
    yield ManifestFinding(
        "note", place, "nothing is checked after the promotion, and nothing is compared with the old version", ""
    )


def _span(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} min"


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _get(value: Mapping[str, Any], *path: str) -> Any:
    found: Any = value
    for key in path:
        found = _mapping(found).get(key)
    return found


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
