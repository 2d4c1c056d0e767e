"""What a metric measures, over which time, and when it can never have a value."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dawsos.errors import BadInput
from dawsos.importers.flagger import read_manifest
from importers.canaries import SUCCESS, TEMPLATE, changed, new, read, said

SCOPED = 'a_total{namespace="{{ namespace }}", pod=~"{{ target }}-x"}'


def one(query: str = "", **metric: Any) -> dict[str, Any]:
    """Return an analysis with the success rate and one more metric; with a ``query`` it is an inline one."""
    made = {"name": "mine", "interval": "1m", "thresholdRange": {"max": 1}, **metric}
    return {"metrics": [SUCCESS, {**made, "query": query} if query else made]}


def by_template(**metric: Any) -> dict[str, Any]:
    return one(templateRef={"name": "slow"}, **metric)


# name: (analysis, the template's spec, level, message, is it blocked)
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any], str, str, bool]] = {
    "unknown": (one(), {}, "error", "mine is no metric of Flagger and has neither templateRef nor query", True),
    "without a name": (one(name=None), {}, "error", "a metric without a name: the API server refuses", True),
    "interval of the template": (
        by_template(interval=None),
        {},
        "error",
        "it becomes [], which Prometheus refuses",
        True,
    ),
    "interval of an inline query": (
        one(f"sum(rate({SCOPED}[{{{{ interval }}}}]))", interval=None),
        {},
        "note",
        "an inline query is deprecated",
        False,
    ),
    "interval of hours": (
        by_template(interval="1h"),
        {},
        "error",
        "mine: the API server refuses the interval '1h'",
        True,
    ),
    "a fixed window": (
        by_template(interval=None),
        {"query": f"sum(rate({SCOPED}[5m]))"},
        "note",
        "does not know what mine measures",
        False,
    ),
    "a fixed window and an interval": (
        by_template(interval="5m"),
        {"query": f"sum(rate({SCOPED}[1m]))"},
        "warning",
        "interval 5m does not say how often",
        False,
    ),
    "an unknown field": (
        by_template(),
        {"query": 'a{b="{{ pod }}"}'},
        "error",
        "Flagger knows no {{ pod }} in a query",
        True,
    ),
    "a variable without a value": (
        by_template(),
        {"query": 'a{b="{{ variables.team }}"}'},
        "error",
        "the query uses variables.team",
        True,
    ),
    "a variable with a value": (
        by_template(templateVariables={"team": "a"}),
        {"query": 'a{b="{{ variables.team }}"}'},
        "note",
        "does not know what mine measures",
        False,
    ),
    "datadog without an interval": (
        by_template(interval=None),
        {"provider": {"type": "datadog"}, "query": "avg:x"},
        "error",
        "provider datadog reads the metric's interval",
        True,
    ),
    "datadog": (
        by_template(),
        {"provider": {"type": "datadog"}, "query": "avg:x{*}"},
        "note",
        "takes the oldest value of them",
        False,
    ),
    "newrelic": (
        by_template(),
        {"provider": {"type": "newrelic"}, "query": "SELECT 1"},
        "note",
        "newrelic answers it, looking back over one interval",
        False,
    ),
    "cloudwatch": (
        by_template(),
        {"provider": {"type": "cloudwatch"}, "query": "[]"},
        "note",
        "cloudwatch answers it, looking back over ten intervals",
        False,
    ),
    "graphite without an interval": (
        by_template(interval=None),
        {"provider": {"type": "graphite"}, "query": "x"},
        "note",
        "graphite answers it, looking back over what the query says",
        False,
    ),
    "a provider that is none": (
        by_template(),
        {"provider": {"type": "promtheus"}},
        "error",
        "refuses the MetricTemplate's provider 'promtheus'",
        False,
    ),
    "a comparison": (one(f"sum({SCOPED}) == 0"), {}, "error", "a comparison filters", False),
    "a comparison of another provider": (
        by_template(),
        {"provider": {"type": "influxdb"}, "query": "a == 0"},
        "note",
        "influxdb answers it",
        False,
    ),
    "not scoped": (one("sum(a_total)"), {}, "error", "the query is not scoped", False),
    "a comment": (one(f"{SCOPED} # why"), {}, "error", "a # comments out the rest", False),
    "a dead exporter": (one(f"{SCOPED} or vector(0)"), {}, "warning", "also hides an exporter that is dead", False),
    "no range": (
        one(SCOPED, thresholdRange=None),
        {},
        "warning",
        "mine: without a thresholdRange the most allowed is 0",
        False,
    ),
    "an empty range": (
        one(SCOPED, thresholdRange={}),
        {},
        "error",
        "thresholdRange has neither min nor max: every value passes",
        False,
    ),
    "no range of the success rate": (
        {"metrics": [{"name": "request-success-rate"}]},
        {},
        "warning",
        "without a thresholdRange every rate passes",
        False,
    ),
    "seconds as milliseconds": (
        by_template(name="request-duration", thresholdRange={"max": 1.2}),
        {},
        "warning",
        "max 1.2 is in milliseconds",
        False,
    ),
    "the name of Flagger's own": (
        by_template(name="request-duration"),
        {},
        "warning",
        "is the name of Flagger's own metric, which is checked as well",
        False,
    ),
    "seconds": (
        by_template(thresholdRange={"max": 500}),
        {"query": 'histogram_quantile(0.9, x_seconds_bucket{b="c"})'},
        "warning",
        "the query gives seconds",
        False,
    ),
    "a template elsewhere": (
        one(templateRef={"name": "other"}),
        {},
        "note",
        "its MetricTemplate 'other' is not in this file",
        False,
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_each_fault_is_told_once(name: str) -> None:
    analysis, template, level, message, blocked = ROWS[name]
    analysis = copy.deepcopy(analysis)
    for metric in analysis["metrics"]:
        for key in [key for key, value in metric.items() if value is None]:
            del metric[key]
    manifest = read(analysis, template=template)
    (told,) = [each for each in new(manifest) if message in each[1]]
    assert (told[0], bool(manifest.blocked)) == (level, blocked)
    assert (manifest.promote_seconds is None) is blocked


@pytest.mark.parametrize(
    ("provider", "what"),
    [
        ("nginx", "the mean, not a quantile"),
        ("skipper", "the mean, not a quantile"),
        ("istio", "p99"),
        ("traefik", "p99"),
    ],
)
def test_what_request_duration_measures_depends_on_the_provider(provider: str, what: str) -> None:
    duration = {"metrics": [SUCCESS, {"name": "request-duration", "interval": "1m", "thresholdRange": {"max": 500}}]}
    manifest = read(duration, {"provider": provider})
    assert any(f"request-duration is {what}" in text for text in said(manifest, "note"))
    checks = manifest.policy().checks
    assert (checks.slow, checks.slow_share) == ((60.0, 0.01) if what == "p99" else (None, 0.05))


def test_where_a_template_is_looked_for() -> None:
    elsewhere = {**TEMPLATE, "metadata": {"name": "slow", "namespace": "monitoring"}}
    (manifest,) = read_manifest([changed(), elsewhere], 1000.0)
    assert any(
        "is in the namespace monitoring, and Flagger looks in that of the Canary" in text
        for text in said(manifest, "error")
    )
    named = changed()
    named["spec"]["analysis"]["metrics"][1]["templateRef"]["namespace"] = "monitoring"
    (manifest,) = read_manifest([named, elsewhere], 1000.0)
    assert said(manifest, "error") == []


@pytest.mark.parametrize(
    ("interval", "query", "window"),
    [
        ("30s", f"sum(rate({SCOPED}[{{{{ interval }}}}]))", 30.0),
        (None, f"sum(rate({SCOPED}[{{{{ interval }}}}]))", 60.0),
        ("30s", f"sum(rate({SCOPED}[5m]))", 300.0),
    ],
)
def test_the_window_is_the_metric_s_own(interval: str | None, query: str, window: float) -> None:
    metric = {"name": "app-success-rate", "query": query, "thresholdRange": {"min": 98}}
    manifest = read({"metrics": [{**metric, "interval": interval} if interval else metric]})
    assert manifest.policy().checks.errors == window
    assert manifest.needed_rate == pytest.approx(50 / window / 0.05)


def test_only_what_is_checked_is_simulated() -> None:
    errors = read({"metrics": [SUCCESS]}).policy()
    assert (errors.checks.errors, errors.checks.slow, errors.checks.failures, errors.error_rate) == (
        60.0,
        None,
        False,
        0.01,
    )
    slow = {"name": "slow", "interval": "2m", "templateRef": {"name": "slow"}, "thresholdRange": {"max": 500}}
    latency = read({"metrics": [slow]}).policy()
    assert (latency.checks.errors, latency.checks.slow, latency.checks.slow_share, latency.p95) == (
        None,
        120.0,
        0.05,
        0.5,
    )
    share = {"name": "error-rate", "query": f"sum({SCOPED}) / sum({SCOPED})", "thresholdRange": {"max": 0.02}}
    assert read({"metrics": [share]}).policy().error_rate == 0.02
    percent = {"name": "error-rate", "query": f"100 * sum({SCOPED}) / sum({SCOPED})", "thresholdRange": {"max": 2}}
    assert read({"metrics": [percent]}).policy().error_rate == 0.02
    counter = {"name": "pack-failures", "query": f"max({SCOPED})", "thresholdRange": {"max": 0}}
    assert read({"metrics": [counter]}).policy().checks.failures
    other = {"name": "queue", "query": f"sum({SCOPED})", "thresholdRange": {"max": 5}}
    with pytest.raises(BadInput, match="it checks none of them"):
        read({"metrics": [other]}).policy()
    both = read({"metrics": [SUCCESS, other]})
    assert both.unknown == ("queue",)
    assert "the simulation does not know what queue measures, and takes it as passed" in said(both, "note")


def test_the_deprecated_threshold_of_a_metric_is_its_limit_where_there_is_no_range() -> None:
    old = [{"name": "request-success-rate", "threshold": 99}, {"name": "request-duration", "threshold": 500}]
    policy = read({"metrics": old}).policy()
    assert (policy.error_rate, policy.p95) == (0.01, 0.5)
    ranged = [{"name": "request-success-rate", "threshold": 99, "thresholdRange": {"min": 98}}]
    assert read({"metrics": ranged}).policy().error_rate == 0.02
