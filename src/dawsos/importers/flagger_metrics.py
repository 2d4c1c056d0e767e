"""What the metrics of a Flagger Canary really measure: one function a fault, over one metric at a time.  Pure.

From fluxcd/flagger at 15bd6ad: ``pkg/controller/scheduler_metrics.go``, ``pkg/metrics``.  All metrics are checked at every tick; a
metric's ``interval`` is only the window over which it looks back.  Flagger's own queries and inline ones look back over 1m when it
is missing; in a MetricTemplate nothing stands in for it: ``[{{ interval }}]`` becomes ``[]`` there, which no Prometheus reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dawsos.importers.flagger_values import (
    SCHEMA_TIME,
    ManifestFinding,
    Place,
    get,
    listed,
    mapping,
    number,
    seconds,
    text,
)

BUILT_INS = ("request-success-rate", "request-duration")
_MEANS = ("nginx", "skipper")
_USUAL = 60.0
# Providers of numbers whose client needs the metric's own interval; all but newrelic look back over ten of it.
_NEED_INTERVAL = ("datadog", "cloudwatch", "newrelic", "dynatrace", "splunk")
_SOURCES = ("prometheus", "influxdb", "externalmetrics", "stackdriver", "graphite", "keptn", *_NEED_INTERVAL)
_COMPARISON = re.compile(r"(==|!=|>=|<=|>|<)\s*(?!bool\b)[-\d(a-z]")
_WINDOW = re.compile(r"\[(\d+[smhd])\]")
_SELECTOR = re.compile(r"\{\s*(?!\{)[^}]*(=~?|!~)[^}]*\}")
_FIELD = re.compile(r"\{\{-?\s*(\w+)(?:\.(\w+))?")
_FIELDS = ("name", "namespace", "target", "service", "ingress", "route", "interval", "variables")
_QUANTILE = re.compile(r"histogram_quantile\(\s*(0?\.\d+)")


@dataclass(frozen=True)
class Template:
    """One MetricTemplate of the file."""

    namespace: str
    source: str
    query: str


@dataclass(frozen=True)
class Metric:
    """One metric of a Canary: ``query`` is that of its template or its own, empty when it is not known; ``source`` answers it."""

    raw: Mapping[str, Any]
    place: Place
    provider: str
    namespace: str
    templates: tuple[Template, ...] = ()

    @property
    def name(self) -> str:
        return text(self.raw.get("name")) or "?"

    @property
    def referred(self) -> bool:
        return bool(self.raw.get("templateRef"))

    @property
    def built_in(self) -> bool:
        """Flagger checks its own metric by the name alone, also where a template stands beside it."""
        return self.name in BUILT_INS

    @property
    def template(self) -> Template | None:
        """The template that Flagger finds: by name, in the namespace that the reference says, else in the Canary's."""
        wanted = text(get(self.raw, "templateRef", "namespace")) or self.namespace
        fits = [each for each in self.templates if not each.namespace or not wanted or each.namespace == wanted]
        return fits[0] if fits else None

    @property
    def query(self) -> str:
        if self.referred:
            return self.template.query if self.template else ""
        return text(self.raw.get("query"))

    @property
    def source(self) -> str:
        return self.template.source if self.referred and self.template else "prometheus"

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """The least and the most; without a range Flagger still reads the deprecated threshold."""
        if self.raw.get("thresholdRange") is not None:
            limits = mapping(self.raw["thresholdRange"])
            return number(limits.get("min")), number(limits.get("max"))
        old = number(self.raw.get("threshold"))
        return (old, None) if self.name == BUILT_INS[0] else (None, old or 0.0)

    @property
    def window(self) -> float:
        """The seconds over which it looks back."""
        fixed = _WINDOW.search(self.query)
        if fixed:
            return float(fixed[1][:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[fixed[1][-1]]
        return seconds(self.raw.get("interval")) or _USUAL

    @property
    def blocked(self) -> bool:
        """Whether it can never have a value, so that each check fails."""
        return any(finding.level == "error" for finding in _values(self))

    @property
    def errors(self) -> float | None:
        """The share of errors from which on it fails; None when it does not measure errors."""
        least, most = self.limits
        if self.name.endswith("success-rate") and least is not None:
            return round(min(1.0, max(0.0, 1 - least / 100)), 9)
        if self.name.endswith(("error-rate", "error-percentage")) and most is not None and self.query:
            return min(1.0, most / 100 if "100" in self.query else most)
        return None

    @property
    def latency(self) -> tuple[float, float] | None:
        """(the seconds from which on it fails, the share of requests that may be slower); None when it does not measure a quantile."""
        most = self.limits[1]
        if most is None or most <= 0:
            return None
        if self.built_in:
            quantile = self.name == BUILT_INS[1] and self.provider not in _MEANS
            return (most / 1000, 0.01) if quantile else None
        found = _QUANTILE.search(self.query)
        if found:
            milliseconds = "1000" in self.query or "milliseconds" in self.query or "_ms_" in self.query
            return (most / 1000 if milliseconds else most), round(1 - float(found[1]), 9)
        named = re.search(r"duration-p(\d\d)$", self.name)
        return (most / 1000, round(1 - float(named[1]) / 100, 9)) if named and not self.query else None

    @property
    def counts_failures(self) -> bool:
        """Whether it reads a failure counter, of which none is allowed."""
        return self.limits[1] == 0 and bool(
            re.search(r"fail(ed|ure)s?(_total)?\b", self.query) or "failure" in self.name
        )


def templates_of(documents: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Template, ...]]:
    """Return the MetricTemplates of the file by their names."""
    found: dict[str, tuple[Template, ...]] = {}
    for document in documents:
        if document.get("kind") == "MetricTemplate":
            name = text(get(document, "metadata", "name"))
            source = text(get(document, "spec", "provider", "type")) or "prometheus"
            made = Template(text(get(document, "metadata", "namespace")), source, text(get(document, "spec", "query")))
            found[name] = (*found.get(name, ()), made)
    return found


def metrics_of(
    analysis: Mapping[str, Any],
    place: Place,
    provider: str,
    namespace: str,
    templates: Mapping[str, tuple[Template, ...]],
) -> list[Metric]:
    """Return the metrics of an analysis."""
    return [
        Metric(
            mapping(raw), (*place, "metrics", index), provider, namespace,
            templates.get(text(get(raw, "templateRef", "name")), ()),
        )
        for index, raw in enumerate(listed(analysis.get("metrics")))
    ]  # fmt: skip


def metric_findings(metrics: Sequence[Metric]) -> Iterator[ManifestFinding]:
    """Return what is to be known of each metric."""
    for metric in metrics:
        yield from _values(metric)
        yield from _kind(metric)
        yield from _range(metric)
        if metric.query and metric.source == "prometheus":
            yield from _query(metric)
        elif metric.source != "prometheus":
            yield from _elsewhere(metric)


def _values(metric: Metric) -> Iterator[ManifestFinding]:
    """Why it can never have a value."""
    name, raw, place = metric.name, metric.raw, metric.place
    if not raw.get("name"):
        yield ManifestFinding("error", place, "a metric without a name: the API server refuses the Canary", "name it")
    elif not metric.referred and not metric.query and name not in BUILT_INS:
        said = f"{name} is no metric of Flagger and has neither templateRef nor query: it can never have a value"
        yield ManifestFinding(
            "error", place, said, f"built in are {' and '.join(BUILT_INS)}; else write a MetricTemplate"
        )
    interval = raw.get("interval")
    if interval is not None and not SCHEMA_TIME.match(text(interval)):
        yield ManifestFinding(
            "error",
            (*place, "interval"),
            f"{name}: the API server refuses the interval {interval!r}",
            "write 1m or 30s",
        )
    if metric.referred and metric.templates and metric.template is None:
        there = ", ".join(sorted({each.namespace for each in metric.templates}))
        said = f"{name}: its MetricTemplate is in the namespace {there}, and Flagger looks in that of the Canary"
        yield ManifestFinding("error", place, said, f"write templateRef.namespace: {there}")
    if metric.referred and interval is None:
        if metric.source in _NEED_INTERVAL:
            said = f"{name}: provider {metric.source} reads the metric's interval, and there is none: each check fails"
            yield ManifestFinding("error", place, said, "write interval: 1m")
        elif re.search(r"\{\{-?\s*interval\b", metric.query):
            said = f"{name}: the template uses {{{{ interval }}}}, and the metric has none: it becomes [], which Prometheus refuses"
            yield ManifestFinding("error", place, said, "write interval: 1m beside the templateRef")
    yield from _fields(metric)


def _fields(metric: Metric) -> Iterator[ManifestFinding]:
    """Fields of the query's template that Flagger cannot fill in: it then asks nothing, and the check fails."""
    known = mapping(metric.raw.get("templateVariables"))
    for field, key in dict.fromkeys(_FIELD.findall(metric.query)):
        if field not in _FIELDS:
            said = f"{metric.name}: Flagger knows no {{{{ {field} }}}} in a query: each check fails"
            yield ManifestFinding("error", metric.place, said, f"one of {', '.join(_FIELDS)}")
        elif field == "variables" and key and key not in known:
            said = f"{metric.name}: the query uses variables.{key}, and templateVariables has none: each check fails"
            yield ManifestFinding("error", metric.place, said, f"write templateVariables: {{{key}: ...}}")


def _kind(metric: Metric) -> Iterator[ManifestFinding]:
    name, place = metric.name, metric.place
    if metric.raw.get("query"):
        yield ManifestFinding("note", place, f"{name}: an inline query is deprecated", "move it to a MetricTemplate")
    if metric.referred and not metric.templates:
        wanted = get(metric.raw, "templateRef", "name")
        said = f"{name}: its MetricTemplate {wanted!r} is not in this file and was not read"
        yield ManifestFinding("note", place, said, "give both files")
    if metric.source not in _SOURCES:
        said = f"{name}: the API server refuses the MetricTemplate's provider {metric.source!r}"
        yield ManifestFinding("error", place, said, f"one of {', '.join(_SOURCES)}")
    if metric.built_in and metric.referred:
        said = f"{name} is the name of Flagger's own metric, which is checked as well, within the same range"
        yield ManifestFinding("warning", place, said, "give the metric another name")
    if name == "request-duration":
        what = "the mean, not a quantile" if metric.provider in _MEANS else "p99, in milliseconds"
        yield ManifestFinding("note", place, f"request-duration is {what} with provider {metric.provider}", "")
    if metric.built_in and (metric.provider == "kubernetes" or metric.provider.startswith("gatewayapi")):
        said = (
            f"{name} with provider {metric.provider} reads http_request_duration_seconds of the pods by the label "
            "kubernetes_pod_name, which no usual scraper sets"
        )
        yield ManifestFinding("note", place, said, "see that Prometheus has it, or use a MetricTemplate")


def _range(metric: Metric) -> Iterator[ManifestFinding]:
    name, limits = metric.name, mapping(metric.raw.get("thresholdRange"))
    if metric.raw.get("thresholdRange") is None:
        if metric.raw.get("threshold") is None:
            # Flagger compares with its deprecated threshold then, which is 0.
            said = "every rate passes" if name == BUILT_INS[0] else "the most allowed is 0"
            yield ManifestFinding(
                "warning", metric.place, f"{name}: without a thresholdRange {said}", "write thresholdRange"
            )
        return
    least, most = number(limits.get("min")), number(limits.get("max"))
    if least is None and most is None:
        yield ManifestFinding(
            "error", metric.place, f"{name}: thresholdRange has neither min nor max: every value passes", "write one"
        )
    if name.startswith("request-duration") and most is not None and 0 < most < 20:
        said = f"{name}: max {most:g} is in milliseconds; {most:g} s would be {most * 1000:g}"
        yield ManifestFinding("warning", (*metric.place, "thresholdRange"), said, "write milliseconds")
    in_seconds = "histogram_quantile" in metric.query and "seconds" in metric.query and "1000" not in metric.query
    if in_seconds and "milliseconds" not in metric.query and most is not None and most >= 20:
        yield ManifestFinding(
            "warning", metric.place, f"{name}: the query gives seconds, max {most:g} never fails", "multiply by 1000"
        )


def _elsewhere(metric: Metric) -> Iterator[ManifestFinding]:
    """What is known of a query that no Prometheus answers; its language is not read."""
    ways = {
        "datadog": "over ten intervals, and takes the oldest value of them: a fault is seen up to ten intervals late",
        "cloudwatch": "over ten intervals",
        "dynatrace": "over ten intervals",
        "splunk": "over ten intervals",
        "newrelic": "over one interval",
    }
    way = ways.get(metric.source, "over what the query says")
    said = f"{metric.name}: {metric.source} answers it, looking back {way}; the query was not read"
    yield ManifestFinding("note", metric.place, said, "")


def _query(metric: Metric) -> Iterator[ManifestFinding]:
    name, query = metric.name, metric.query
    place = (*metric.place, "query") if metric.raw.get("query") and not metric.referred else metric.place
    interval, window = text(metric.raw.get("interval")), _WINDOW.search(query)
    if interval and interval != "1m" and window:
        fixed = f"; the query's window is fixed at [{window.group(1)}]"
        said = f"{name}: interval {interval} does not say how often it is checked (every tick checks all){fixed}"
        yield ManifestFinding("warning", place, said, "use [{{ interval }}] in the query")
    if _COMPARISON.search(_without_labels(query)):
        said = f"{name}: a comparison filters: where it does not hold there is no value, and 'no values found' fails the check"
        yield ManifestFinding("error", place, said, "query the number and put the limit into thresholdRange")
        yield ManifestFinding(
            "warning", place, f"{name}: a counter that was never raised is not exported: then a healthy canary has no value",
            "add `or vector(0)` and check that the target is up",
        )  # fmt: skip
    if not _SELECTOR.search(query.replace("{{", "").replace("}}", "")):
        said = f"{name}: the query is not scoped: it sums the old version, the new one and all namespaces"
        yield ManifestFinding(
            "error",
            place,
            said,
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
