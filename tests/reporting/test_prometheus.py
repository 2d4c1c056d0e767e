"""The page says what was counted, in the format that Prometheus reads, and has what is known at 0 before it happens."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dawsos import __version__
from dawsos.model.events import Event
from dawsos.model.metrics import FAMILIES, Known
from dawsos.model.metrics_fold import fold_metrics
from dawsos.reporting.prometheus import render_metrics
from support.facts import fact

KNOWN = Known(("lint", "canary"), (("lint", "findings", "findings"),), ("staging", "production"), ("production",))
NOW = 1100.0
Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def told(*events: tuple[float, str, str, dict[str, Any]]) -> list[Event]:
    """Return the events (time, kind, stage, body) of a ship that began at 1000."""
    begun = (1000.0, "run_started", "", {"command": "ship"})
    return [
        Event("a", seq, at, fact(kind, **body), stage)
        for seq, (at, kind, stage, body) in enumerate((begun, *events), start=1)
    ]


def page(events: list[Event], known: Known = KNOWN, at: float = NOW) -> str:
    return render_metrics(fold_metrics(events), known, at)


def values(events: list[Event], known: Known = KNOWN, at: float = NOW) -> Values:
    families = text_string_to_metric_families(page(events, known, at))
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_every_series_that_is_known_is_there_at_0_before_anything_happened() -> None:
    found = values([])
    assert set(found.values()) == {0.0, 1.0, NOW}
    runs = [dict(labels) for (name, labels) in found if name == "ci_pipeline_runs_total"]
    assert {run["command"] for run in runs} == {"ship", "run", "drill", "rollback"}
    assert {(run["outcome"], run["result"]) for run in runs if run["command"] == "drill"} >= {
        ("rolled_back", "success"), ("failed", "failure"), ("passed", "success"),
    }  # fmt: skip
    assert {run["hotfix"] for run in runs if run["command"] == "ship"} == {"true", "false"}
    for name, labels in (
        ("ci_pipeline_stages_total", (("result", "timeout"), ("stage", "lint"))),
        (
            "ci_pipeline_gates_total",
            (("gate", "findings"), ("kind", "findings"), ("result", "no_data"), ("stage", "lint")),
        ),
        ("ci_pipeline_stage_duration_seconds_count", (("stage", "canary"),)),
        ("canary_rollbacks_by_cause_total", (("cause", "latency"),)),
        ("canary_weight_ratio", (("environment", "production"),)),
        ("deployments_total", (("environment", "staging"), ("result", "failure"))),
        ("dora_failed_deployments_total", ()),
        ("dora_lead_time_seconds_count", ()),
        ("canary_rollbacks_total", ()),
        ("ci_pipeline_runs_unfinished", ()),
    ):
        assert found[(name, labels)] == 0.0, name
    assert found[("dawsos_build_info", (("version", __version__),))] == 1
    assert found[("dawsos_metrics_written_timestamp_seconds", ())] == NOW


def test_every_counter_and_histogram_without_a_name_of_the_users_is_on_an_empty_page() -> None:
    shown = {line.split()[2] for line in page([], Known()).splitlines() if line.startswith("# TYPE")}
    from_pipeline = {"ci_pipeline_stages_total", "ci_pipeline_gates_total", "deployments_total"}
    from_pipeline |= {"ci_pipeline_stage_duration_seconds"}
    assert {name for name, family in FAMILIES.items() if family.kind != "gauge"} - shown == from_pipeline


def test_a_run_that_ended_is_counted_and_those_that_did_not_are_there_at_0() -> None:
    found = values(told((1060.0, "run_finished", "", {"result": "passed"})))

    def runs(outcome: str, result: str) -> float:
        labels = (("command", "ship"), ("hotfix", "false"), ("outcome", outcome), ("result", result))
        return found[("ci_pipeline_runs_total", labels)]

    assert (runs("passed", "success"), runs("failed", "failure")) == (1, 0)
    ended = (("command", "ship"), ("result", "success"))
    assert found[("ci_pipeline_last_run_timestamp_seconds", ended)] == 1060.0


def test_durations_are_a_histogram_whose_buckets_are_cumulative_and_include_their_limit() -> None:
    found = values(told((1060.0, "run_finished", "", {"result": "passed"})))

    def bucket(limit: str) -> float:
        return found[("ci_pipeline_duration_seconds_bucket", (("command", "ship"), ("le", limit)))]

    assert [bucket(limit) for limit in ("30", "60", "120", "86400", "+Inf")] == [0, 1, 1, 1, 1]
    assert found[("ci_pipeline_duration_seconds_sum", (("command", "ship"),))] == 60
    assert found[("ci_pipeline_duration_seconds_count", (("command", "ship"),))] == 1


@pytest.mark.parametrize("name", ['a "b"', "back\\slash", "two\nlines", "ümläut", "{le}", "\\n", ""])
def test_a_stage_or_gate_may_be_called_anything(name: str) -> None:
    known = Known((name,), ((name, name, "threshold"),))
    found = values(told((1001.0, "stage_finished", name, {"result": "passed", "seconds": 1.0})), known)
    assert found[("ci_pipeline_stages_total", (("result", "passed"), ("stage", name)))] == 1
    gate = (("gate", name), ("kind", "threshold"), ("result", "pass"), ("stage", name))
    assert found[("ci_pipeline_gates_total", gate)] == 0


def _rolling(*more: tuple[float, str, str, dict[str, Any]]) -> list[Event]:
    started = {"release": "r", "deployment": "d", "environment": "production", "policy": {"lease": 15.0}}
    evidence = [{"name": "errors", "log_e": -1.25, "limit": 4.6}]
    return told(
        (1050.0, "rollout_started", "canary", started),
        (1051.0, "weight_confirmed", "canary", {"weight": 25}),
        (1052.0, "rollout_sampled", "canary", {"evidence": evidence}),
        *more,
    )


def test_a_rollout_shows_its_weight_and_the_evidence_beside_its_limit() -> None:
    found = values(_rolling(), at=1067.0)
    where = ("environment", "production")
    assert found[("canary_weight_ratio", (where,))] == 0.25
    assert found[("canary_evidence", (where, ("measure", "errors")))] == -1.25
    assert found[("canary_evidence_limit", (where, ("measure", "errors")))] == 4.6


def test_a_rollout_whose_controller_is_silent_for_longer_than_its_lease_has_no_traffic() -> None:
    found = values(_rolling(), at=1067.1)
    assert found[("canary_weight_ratio", (("environment", "production"),))] == 0.0
    assert not [name for name, _ in found if name.startswith("canary_evidence")]
    assert found[("ci_pipeline_runs_unfinished", ())] == 1.0


def test_an_approval_is_shown_while_it_waits() -> None:
    asked = (1010.0, "approval_requested", "uat", {"digest": "d"})
    name = ("ci_pipeline_approval_waiting_since_timestamp_seconds", (("stage", "uat"),))
    assert values(told(asked))[name] == 1010.0
    given = (1020.0, "approval_given", "uat", {"digest": "d", "decision": "approved", "name": "Ada"})
    assert name not in values(told(asked, given))


def test_the_oldest_approval_of_a_stage_is_shown() -> None:
    asked = told((1010.0, "approval_requested", "uat", {"digest": "d"}))
    later = [Event("b", one.seq, one.at + 10, one.fact, one.stage) for one in asked]
    name = ("ci_pipeline_approval_waiting_since_timestamp_seconds", (("stage", "uat"),))
    assert values([*later, *asked])[name] == 1010.0


def test_a_waiver_is_shown_with_its_end() -> None:
    verdict = {"gate": "audit", "kind": "vulnerabilities", "result": "pass", "measured": "", "limit": "", "message": ""}
    events = told((1001.0, "gate_evaluated", "security", {**verdict, "valid_until": 9000.5}))
    name = ("ci_waiver_expires_timestamp_seconds", (("gate", "audit"), ("stage", "security")))
    assert values(events, Known(gates=(("security", "audit", "vulnerabilities"),)))[name] == 9000.5
    # Nobody can renew the waiver of a gate that pipeline.yaml has no more: its end would be told for ever.
    assert name not in values(events, Known(gates=(("security", "secrets", "vulnerabilities"),)))
