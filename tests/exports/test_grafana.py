"""The dashboards are valid against Grafana's published schema, and Prometheus understands every query of theirs."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporters.boards import boards
from support import grafana
from support.monitoring import promtool

pytestmark = pytest.mark.e2e

CHOICES = {"job": ".*", "environment": "production", "deployment": ".*"}
Board = dict[str, Any]


def test_the_dashboards_are_valid_against_the_published_schema(tmp_path: Path) -> None:
    found = grafana.schema_problems({**boards(), **_linked()}, tmp_path / "schema")
    assert set(found) == {"pipeline", "rollout", "service", "linked_pipeline", "linked_rollout", "linked_service"}
    assert not any(found.values()), found


def _linked() -> dict[str, Board]:
    """Return the dashboards with web addresses of the runbooks, which gives each panel a link."""
    return {f"linked_{name}": board for name, board in boards(runbooks="https://example.org/runbooks.md").items()}


def _first(board: Board, kind: str) -> Board:
    return next(panel for panel in board["panels"] if panel["type"] == kind)


def _fields(board: Board, kind: str) -> Board:
    fields: Board = _first(board, kind)["fieldConfig"]["defaults"]
    return fields


# Each is a mistake that an exporter could make.
MISTAKES: dict[str, Callable[[Board], object]] = {
    "a key of the dashboard": lambda board: board.update(titel="x"),
    "no schema version": lambda board: board.pop("schemaVersion"),
    "a key of a panel": lambda board: _first(board, "stat").update(desc="x"),
    "a kind of panel": lambda board: _first(board, "stat").update(type="statistic"),
    "a place without a width": lambda board: _first(board, "stat")["gridPos"].pop("w"),
    "a key of a query": lambda board: _first(board, "bargauge")["targets"][0].update(expression="up"),
    "a query without PromQL": lambda board: _first(board, "bargauge")["targets"][0].pop("expr"),
    "an option of a panel": lambda board: _first(board, "stat")["options"].update(colorMode="bg"),
    "a key of the options": lambda board: _first(board, "timeseries")["options"].update(legends={}),
    "a way of drawing": lambda board: _fields(board, "timeseries")["custom"].update(drawStyle="lines"),
    "a key of the drawing": lambda board: _fields(board, "timeseries")["custom"].update(width=2),
    "a mode of thresholds": lambda board: _fields(board, "stat")["thresholds"].update(mode="abs"),
    "a threshold that is text": lambda board: _fields(board, "stat")["thresholds"]["steps"].append(
        {"color": "red", "value": "1s"}
    ),
    "an override without a matcher": lambda board: _first(board, "stat")["fieldConfig"]["overrides"].append({}),
    "a kind of variable": lambda board: board["templating"]["list"][0].update(type="prometheus"),
    "a time to refresh": lambda board: board["templating"]["list"][1].update(refresh=7),
}


def test_the_schema_refuses_each_mistake(tmp_path: Path) -> None:
    """Otherwise the test before proves nothing."""
    wrong: dict[str, Board] = {}
    for mistake, make in MISTAKES.items():
        board = copy.deepcopy(boards()["pipeline"])
        make(board)
        wrong[mistake.replace(" ", "_")] = board
    found = grafana.schema_problems(wrong, tmp_path / "schema")
    assert [name for name, problems in found.items() if not problems] == []


def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": query.expr}
        for number, query in enumerate(
            query for board in boards().values() for query in grafana.queries(board, CHOICES, 300)
        )
    ]
    assert len(rules) > 40
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}))
    said = promtool("check", "rules", str(path))
    assert said.returncode == 0, said.stdout + said.stderr
    assert f"{len(rules)} rules found" in said.stdout
    rules[0]["expr"] = "sum("
    path.write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}))
    assert promtool("check", "rules", str(path)).returncode != 0
