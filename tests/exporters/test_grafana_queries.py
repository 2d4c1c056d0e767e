"""The PromQL of the dashboards, where it is easy to get wrong."""

from __future__ import annotations

from dawsos.exporters.grafana_queries import (
    CHOSEN,
    deployment,
    environment,
    error_rate,
    grown,
    latency,
    quantile,
    share,
    tool,
)
from exporters.boards import dawsos


def test_a_metric_of_the_tool_is_of_the_chosen_tool() -> None:
    assert tool("a") == 'a{job=~"$job"}'
    assert tool("a", 'result="success"') == 'a{job=~"$job",result="success"}'


def test_growth_and_shares_are_of_the_time_shown() -> None:
    assert grown("a{}", "stage") == "sum by (stage) (increase(a{}[$__range]))"
    assert share("a{}", "b{}") == "sum (increase(a{}[$__range])) / sum (increase(b{}[$__range]))"
    assert quantile(0.95, "a_bucket{}") == "histogram_quantile(0.95, sum by (le) (rate(a_bucket{}[$__range])))"


def test_no_error_yet_is_an_error_rate_of_0_and_no_traffic_is_none() -> None:
    """A series with status 500 is there after the first such answer only: a missing one is a 0, but not where nothing was asked."""
    assert error_rate("x", "deployment", "5m") == (
        '(sum by (deployment) (rate(http_requests_total{x,status=~"5.."}[5m]))'
        " or 0 * sum by (deployment) (rate(http_requests_total{x}[5m])))"
        " / sum by (deployment) (rate(http_requests_total{x}[5m]))"
    )
    assert latency(0.5, "x").startswith(
        "histogram_quantile(0.5, sum by (le) (rate(http_request_duration_seconds_bucket{x}["
    )


def test_the_environment_with_the_users_is_the_first_choice() -> None:
    assert environment(dawsos()).options == ("production", "staging")
    assert deployment().query == 'label_values(up{environment="$environment"}, deployment)'
    assert CHOSEN == 'environment="$environment",deployment=~"$deployment"'
