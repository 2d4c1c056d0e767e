"""What the metrics of a Flagger Canary really measure: one function a fault, over one metric at a time.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Place = tuple[str | int, ...]

BUILT_INS = ("request-success-rate", "request-duration")
_MEANS = ("nginx", "skipper")
_COMPARISON = re.compile(r"(==|!=|>=|<=|>|<)\s*(?!bool\b)[-\d(a-z]")
_WINDOW = re.compile(r"\[(\d+[smhd])\]")
_SELECTOR = re.compile(r"\{\s*(?!\{)[^}]*(=~?|!~)[^}]*\}")


@dataclass(frozen=True)
class ManifestFinding:
    """A finding.  ``error``: it cannot work; ``warning``: it does not do what it seems to; ``note``: what it means."""

    level: Literal["error", "warning", "note"]
    place: Place
    message: str
    fix: str = ""


def metric_findings(
    metrics: Sequence[Mapping[str, Any]], analysis: Place, templates: Mapping[str, str], provider: str
) -> list[ManifestFinding]:
    """Return what is to be known of each metric; ``templates`` are the queries of the MetricTemplates at hand."""
    found: list[ManifestFinding] = []
    if not metrics:
        found.append(
            ManifestFinding("error", analysis, "no metrics: every canary is promoted", "add request-success-rate")
        )
    for number, metric in enumerate(metrics):
        place = (*analysis, "metrics", number)
        name = str(metric.get("name"))
        reference = metric.get("templateRef")
        query = str(metric.get("query") or "")
        if isinstance(reference, Mapping):
            query = templates.get(str(reference.get("name")), "")
            if not query:
                text = f"{name}: its MetricTemplate {reference.get('name')!r} is not in this file and was not read"
                found.append(ManifestFinding("note", place, text, "give both files"))
        found += _kind(metric, name, place, provider)
        found += _range(metric, name, place, query)
        found += _query(metric, name, (*place, "query") if metric.get("query") else place, query)
    return found


def _kind(metric: Mapping[str, Any], name: str, place: Place, provider: str) -> Iterable[ManifestFinding]:
    if metric.get("query"):
        yield ManifestFinding("note", place, f"{name}: an inline query is deprecated", "move it to a MetricTemplate")
    elif name not in BUILT_INS and not metric.get("templateRef"):
        text = f"{name} is no metric of Flagger and has neither templateRef nor query: it can never have a value"
        yield ManifestFinding(
            "error", place, text, f"built in are {' and '.join(BUILT_INS)}; else write a MetricTemplate"
        )
    if name == "request-duration" and not metric.get("templateRef"):
        what = "the mean, not a quantile" if provider in _MEANS else "p99, in milliseconds"
        yield ManifestFinding("note", place, f"request-duration is {what} with provider {provider}", "")


def _range(metric: Mapping[str, Any], name: str, place: Place, query: str) -> Iterable[ManifestFinding]:
    limits = metric.get("thresholdRange")
    if not isinstance(limits, Mapping) or not limits:
        if name not in BUILT_INS or metric.get("threshold") is None:
            yield ManifestFinding(
                "warning", place, f"{name}: without a thresholdRange the most allowed is 0", "write thresholdRange"
            )
        return
    most = limits.get("max")
    if name.startswith("request-duration") and isinstance(most, (int, float)) and 0 < most < 20:
        text = f"{name}: max {most:g} is in milliseconds; {most:g} s would be {most * 1000:g}"
        yield ManifestFinding("warning", (*place, "thresholdRange"), text, "write milliseconds")
    seconds = "histogram_quantile" in query and "seconds" in query and "1000" not in query
    if seconds and isinstance(most, (int, float)) and most >= 20:
        yield ManifestFinding(
            "warning", place, f"{name}: the query gives seconds, max {most:g} never fails", "multiply by 1000"
        )


def _query(metric: Mapping[str, Any], name: str, place: Place, query: str) -> Iterable[ManifestFinding]:
    window = _WINDOW.search(query)
    interval = str(metric.get("interval") or "1m")
    # Flagger's own queries, and templates that use it, look back over the interval.
    if metric.get("interval") and interval != "1m" and window:
        fixed = f"; the query's window is fixed at [{window.group(1)}]"
        text = f"{name}: interval {interval} does not say how often it is checked (every tick checks all){fixed}"
        yield ManifestFinding("warning", place, text, "use [{{ interval }}] in the query")
    if not query:
        return
    bare = _without_labels(query)
    if _COMPARISON.search(bare):
        text = f"{name}: a comparison filters: where it does not hold there is no value, and 'no values found' fails the check"
        yield ManifestFinding("error", place, text, "query the number and put the limit into thresholdRange")
        yield ManifestFinding(
            "warning", place, f"{name}: a counter that was never raised is not exported: then a healthy canary has no value",
            "add `or vector(0)` and check that the target is up",
        )  # fmt: skip
    if not _SELECTOR.search(query.replace("{{", "").replace("}}", "")):
        text = f"{name}: the query is not scoped: it sums the old version, the new one and all namespaces"
        yield ManifestFinding(
            "error",
            place,
            text,
            'select {namespace="{{ namespace }}", pod=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"}',
        )
    if "#" in query:
        yield ManifestFinding(
            "error", place, f"{name}: line breaks are removed, so that a # comments out the rest", "remove it"
        )
    if "or vector(0)" in query:
        yield ManifestFinding(
            "warning", place, f"{name}: `or vector(0)` also hides an exporter that is dead", "check `up` as well"
        )


def _without_labels(query: str) -> str:
    """Return the query without its label selectors, in which = and != are no comparisons."""
    return re.sub(r"\{[^{}]*\}", "", re.sub(r"\{\{[^{}]*\}\}", "x", query))
