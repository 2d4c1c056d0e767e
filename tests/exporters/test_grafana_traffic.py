"""The dashboards of the rollout and of the service follow the rollout policy and the objectives."""

from __future__ import annotations

import json

import pytest

from dawsos.analysis.statistical.judge import Statistical
from dawsos.exporters.grafana import render
from dawsos.exporters.grafana_traffic import _GOOD
from dawsos.model.exports import GrafanaOptions
from dawsos.model.pipeline import Slo
from exporters.boards import boards, dawsos, expressions, limits, panel
from fakes import sample

BOARDS = boards()
ROLLOUT, SERVICE = BOARDS["rollout"], BOARDS["service"]


def test_the_limits_of_the_canary_are_the_slos() -> None:
    for board in (ROLLOUT, SERVICE):
        assert limits(panel(board, "Error rate", "timeseries")) == [("green", None), ("red", 0.005)]
    assert limits(panel(ROLLOUT, "p95", "timeseries")) == [("green", None), ("red", 1.2)]
    assert limits(panel(SERVICE, "Latency")) == [("green", None), ("red", 1.2)]


def test_the_lines_of_the_weight_are_the_steps_of_the_ladder() -> None:
    values = [value for _, value in limits(panel(ROLLOUT, "Weight and ladder"))]
    assert values == [None, 0.05, 0.25, 0.45, 0.65, 0.85, 1.0]


def test_fewer_replicas_than_pipeline_yaml_wants_are_red() -> None:
    production = dawsos().environments["production"].model_copy(update={"replicas": 5})
    changed = dawsos().model_copy(update={"environments": {**dawsos().environments, "production": production}})
    assert limits(panel(boards(changed)["service"], "Replicas that answer")) == [("red", None), ("green", 5)]


def test_evidence_in_favour_of_a_canary_does_not_count_against_it() -> None:
    """What the judge really writes: its tests in favour are those that the dashboard knows by name, and the others are not."""
    judge = Statistical(dawsos().policy())
    for at in range(30):
        judgement = judge.observe(sample(at))
    names = {reading.name for reading in judgement.tests}
    good = set(_GOOD.split("|"))
    assert good < names
    # A good canary has proof in favour, and none against.
    assert all(reading.log_e < reading.limit for reading in judgement.tests if reading.name not in good)
    assert f'measure!~"{_GOOD}"' in panel(ROLLOUT, "Measures over their limit")["targets"][0]["expr"]
    assert f'measure=~"{_GOOD}"' in panel(ROLLOUT, "Evidence for the canary")["targets"][0]["expr"]


@pytest.mark.parametrize("name", ["rollout", "service"])
def test_each_failure_counter_is_shown(name: str) -> None:
    assert "pricing_pack_build_failures_total" in panel(BOARDS[name], "Failure counters")["targets"][0]["expr"]
    rollout = dawsos().rollout
    two = boards(
        dawsos().model_copy(update={"rollout": rollout.model_copy(update={"failure_counters": ("a_total", "b_total")})})
    )
    assert [target["legendFormat"] for target in panel(two[name], "Failure counters")["targets"]] == [
        "a_total {{deployment}}",
        "b_total {{deployment}}",
    ]
    none = boards(dawsos().model_copy(update={"rollout": rollout.model_copy(update={"failure_counters": ()})}))
    assert all(shown.get("title") != "Failure counters" for shown in none[name]["panels"])


def test_the_error_budget_is_that_of_the_objective() -> None:
    assert panel(SERVICE, "Error budget left")["targets"][0]["expr"].endswith("/ 0.005")
    assert panel(SERVICE, "Error budget left")["timeFrom"] == "30d"
    assert [value for _, value in limits(panel(SERVICE, "Burn of the error budget"))] == [None, 1, 3, 6, 14.4]


def test_an_objective_of_no_error_at_all_has_no_budget() -> None:
    strict = Slo(error_rate=0.0, warm_p95=1.2, cold_p95=2.0)
    service = boards(dawsos().model_copy(update={"slo": strict}))["service"]
    titles = {shown.get("title") for shown in service["panels"]}
    assert titles.isdisjoint({"Error budget left", "Burn of the error budget"})
    assert limits(panel(service, "Error rate", "timeseries")) == [("green", None), ("red", 0.0)]
    assert not any("/ 0" in expr for expr in expressions(service))


def test_too_many_rollbacks_are_as_many_as_an_alert_tells() -> None:
    changed = boards(rollback_rate=0.2)["rollout"]
    assert limits(panel(ROLLOUT, "Rollback rate")) == [("green", None), ("red", 0.05)]
    assert limits(panel(changed, "Rollback rate")) == [("green", None), ("red", 0.2)]


def test_pages_are_told_apart_by_the_label_that_the_service_has() -> None:
    assert "sum by (endpoint, le)" in panel(SERVICE, "Slowest endpoints, p95")["targets"][0]["expr"]
    assert limits(panel(SERVICE, "Slowest endpoints, p95")) == [("green", None), ("red", 1.2)]
    (text,) = (text for path, text in render(dawsos(), GrafanaOptions(endpoint="route")).items() if "service" in path)
    (target,) = panel(json.loads(text), "Endpoints that fail most")["targets"]
    assert target["expr"].startswith("topk(10, (sum by (route) (rate(")
    assert target["legendFormat"] == "{{route}}"
