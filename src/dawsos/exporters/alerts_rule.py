"""An alert rule as a value, with the series on which promtool sees it fire and those on which it must not.  Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Literal

from dawsos.model.exports import AlertsOptions
from dawsos.model.pipeline import Pipeline

# critical: somebody is woken; warning: somebody looks today; info: shown beside the others.
Severity = Literal["critical", "warning", "info"]

# Seconds between the evaluations of unit tests, and of those that run over days.
EVALUATED, EVALUATED_SELDOM = 300.0, 3600.0
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))


@dataclass(frozen=True)
class Fired:
    """An alert that must fire: its labels beside those of the rule, and what its templates become (template -> text).

    Templates of labels, ``{{ $labels.stage }}``, need no entry.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One unit test: ``series`` maps a series to its values in promtool's notation, one each ``interval`` seconds from 0.

    At the first evaluation not before ``at`` seconds the rule has exactly the alerts ``fires``.
    """

    name: str
    series: Mapping[str, str]
    at: float
    fires: tuple[Fired, ...] = ()
    interval: float = 60.0

    @property
    def evaluated(self) -> float:
        """Seconds between the evaluations of its file.  promtool's time grows with the square of their number."""
        return EVALUATED if self.interval < 600 else EVALUATED_SELDOM


@dataclass(frozen=True)
class Rule:
    """One alert.  ``hold`` is for how many seconds ``expr`` must hold; ``why`` is written into the query as a comment.

    ``runbook`` is the heading of the runbook's section; the alert's own name when empty.
    """

    name: str
    expr: str
    severity: Severity
    summary: str
    description: str
    cases: tuple[Case, ...]
    hold: float = 0.0
    why: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    runbook: str = ""

    @property
    def query(self) -> str:
        """The expression with its comments."""
        return "\n".join((*(f"# {line}" for line in self.why), self.expr))


@dataclass(frozen=True)
class Scope:
    """What the rules are made for."""

    pipeline: Pipeline
    options: AlertsOptions

    def tool(self, name: str, *matchers: str) -> str:
        """Return the selector of a metric of the tool."""
        return selector(name, self.options.pipeline_series, *matchers)

    def service(self, name: str, *matchers: str) -> str:
        """Return the selector of a metric of the service, in the environment that has the users."""
        labels = self.options.service_series
        if labels is None:
            labels = {"environment": self.pipeline.rollout_stage().environment}
        return selector(name, labels, *matchers)


def selector(name: str, labels: Mapping[str, str], *matchers: str) -> str:
    """Return ``name{matchers,labels}``; with matchers that are equalities it is also the name of a series."""
    pairs = [*matchers, *(f"{key}={quoted(value)}" for key, value in labels.items())]
    return f"{name}{{{','.join(pairs)}}}" if pairs else name


def quoted(text: str) -> str:
    """Return a string of PromQL."""
    return json.dumps(text, ensure_ascii=False)


def any_of(selectors: Mapping[str, str], label: str) -> str:
    """Return the query that has a series for each non-empty one of ``selectors`` (value of ``label`` -> query)."""
    return "\nor ".join(
        f'label_replace({query}, "{label}", {quoted(value)}, "", "")' for value, query in selectors.items()
    )


def duration(seconds: float) -> str:
    """Return a duration as Prometheus writes it: ``5m``, ``1h30m``, ``3d``."""
    left, parts = round(seconds * 1000), []
    for unit, size in _UNITS:
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def told(seconds: float) -> str:
    """Return a duration for a person: ``1.2s``, ``25m``."""
    return f"{number(seconds)}s" if seconds < 60 else duration(seconds)


def number(value: float) -> str:
    """Return a number as PromQL reads it, without the noise of binary fractions."""
    return f"{value:.10g}"


def nice(value: float) -> float:
    """Return ``value`` with three significant digits: no rounding of a template can go either way on it."""
    return float(f"{value:.3g}")


def humanized_share(share: float) -> str:
    """Return what ``humanizePercentage`` makes of a share."""
    return f"{share * 100:.4g}%"


def humanized_duration(seconds: float) -> str:
    """Return what ``humanizeDuration`` makes of seconds (at least a millisecond).

    https://github.com/prometheus/common/blob/main/helpers/templates/time.go
    """
    if seconds < 1:
        return f"{seconds * 1000:.4g}ms"
    if seconds < 60:
        return f"{seconds:.4g}s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")]
    while not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{count}{unit}" for count, unit in parts)


def rule_document(rule: Rule, options: AlertsOptions) -> dict[str, Any]:
    """Return the rule as Prometheus reads it."""
    held = {"for": duration(rule.hold)} if rule.hold else {}
    return {
        "alert": rule.name,
        "expr": rule.query,
        **held,
        "labels": _labels(rule, options),
        "annotations": _annotations(rule, options),
    }


def case_document(rule: Rule, case: Case, options: AlertsOptions) -> dict[str, Any]:
    """Return one unit test as promtool reads it."""
    test: dict[str, Any] = {
        "eval_time": duration(ceil(case.at / case.evaluated) * case.evaluated),
        "alertname": rule.name,
    }
    if case.fires:
        test["exp_alerts"] = [
            {
                "exp_labels": {**fired.labels, **_labels(rule, options)},
                "exp_annotations": {key: _expanded(text, fired) for key, text in _annotations(rule, options).items()},
            }
            for fired in case.fires
        ]
    series = [{"series": name, "values": values} for name, values in case.series.items()]
    return {
        "name": f"{rule.name}: {case.name}",
        "interval": duration(case.interval),
        "input_series": series,
        "alert_rule_test": [test],
    }


def _labels(rule: Rule, options: AlertsOptions) -> dict[str, str]:
    return {"severity": rule.severity, **rule.labels, **options.labels}


def _annotations(rule: Rule, options: AlertsOptions) -> dict[str, str]:
    # The anchor that GitHub makes of a heading of one word: https://github.com/gjtorikian/html-pipeline (TableOfContentsFilter)
    anchor = (rule.runbook or rule.name).lower()
    return {
        "summary": rule.summary,
        "description": rule.description,
        "runbook_url": f"{options.runbooks}#{anchor}",
    }


def _expanded(text: str, fired: Fired) -> str:
    for template, value in fired.shown.items():
        text = text.replace(template, value)
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: fired.labels.get(found[1], ""), text)
