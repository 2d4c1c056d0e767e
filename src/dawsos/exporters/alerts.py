"""Prometheus alert rules, with the unit tests that see each of them fire and stay silent.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dawsos.exporters.alerts_pipeline import pipeline_rules
from dawsos.exporters.alerts_rule import (
    EVALUATED,
    EVALUATED_SELDOM,
    Rule,
    Scope,
    case_document,
    duration,
    rule_document,
)
from dawsos.exporters.alerts_service import left_out, service_rules
from dawsos.exporters.contract import Exporter
from dawsos.exporters.text import yaml_text
from dawsos.model.exports import AlertsOptions
from dawsos.model.pipeline import Pipeline

RULES = "rules.yml"
# Seconds between evaluations -> the file with the tests that are evaluated so often.
TESTS = {EVALUATED: "rules_test.yml", EVALUATED_SELDOM: "rules_of_days_test.yml"}


def render(pipeline: Pipeline, options: AlertsOptions) -> dict[str, str]:
    """Return the rules, and beside them the tests that ``promtool test rules`` runs on them."""
    scope = Scope(pipeline, options)
    groups: dict[str, Sequence[Rule]] = {
        f"{pipeline.name}-pipeline": pipeline_rules(scope),
        f"{pipeline.name}-service": service_rules(scope),
    }
    comment = left_out(scope) if groups[f"{pipeline.name}-service"] else ()
    return files(groups, options, comment)


def files(groups: dict[str, Sequence[Rule]], options: AlertsOptions, comment: Sequence[str] = ()) -> dict[str, str]:
    """Return the rules and their tests for named groups of rules."""
    rules = {
        "groups": [
            {"name": name, "rules": [rule_document(rule, options) for rule in members]}
            for name, members in groups.items()
            if members
        ]
    }
    cases = [(rule, case) for members in groups.values() for rule in members for case in rule.cases]
    texts = {f"{options.folder}/{RULES}": yaml_text("alerts", rules, comment=comment)}
    for evaluated, name in TESTS.items():
        tests = {
            "rule_files": [RULES],
            "evaluation_interval": duration(evaluated),
            "tests": [case_document(rule, case, options) for rule, case in cases if case.evaluated == evaluated],
        }
        if tests["tests"]:
            texts[f"{options.folder}/{name}"] = yaml_text("alerts", tests, comment=(f"promtool test rules {name}",))
    return texts


EXPORTER = Exporter(AlertsOptions, render)
