"""The alerts on runs, rollouts, durations and what is not scraped."""

from __future__ import annotations

import re

from dawsos.model.metrics import FAMILIES
from exporters.alert_files import rules, tiny
from exporters.boards import dawsos

# pipeline-spec, section "Alerts", without line breaks.
REQUESTED = {
    "PipelineFailureRate": (
        'sum(rate(ci_pipeline_runs_total{result="failure"}[1h])) / sum(rate(ci_pipeline_runs_total[1h])) > 0.1',
        300.0,
        "warning",
        "CI/CD pipeline failure rate > 10%",
    ),
    "CanaryRollback": ("increase(canary_rollbacks_total[5m]) > 0", 0.0, "critical", "Canary deployment rolled back"),
}
# What somebody else than dawsos exports.
FOREIGN = {"probe_ssl_earliest_cert_expiry", "http_requests_total", "http_request_duration_seconds_bucket"}


def test_the_rules_of_the_request_are_there_word_for_word() -> None:
    found = rules()
    for name, (expr, hold, severity, summary) in REQUESTED.items():
        rule = found[name]
        assert (rule.expr.replace("\n", " "), rule.hold, rule.severity, rule.summary) == (expr, hold, severity, summary)


def test_the_query_says_what_it_says_without_runs() -> None:
    assert "0 / 0 = NaN" in rules()["PipelineFailureRate"].query


def test_each_metric_of_the_tool_is_one_that_it_writes_with_that_label() -> None:
    for rule in rules().values():
        queries = (rule.expr, *re.findall(r'query "([^}]*)"', rule.description))
        for name, labels in re.findall(r"\b([a-z]+_[a-z_]{6,})\b(?:\{([^}]*)\})?", " ".join(queries)):
            if (
                name in FOREIGN
                or name in ("label_replace", "histogram_quantile")
                or name in dawsos().rollout.failure_counters
            ):
                continue
            if name == "ci_certificate_expires_timestamp_seconds":
                # Nothing in dawsos knows a certificate that lasts: the name is kept for whoever exports one.
                assert name not in FAMILIES
                continue
            family = FAMILIES[re.sub(r"_(bucket|sum|count)$", "", name) if name not in FAMILIES else name]
            assert set(re.findall(r"(\w+)=", labels)) <= {*family.labels, "le"}, name


def test_rollouts_are_watched_where_there_are_any() -> None:
    of_rollouts = {"CanaryRollback", "CanaryRollbackRate", "PipelineSlow"}
    assert of_rollouts <= rules().keys()
    without = rules(tiny("good"))
    assert not of_rollouts & without.keys()
    assert "canary_" not in without["PipelineMetricsAbsent"].expr


def test_a_stage_is_held_against_its_own_budget() -> None:
    expr = rules()["StageNearBudget"].expr
    assert '{stage="build"}[1d])) > 0.8 * 900' in expr
    assert '{stage=~"unit|integration|chaos"}[1d])) > 0.8 * 480' in expr
    # A person takes the time of the one, the ladder that of the other.
    assert "uat" not in expr
    assert "canary" not in expr
    slower = dawsos().model_copy(
        update={"stages": tuple(stage.model_copy(update={"budget": 60.0}) for stage in dawsos().stages)}
    )
    assert rules(slower)["StageNearBudget"].expr.count("0.8 * 60") == 1


def test_the_limits_are_the_options() -> None:
    found = rules(
        failure_rate="20%", failure_hold="1m", rollback_rate="1%", window="24h", min_runs=3, duration="20m", approval="1h",
        waiver="48h", certificate="72h", stale="1h",
    )  # fmt: skip
    assert found["PipelineFailureRate"].expr.endswith("> 0.2")
    assert found["PipelineFailureRate"].hold == 60
    assert found["PipelineFailsOften"].expr.endswith("and sum(increase(ci_pipeline_runs_total[1d])) >= 3")
    assert "> 0.01" in found["CanaryRollbackRate"].expr
    limits = {
        "PipelineSlow": "> 1200", "ApprovalWaiting": "> 3600",
        "CertificateExpires": "< 259200", "PipelineMetricsStale": "> 3600",
    }  # fmt: skip
    assert {
        name: found[name].expr.rpartition(" ")[0][-1] + " " + found[name].expr.rpartition(" ")[2] for name in limits
    } == limits


def test_only_the_series_of_the_project_are_counted() -> None:
    rule = rules(pipeline_series={"job": "shop"})["CanaryRollback"]
    assert rule.expr == 'increase(canary_rollbacks_total{job="shop"}[5m]) > 0'
    assert 'query "increase(canary_rollbacks_by_cause_total{job=\\"shop\\"}[5m]) > 0"' in rule.description
