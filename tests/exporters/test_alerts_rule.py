"""A rule, its tests, and the words of PromQL and of Prometheus' templates."""

from __future__ import annotations

import pytest

from dawsos.exporters.alerts_rule import (
    Case,
    Fired,
    Rule,
    Scope,
    any_of,
    case_document,
    duration,
    humanized_duration,
    humanized_share,
    nice,
    number,
    rule_document,
    selector,
    told,
)
from dawsos.model.exports import AlertsOptions
from exporters.boards import dawsos

OPTIONS = AlertsOptions(labels={"team": "platform"}, runbooks="https://example.org/runbooks.md")
CASE = Case("it happened", {"happened": "0 1"}, 120.0, (Fired({"stage": "uat"}, {"{{ $value }}": "1"}),))
RULE = Rule(
    "Happened",
    "happened > 0",
    "warning",
    "It happened in {{ $labels.stage }}",
    "{{ $value }} times.",
    (CASE,),
    hold=90,
    why=("Once is enough.",),
    labels={"slo": "error_rate"},
)


def test_a_rule_has_its_query_with_the_reason_and_what_a_person_needs() -> None:
    assert rule_document(RULE, OPTIONS) == {
        "alert": "Happened",
        "expr": "# Once is enough.\nhappened > 0",
        "for": "1m30s",
        "labels": {"severity": "warning", "slo": "error_rate", "team": "platform"},
        "annotations": {
            "summary": "It happened in {{ $labels.stage }}",
            "description": "{{ $value }} times.",
            "runbook_url": "https://example.org/runbooks.md#happened",
        },
    }


def test_a_test_expects_the_labels_and_the_texts_that_a_person_gets() -> None:
    document = case_document(RULE, CASE, OPTIONS)
    assert document["name"] == "Happened: it happened"
    assert document["input_series"] == [{"series": "happened", "values": "0 1"}]
    (test,) = document["alert_rule_test"]
    # The first evaluation that is not before the time of the case.
    assert test["eval_time"] == "5m"
    (expected,) = test["exp_alerts"]
    assert expected["exp_labels"] == {
        "stage": "uat",
        "severity": "warning",
        "slo": "error_rate",
        "team": "platform",
    }
    assert expected["exp_annotations"] == {
        "summary": "It happened in uat",
        "description": "1 times.",
        "runbook_url": "https://example.org/runbooks.md#happened",
    }


def test_a_test_without_alerts_expects_none() -> None:
    quiet = Case("nothing happened", {}, 300.0)
    assert case_document(RULE, quiet, OPTIONS)["alert_rule_test"] == [{"eval_time": "5m", "alertname": "Happened"}]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.25, "250ms"), (90, "1m30s"), (3600, "1h"), (259200, "3d"), (90061, "1d1h1m1s")],
)
def test_durations_are_those_of_prometheus(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_person_reads_short_times_in_seconds() -> None:
    assert [told(seconds) for seconds in (0.25, 1.2, 1500)] == ["0.25s", "1.2s", "25m"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "250ms"), (1.5, "1.5s"), (90, "1m 30s"), (3600, "1h 0m 0s"), (90061.9, "1d 1h 1m 1s")],
)
def test_times_are_shown_as_prometheus_shows_them(seconds: float, text: str) -> None:
    assert humanized_duration(seconds) == text


def test_numbers_have_no_noise() -> None:
    assert number(0.1 + 0.2) == "0.3"
    assert nice(1.2345) == 1.23
    assert humanized_share(0.005) == "0.5%"


def test_labels_narrow_a_selector_and_are_quoted() -> None:
    assert selector("up", {}) == "up"
    assert selector("up", {"job": 'a "b"'}, 'le="1"') == 'up{le="1",job="a \\"b\\""}'


def test_each_query_gets_a_label_that_tells_it() -> None:
    found = any_of({"a": "absent(a)", "b": "absent(b)"}, "metric")
    assert (
        found == 'label_replace(absent(a), "metric", "a", "", "")\nor label_replace(absent(b), "metric", "b", "", "")'
    )


def test_a_project_may_say_which_series_are_its_own() -> None:
    plain, chosen = Scope(dawsos(), AlertsOptions()), AlertsOptions(pipeline_series={"job": "x"}, service_series={})
    assert plain.tool("up") == "up"
    assert plain.service("up") == 'up{environment="production"}'
    assert Scope(dawsos(), chosen).tool("up") == 'up{job="x"}'
    assert Scope(dawsos(), chosen).service("up") == "up"
