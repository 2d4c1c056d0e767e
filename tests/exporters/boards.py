"""The dashboards of DawsOS, and of the same pipeline with something else in it."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from dawsos.exporters.grafana import render
from dawsos.model.exports import AlertsOptions, GrafanaOptions
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import load

ROOT = Path(__file__).resolve().parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks.md"


@cache
def dawsos() -> Pipeline:
    return load(ROOT)


def boards(pipeline: Pipeline | None = None, **alerts: Any) -> dict[str, dict[str, Any]]:
    """Return the dashboards by the names of their files; ``alerts`` are options of the alerts."""
    pipeline = pipeline or dawsos()
    if alerts:
        exports = pipeline.exports.model_copy(update={"alerts": AlertsOptions(**alerts)})
        pipeline = pipeline.model_copy(update={"exports": exports})
    files = render(pipeline, GrafanaOptions())
    return {Path(path).stem: json.loads(text) for path, text in files.items()}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a dashboard that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def panel(board: dict[str, Any], title: str, kind: str | None = None) -> dict[str, Any]:
    """Return the one panel with this title, of this type when one is given."""
    (found,) = (each for each in panels(board) if each["title"] == title and kind in (None, each["type"]))
    return found


def limits(shown: dict[str, Any]) -> list[tuple[str, float | None]]:
    """Return the thresholds of a panel: colour and value."""
    return [(step["color"], step["value"]) for step in shown["fieldConfig"]["defaults"]["thresholds"]["steps"]]


def expressions(board: dict[str, Any]) -> list[str]:
    return [target["expr"] for shown in panels(board) for target in shown["targets"]]


def metric_names(expression: str) -> set[str]:
    """Return the metrics of a query: the words before a selector in braces."""
    return set(re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{", expression))


def labels_of(expression: str) -> dict[str, set[str]]:
    """Return for each metric of a query the labels by which it is selected."""
    found: dict[str, set[str]] = {}
    for name, selector in re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}", expression):
        found.setdefault(name, set()).update(re.findall(r'([a-z_]+)(?:=~|!~|!=|=)"', selector))
    return found
