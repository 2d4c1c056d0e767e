"""The alerts on how fast the service spends the budgets of its objectives."""

from __future__ import annotations

import re

import pytest

from exporters.alert_files import rules, with_slo
from exporters.boards import dawsos

# Google's workbook, chapter 5: factor -> long window, short window, severity.
BURNS = {
    "14.4": ("1h", "5m", "critical"),
    "6": ("6h", "30m", "critical"),
    "3": ("1d", "2h", "warning"),
    "1": ("3d", "6h", "warning"),
}


@pytest.mark.parametrize(("factor", "burn"), BURNS.items())
def test_errors_are_compared_with_a_multiple_of_the_objective_over_two_windows(
    factor: str, burn: tuple[str, str, str]
) -> None:
    long, short, severity = burn
    rule = rules()[f"ErrorBudgetBurn{factor.partition('.')[0]}x"]
    assert re.findall(r"\[(\w+)\]", rule.expr) == [long, long, short, short, long]
    assert re.findall(r"> ([\d.]+) \* ([\d.]+)", rule.expr) == [(factor, "0.005")] * 2
    assert rule.severity == severity
    assert rule.labels == {"environment": "production", "slo": "error_rate", "burn": f"{factor}x"}


@pytest.mark.parametrize(("factor", "quantile"), [("14", "0.28"), ("6", "0.7"), ("3", "0.85"), ("1", "0.95")])
def test_more_slow_requests_than_a_multiple_of_five_per_cent_are_a_quantile_above_the_objective(
    factor: str, quantile: str
) -> None:
    rule = rules()[f"LatencyBudgetBurn{factor}x"]
    assert re.findall(r"histogram_quantile\(([\d.]+)", rule.expr) == [quantile] * 2
    assert re.findall(r"> ([\d.]+)\n", rule.expr) == ["1.2"] * 2


def test_the_objectives_are_those_of_the_pipeline() -> None:
    found = rules(with_slo(dawsos(), error_rate=0.002, warm_p95=0.9))
    assert "> 6 * 0.002" in found["ErrorBudgetBurn6x"].expr
    assert "> 0.9" in found["LatencyBudgetBurn6x"].expr
    assert "the SLO allows 0.2%" in found["ErrorBudgetBurn6x"].description
    assert "0.9s" in found["LatencyBudgetBurn6x"].description


@pytest.mark.parametrize(
    ("rate", "options", "fewest"),
    [(0.005, {}, 200), (0.001, {}, 1000), (0.5, {}, 20), (0.0, {}, 20), (0.005, {"min_requests": 7}, 7)],
)
def test_traffic_is_low_where_a_single_error_would_spend_the_budget(
    rate: float, options: dict[str, int], fewest: int
) -> None:
    found = rules(with_slo(dawsos(), error_rate=rate), **options)
    burns = [rule for name, rule in found.items() if "Burn" in name]
    assert all(rule.expr.endswith(f">= {fewest}") for rule in burns)
    assert found["SloTrafficLow"].expr.endswith(f"< {fewest}")


def test_a_multiple_that_would_be_almost_every_request_is_left_out() -> None:
    names = {name for name in rules(with_slo(dawsos(), error_rate=0.2)) if name.startswith("ErrorBudget")}
    assert names == {"ErrorBudgetBurn3x", "ErrorBudgetBurn1x"}
    assert not [name for name in rules(with_slo(dawsos(), error_rate=1.0)) if name.startswith("ErrorBudget")]


@pytest.mark.parametrize(
    ("limit", "edges"), [(1.2, ["1.2", "1.20"]), (2.0, ["2", "2.0"]), (0.25, ["0.25"]), (10.0, ["10", "10.0"])]
)
def test_a_bucket_at_the_objective_is_known_however_it_is_written(limit: float, edges: list[str]) -> None:
    expr = rules(with_slo(dawsos(), warm_p95=limit))["ServiceMetricsAbsent"].expr
    (pattern,) = re.findall(r'le=~"([^"]+)"', expr)
    assert all(re.fullmatch(pattern, edge) for edge in edges)
    assert not any(re.fullmatch(pattern, edge) for edge in ("1", "12", "1.25", "1x2", "100", "+Inf", "0.255"))


def test_each_failure_counter_of_the_rollout_is_watched_and_missed() -> None:
    found = rules()
    assert "pricing_pack_build_failures_total" in found["ServiceFailureCounter"].expr
    assert 'absent(pricing_pack_build_failures_total{environment="production"})' in found["ServiceMetricsAbsent"].expr
    rollout = dawsos().rollout.model_copy(update={"failure_counters": ()})
    assert "ServiceFailureCounter" not in rules(dawsos().model_copy(update={"rollout": rollout}))


def test_each_alert_names_the_environment_that_it_is_about() -> None:
    of_the_service = [rule for rule in rules().values() if "http_" in rule.expr or "pricing_" in rule.expr]
    assert len(of_the_service) == 11
    assert all(rule.labels["environment"] == "production" for rule in of_the_service)


def test_only_the_environment_that_has_the_users_counts() -> None:
    for rule in rules().values():
        for labels in re.findall(r"http_\w+\{([^}]*)\}", rule.expr):
            assert 'environment="production"' in labels
