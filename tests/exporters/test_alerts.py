"""The exported files as a whole: each rule can be seen to fire, tells a person what to do, and follows pipeline.yaml."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dawsos.exporters.alerts import render
from dawsos.model.exports import AlertsOptions
from exporters.alert_files import rules, tiny, with_slo, written
from exporters.boards import ROOT, dawsos

RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text()


def anchor(heading: str) -> str:
    """Return the anchor that GitHub makes of a heading: lower case, no punctuation, hyphens for blanks."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@cache
def exported() -> list[dict[str, Any]]:
    return [rule for group in written()["rules.yml"]["groups"] for rule in group["rules"]]


@cache
def unit_tests() -> list[dict[str, Any]]:
    return [test for name, document in written().items() if "test" in name for test in document["tests"]]


def test_anchors_are_those_of_github() -> None:
    assert anchor("The run waits (exit code 75)") == "the-run-waits-exit-code-75"


def test_each_alert_leads_to_a_section_that_says_what_to_do() -> None:
    sections = {
        anchor(heading): text for heading, text in re.findall(r"^### (.+)\n((?:(?!^#).*\n?)*)", RUNBOOKS, re.MULTILINE)
    }
    for rule in exported():
        page, _, section = rule["annotations"]["runbook_url"].partition("#")
        assert (ROOT / page).is_file()
        assert re.findall(r"\*\*(Means|Look|Do):\*\*", sections[section]) == ["Means", "Look", "Do"], section
    assert sections.keys() == {rule["annotations"]["runbook_url"].partition("#")[2] for rule in exported()}


def test_each_alert_has_a_severity_a_summary_and_a_description() -> None:
    for rule in exported():
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert re.fullmatch(r"[A-Z][A-Za-z0-9]+", rule["alert"])
        # A template that is broken is no template, and would be shown as it is.
        for text in rule["annotations"].values():
            assert not re.search(r"(?<!\{)\{(?!\{)|(?<!\})\}(?!\})", text), text


def test_each_rule_has_a_test_that_fires_it_and_one_that_does_not() -> None:
    fires: dict[str, set[bool]] = {}
    for test in unit_tests():
        (one,) = test["alert_rule_test"]
        fires.setdefault(one["alertname"], set()).add("exp_alerts" in one)
    assert fires.keys() == {rule["alert"] for rule in exported()}
    assert all(kinds == {True, False} for kinds in fires.values()), fires


def test_what_a_test_expects_is_what_a_person_reads() -> None:
    for test in unit_tests():
        for alert in test["alert_rule_test"][0].get("exp_alerts", ()):
            texts = " ".join(alert["exp_annotations"].values())
            assert "$" not in texts
            assert "{{" not in texts


def test_the_tests_of_days_are_evaluated_seldom() -> None:
    files = written()
    assert files["rules_test.yml"]["evaluation_interval"] == "5m"
    assert files["rules_of_days_test.yml"]["evaluation_interval"] == "1h"
    assert {test["name"].partition(":")[0] for test in files["rules_of_days_test.yml"]["tests"]} == {
        f"{name}Burn{factor}x" for name in ("ErrorBudget", "LatencyBudget") for factor in (3, 1)
    }


@pytest.mark.parametrize("changes", [{"error_rate": 0.01}, {"warm_p95": 0.9}])
def test_who_changes_an_objective_changes_rules_and_tests(changes: dict[str, float]) -> None:
    before, after = written(), written(with_slo(dawsos(), **changes))
    assert before.keys() == after.keys()
    assert all(before[name] != after[name] for name in before)


def test_a_pipeline_that_deploys_nothing_has_no_alerts_on_a_service() -> None:
    (group,) = written(tiny("good"))["rules.yml"]["groups"]
    assert group["name"] == "good-pipeline"
    assert "CanaryRollback" not in {rule["alert"] for rule in group["rules"]}


def test_the_folder_the_page_and_the_labels_are_chosen() -> None:
    options = AlertsOptions(folder="ops", runbooks="https://example.org/r.md", labels={"team": "platform"})
    assert {str(Path(path).parent) for path in render(dawsos(), options)} == {"ops"}
    for rule in (
        r for g in written(runbooks=options.runbooks, labels=options.labels)["rules.yml"]["groups"] for r in g["rules"]
    ):
        assert rule["annotations"]["runbook_url"].startswith("https://example.org/r.md#")
        assert rule["labels"]["team"] == "platform"


def test_a_burn_rate_that_an_objective_is_too_wide_for_is_named() -> None:
    text = render(with_slo(dawsos(), error_rate=0.1), AlertsOptions())["deploy/alerts/rules.yml"]
    assert "# ErrorBudgetBurn14x is left out: 14.4x of 10% is almost every request.\n" in text
    assert "ErrorBudgetBurn14x" not in rules(with_slo(dawsos(), error_rate=0.1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        # An increase over less than two scrapes is none: the rates could never be told.
        ({"window": "59m"}, "window\n.*greater than or equal to 3600"),
        # Prometheus would expand them, and neither a unit test nor `verify` would know the alert again.
        ({"labels": {"team": "{{ $labels.stage }}"}}, "is a template"),
        ({"runbooks": "https://example.org/{{ .X }}"}, "is a template"),
    ],
)
def test_options_that_would_make_an_alert_that_nobody_sees_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        AlertsOptions.model_validate(options)
