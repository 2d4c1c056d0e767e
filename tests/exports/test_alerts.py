"""promtool accepts what `dawsos export alerts` writes and runs the tests in it, and each of those tests can fail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dawsos.exporters.alerts import files, render
from dawsos.exporters.alerts_rule import Rule
from dawsos.model.exports import AlertsOptions
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import load
from exporters.alert_files import TINY, rules, with_slo
from exporters.boards import ROOT, dawsos
from support.monitoring import program, promtool

pytestmark = pytest.mark.e2e

# Two cores.
_AT_ONCE = 2


def passes(folder: Path) -> None:
    """See promtool accept the rules of the folder and pass their tests."""
    said = promtool("check", "rules", "rules.yml", folder=folder)
    assert said.returncode == 0, said.stdout + said.stderr
    tests = sorted(path.name for path in folder.glob("*_test.yml"))
    assert tests
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for said in pool.map(lambda name: promtool("test", "rules", name, folder=folder), tests):
            assert said.returncode == 0, said.stdout + said.stderr


def write(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        (folder / Path(path).name).write_text(text)
    return folder


def test_promtool_accepts_the_rules_of_this_repository_and_their_tests_pass() -> None:
    passes(ROOT / "deploy" / "alerts")


def test_promtool_refuses_a_rule_that_is_none(tmp_path: Path) -> None:
    broken = replace(rules()["CanaryRollback"], expr="increase(canary_rollbacks_total[5m] > 0")
    folder = write(tmp_path, files({"one": [broken]}, AlertsOptions()))
    assert promtool("check", "rules", "rules.yml", folder=folder).returncode != 0


# Each with what the one before has not: objectives, options, labels.
CHANGED: dict[str, tuple[Pipeline, dict[str, Any]]] = {
    **{folder.name: (load(folder), {}) for folder in TINY},
    "strict": (with_slo(dawsos(), error_rate=0.0001, warm_p95=0.25, cold_p95=0.5), {}),
    "wide": (with_slo(dawsos(), error_rate=0.2, warm_p95=30.0), {}),
    "no error at all": (with_slo(dawsos(), error_rate=0.0), {}),
    "every error": (with_slo(dawsos(), error_rate=1.0), {}),
    "odd numbers": (with_slo(dawsos(), error_rate=0.00333, warm_p95=0.777), {}),
    "options": (
        dawsos(),
        {
            "labels": {"team": "platform"}, "pipeline_series": {"job": 'a "b"'}, "service_series": {"namespace": "x", "app": "y"},
            "failure_rate": "3%", "failure_hold": "2h", "rollback_rate": "0.7%", "window": "24h", "min_runs": 1,
            "duration": "90s", "approval": "30s", "waiver": "1h", "certificate": "100h", "certificates": True, "stale": "10s",
            "min_requests": 1,
        },
    ),
    "shares of nothing": (dawsos(), {"failure_rate": 0, "rollback_rate": 0, "failure_hold": 0}),
    "shares of almost all": (dawsos(), {"failure_rate": "95%", "rollback_rate": "99%"}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CHANGED)
def test_rules_and_tests_follow_the_pipeline_and_its_options(name: str, tmp_path: Path) -> None:
    pipeline, options = CHANGED[name]
    passes(write(tmp_path, dict(render(pipeline, AlertsOptions(**options)))))


_FUNCTIONS = ("histogram_quantile", "label_replace")
_COMPARISON = re.compile(r"(>=?|<) ([\d.]+(?: \* [\d.]+)?)(?=\)|\s|$)")
_NAME = re.compile(r"\b[a-z]+(?:_[a-z0-9]+){2,}\b(?!\")")


def mutants(rule: Rule) -> Iterator[tuple[str, str]]:
    """Yield what was changed, and the changed expression: limits ten times as high, other metrics, other windows."""
    for found in _COMPARISON.finditer(rule.expr):
        limit = "10" if found[2] == "0" else f"({found[2]}) * 10"
        yield f"limit {found[0]}", rule.expr[: found.start(2)] + limit + rule.expr[found.end(2) :]
    for found in _NAME.finditer(rule.expr):
        if found[0] not in _FUNCTIONS:
            yield f"metric {found[0]} at {found.start()}", f"{rule.expr[: found.end()]}_x{rule.expr[found.end() :]}"
    if 'result="failure"' in rule.expr and "absent" not in rule.expr:
        yield "all runs for those that failed", rule.expr.replace('{result="failure"}', "")
    windows = list(dict.fromkeys(re.findall(r"\[(\w+)\]", rule.expr)))
    if len(windows) == 2:
        long, short = windows
        first, second, rest = rule.expr.split("\nand ")
        yield "only the short window", "\nand ".join((first.replace(long, short), second, rest))
        yield "only the long window", "\nand ".join((first, second.replace(short, long), rest))
        yield "either window", f"({first}\nor {second})\nand {rest}"


def test_every_rule_can_be_altered() -> None:
    kinds = {name: {told.partition(" ")[0] for told, _ in mutants(rule)} for name, rule in rules().items()}
    assert all("metric" in found for found in kinds.values())
    assert {name for name, found in kinds.items() if "limit" not in found} == {
        "PipelineMetricsAbsent",
        "ServiceMetricsAbsent",
    }
    assert len(list(mutants(rules()["ErrorBudgetBurn14x"]))) == 3 + 5 + 3


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", sorted(rules()))
def test_an_altered_rule_fails_the_tests_that_are_exported_with_it(name: str, tmp_path: Path) -> None:
    rule, options = rules()[name], AlertsOptions()
    passes(write(tmp_path / "unaltered", files({"one": [rule]}, options)))

    def survives(place: int, expr: str) -> bool:
        folder = write(tmp_path / str(place), files({"one": [replace(rule, expr=expr)]}, options))
        accepted = promtool("check", "rules", "rules.yml", folder=folder)
        assert accepted.returncode == 0, expr + accepted.stdout + accepted.stderr
        tests = sorted(path.name for path in folder.glob("*_test.yml"))
        return all(promtool("test", "rules", test, folder=folder).returncode == 0 for test in tests)

    altered = list(mutants(rule))
    program("promtool")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        alive = list(pool.map(survives, range(len(altered)), (expr for _, expr in altered)))
    assert [told for (told, _), lives in zip(altered, alive, strict=True) if lives] == []
