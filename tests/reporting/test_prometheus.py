"""The metrics say what the journal says, in the format that Prometheus reads."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from dawsos.model.events import Event, EventKind
from dawsos.reporting.prometheus import render_metrics
from support.facts import fact


def run(name: str, command: str, result: str, seconds: float, *, outcome: str = "", **options: str) -> list[Event]:
    told: list[tuple[EventKind, float, dict[str, Any]]] = [("run_started", 0, {"command": command, "options": options})]
    if outcome:
        told += [
            ("rollout_started", 1, {"release": "r", "deployment": "d"}),
            ("rollout_finished", 2, {"outcome": outcome}),
        ]
    told.append(("run_finished", seconds, {"result": result}))
    return [Event(name, seq, 1000.0 + at, fact(kind, **body)) for seq, (kind, at, body) in enumerate(told, start=1)]


def values(events: list[Event]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(render_metrics(events))
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_nothing_has_run() -> None:
    assert values([]) == {("canary_deployments_total", ()): 0.0, ("canary_rollbacks_total", ()): 0.0}


def test_runs_are_counted_by_outcome_and_a_hotfix_shows() -> None:
    events = [
        *run("a", "ship", "passed", 100, outcome="promoted"),
        *run("b", "ship", "rolled_back", 60, outcome="rolled_back"),
        *run("c", "ship", "passed", 30, hotfix="prices are down"),
        *run("d", "drill", "rolled_back", 5, outcome="rolled_back"),
        *run("e", "ship", "waiting", 5),
        *run("f", "drill", "passed", 5, outcome="promoted", fault="none"),
        *run("g", "drill", "rolled_back", 5, outcome="rolled_back", fault="none"),
        *run("h", "drill", "failed", 5, outcome="promoted", fault="crash"),
    ]
    found = values(events)

    def runs(command: str, hotfix: str, outcome: str, result: str) -> float:
        labels = (("command", command), ("hotfix", hotfix), ("outcome", outcome), ("result", result))
        return found[("ci_pipeline_runs_total", labels)]

    assert runs("ship", "false", "passed", "success") == 1
    assert runs("ship", "true", "passed", "success") == 1
    assert runs("ship", "false", "rolled_back", "failure") == 1
    assert runs("drill", "false", "rolled_back", "success") == 1
    # A canary without a fault must be promoted.
    assert runs("drill", "false", "passed", "success") == 1
    assert runs("drill", "false", "rolled_back", "failure") == 1
    assert runs("drill", "false", "failed", "failure") == 1
    assert sum(value for (name, _), value in found.items() if name == "ci_pipeline_runs_total") == 7
    # A drill is no deployment and its rollback no failure.
    assert found[("canary_deployments_total", ())] == 2
    assert found[("canary_rollbacks_total", ())] == 1


def test_durations_are_a_histogram_whose_buckets_include_their_limit() -> None:
    found = values(
        [*run("a", "ship", "passed", 60), *run("b", "ship", "failed", 61), *run("c", "ship", "passed", 9999)]
    )

    def bucket(limit: str) -> float:
        return found[("ci_pipeline_duration_seconds_bucket", (("command", "ship"), ("le", limit)))]

    assert [bucket(limit) for limit in ("30", "60", "120", "3000", "+Inf")] == [0, 1, 2, 2, 3]
    assert found[("ci_pipeline_duration_seconds_sum", (("command", "ship"),))] == 10120
