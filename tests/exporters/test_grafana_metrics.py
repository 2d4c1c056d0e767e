"""The dashboards ask for metrics that there are, with the labels that they have."""

from __future__ import annotations

import json

import pytest

from dawsos.model.metrics import FAMILIES
from exporters.boards import boards, dawsos, expressions, labels_of

BOARDS = boards()
# Of the replicas: what the service exports, with the labels that `dawsos metrics --listen` gives Prometheus; `up` is Prometheus' own.
SERVICE = {"http_requests_total", "http_request_duration_seconds_bucket", "up"}
SERVICE_LABELS = {"environment", "deployment", "release", "status"}


@pytest.mark.parametrize("name", BOARDS)
def test_every_query_asks_for_a_metric_of_the_tool_or_of_the_service(name: str) -> None:
    counters = set(dawsos().rollout.failure_counters)
    for expression in expressions(BOARDS[name]):
        asked = labels_of(expression)
        assert asked, expression
        for metric, labels in asked.items():
            if metric in SERVICE | counters:
                assert {"environment", "deployment"} <= labels <= SERVICE_LABELS, expression
                continue
            family = FAMILIES[metric.removesuffix("_bucket")]
            assert (family.kind == "histogram") == metric.endswith("_bucket"), expression
            assert labels <= {"job", *family.labels}, expression
            assert "job" in labels, expression


def test_together_they_show_every_metric_of_the_tool() -> None:
    asked = {
        metric.removesuffix("_bucket")
        for board in BOARDS.values()
        for expr in expressions(board)
        for metric in labels_of(expr)
    }
    # The version is what the choice of the tool is made from.
    assert set(FAMILIES) - asked == {"dawsos_build_info"}
    assert "dawsos_build_info" in json.dumps(BOARDS["pipeline"]["templating"])
