"""The parts of a Grafana dashboard as frozen values, and the classic dashboard JSON that they give.  Pure.

The keys are those of the schema that Grafana publishes (``@grafana/schema`` 13.2, schema version 42), against which
``tests/exports/test_grafana.py`` holds the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeAlias

Json: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["stat", "timeseries", "bargauge"]

SCHEMA_VERSION = 42
# Grafana's grid has 24 columns; a unit of height is 30 pixels.
COLUMNS = 24
_UID_LENGTH = 40
_SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}


class Section(StrEnum):
    """The sections of docs/runbooks.md to which panels point."""

    INTERRUPTED = "A ship, drill or rollback was interrupted, or the machine was restarted"
    BAD_NOW = "Production is bad: bring it back now"
    CRASHES = "A process crashes again and again"
    # Of the alerts on the same numbers.
    RUNS_FAIL = "PipelineFailureRate"
    RUNS_FAIL_OFTEN = "PipelineFailsOften"
    SLOW = "PipelineSlow"
    NEAR_BUDGET = "StageNearBudget"
    APPROVAL = "ApprovalWaiting"
    WAIVER = "WaiverExpires"
    STALE = "PipelineMetricsStale"
    ROLLBACK = "CanaryRollback"
    ROLLBACK_RATE = "CanaryRollbackRate"
    ERRORS = "ErrorBudgetBurn"
    LATENCY = "LatencyBudgetBurn"
    FAILURES = "ServiceFailureCounter"


@dataclass(frozen=True)
class Target:
    """One PromQL query.  ``legend`` names its series: ``{{label}}`` is replaced by the label's value."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Limit:
    """From ``value`` on, in the panel's unit, a value is shown in ``colour``."""

    value: float
    colour: str = "red"


@dataclass(frozen=True)
class Series:
    """How the series whose name matches ``name`` differs: a text between slashes is a regular expression.

    ``colour`` is its colour, ``limit`` its own limit, which a bar reaches at its end.
    """

    name: str
    colour: str | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Panel:
    """One panel.

    ``unit`` is one of Grafana's units: ``percentunit`` (a share in [0, 1]), ``s``, ``reqps``, ``short``.  ``base`` is the colour
    below the first of ``limits``.  A ``timeseries`` shows its limits as lines.  ``none`` says what it means when there is no data, for
    panels of which that may be so: without it, no data is a fault.  ``over`` is a time range of its own,
    for example ``30d``.  ``names`` shows the names of the series beside their values, ``whole`` no
    decimals: the growth of a counter is extrapolated, and 3 becomes 3.02.
    """

    title: str
    kind: Kind
    text: str
    targets: tuple[Target, ...]
    unit: str = "short"
    limits: tuple[Limit, ...] = ()
    base: str = "green"
    series: tuple[Series, ...] = ()
    none: str = ""
    width: int = 8
    height: int = 8
    section: Section | None = None
    over: str = ""
    names: bool = False
    whole: bool = False
    stacked: bool = False


@dataclass(frozen=True)
class Row:
    """A titled row of panels, which flow from left to right."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """A choice at the top of a dashboard.  ``options`` are fixed choices, the first is taken; without any, ``query`` asks
    Prometheus for the label's values, and all are taken."""

    name: str
    label: str
    text: str
    options: tuple[str, ...] = ()
    query: str = ""


@dataclass(frozen=True)
class Board:
    """One dashboard.  ``name`` is its file's; ``uid`` is its address in Grafana (``/d/UID``); ``since`` the time that it shows."""

    name: str
    uid: str
    title: str
    text: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]
    since: str
    refresh: str
    tag: str


@dataclass(frozen=True)
class Runbook:
    """The page of the runbooks: a web address, to which panels link, or a path, which they name."""

    page: str

    def address(self, section: Section) -> str:
        """Return the address of a section: the heading's anchor as GitHub and GitLab make it."""
        kept = "".join(c for c in section.lower() if c.isalnum() or c in " -_")
        return f"{self.page}#{kept.replace(' ', '-')}"

    def sentence(self, section: Section) -> str:
        """Return the end of a panel's description, which is Markdown."""
        if self.page.startswith(("https://", "http://")):
            return f"Runbook: [{section}]({self.address(section)})."
        return f'Runbook: `{self.page}`, section "{section}".'

    def links(self, section: Section) -> list[Json]:
        """Return the link at a panel's title; a path is no address that a browser could open."""
        if not self.page.startswith(("https://", "http://")):
            return []
        return [_link(f"Runbook: {section}", "link", url=self.address(section))]


def uid(project: str, name: str) -> str:
    """Return the dashboard's address in Grafana, at most 40 characters, and for other projects another one."""
    return f"{project[: _UID_LENGTH - len(name) - 1]}-{name}"


def document(board: Board, runbook: Runbook) -> Json:
    """Return the classic JSON of a dashboard."""
    return {
        "annotations": {"list": [_ALERTS]},
        "description": board.text,
        "editable": True,
        "graphTooltip": 1,
        "links": [_link("Dashboards of this project", "dashboards", tags=(board.tag,))],
        "panels": list(_laid_out(board.rows, runbook)),
        "refresh": board.refresh,
        "schemaVersion": SCHEMA_VERSION,
        "tags": ["dawsos-pipeline", board.tag],
        "templating": {"list": [_DATASOURCE, *(_variable(variable) for variable in board.variables)]},
        "time": {"from": f"now-{board.since}", "to": "now"},
        "timezone": "browser",
        "title": board.title,
        "uid": board.uid,
    }


# What Grafana itself notes: the alerts of its own rules, and what people write.
_ALERTS: Json = {
    "builtIn": 1,
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "name": "Annotations & Alerts",
    "type": "dashboard",
}
_DATASOURCE: Json = {
    "description": "The Prometheus that scrapes `dawsos metrics --listen` and the service.",
    "label": "Prometheus",
    "name": "datasource",
    "query": "prometheus",
    "type": "datasource",
}


def _link(title: str, kind: Literal["link", "dashboards"], *, url: str = "", tags: Sequence[str] = ()) -> Json:
    link: Json = {"title": title, "type": kind, "icon": "external link", "tooltip": "", "tags": list(tags)}
    link |= {"asDropdown": False, "targetBlank": kind == "link", "includeVars": False, "keepTime": kind == "dashboards"}
    return link | ({"url": url} if url else {})


def _variable(variable: Variable) -> Json:
    told: Json = {"name": variable.name, "label": variable.label, "description": variable.text}
    if variable.options:
        first = variable.options[0]
        return told | {
            "type": "custom",
            "query": ",".join(variable.options),
            "options": [{"text": each, "value": each, "selected": each == first} for each in variable.options],
            "current": {"text": first, "value": first, "selected": True},
        }
    every = {"text": ["All"], "value": ["$__all"], "selected": True}
    told |= {"type": "query", "datasource": _SOURCE, "query": variable.query, "refresh": 2, "sort": 1}
    return told | {"multi": True, "includeAll": True, "allValue": ".*", "current": every}


def _laid_out(rows: Iterable[Row], runbook: Runbook) -> Iterable[Json]:
    """Yield the panels with their place in the grid and their number, row by row."""
    number, top = 0, 0
    for row in rows:
        number += 1
        place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        yield {"type": "row", "id": number, "title": row.title, "collapsed": False, "panels": [], "gridPos": place}
        left, top, height = 0, top + 1, 0
        for panel in row.panels:
            number += 1
            if left + panel.width > COLUMNS:
                left, top, height = 0, top + height, 0
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            yield {"id": number, "gridPos": place, **_panel(panel, runbook)}
            left, height = left + panel.width, max(height, panel.height)
        top += height


def _panel(panel: Panel, runbook: Runbook) -> Json:
    made: Json = {
        "type": panel.kind,
        "title": panel.title,
        "description": f"{panel.text} {runbook.sentence(panel.section)}" if panel.section else panel.text,
        "links": runbook.links(panel.section) if panel.section else [],
        "datasource": _SOURCE,
        "targets": [_target(panel, target, index) for index, target in enumerate(panel.targets)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": [_override(series) for series in panel.series]},
        "options": _OPTIONS[panel.kind](panel),
    }
    return made | ({"timeFrom": panel.over} if panel.over else {})


def _target(panel: Panel, target: Target, index: int) -> Json:
    over_time = panel.kind == "timeseries"
    return {
        "refId": chr(ord("A") + index),
        "datasource": _SOURCE,
        "editorMode": "code",
        "expr": target.expr,
        "legendFormat": target.legend or "__auto",
        "range": over_time,
        "instant": not over_time,
    }


def _defaults(panel: Panel) -> Json:
    defaults: Json = {
        "unit": panel.unit,
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": _thresholds(panel.base, panel.limits),
        "custom": {},
    }
    if panel.whole:
        defaults["decimals"] = 0
    if panel.none:
        defaults["noValue"] = panel.none
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 2,
            "fillOpacity": 30 if panel.stacked else 0,
            "showPoints": "auto",
            "axisSoftMin": 0,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if panel.limits else "off"},
        }
    return defaults


def _thresholds(base: str, limits: Iterable[Limit]) -> Json:
    # Grafana takes the first step, whose value is null, for everything below the others, which it wants in order.
    steps = [{"color": limit.colour, "value": limit.value} for limit in sorted(limits, key=lambda each: each.value)]
    return {"mode": "absolute", "steps": [{"color": base, "value": None}, *steps]}


def _override(series: Series) -> Json:
    matcher = "byRegexp" if series.name.startswith("/") else "byName"
    properties: list[Json] = []
    if series.colour is not None:
        properties.append({"id": "color", "value": {"mode": "fixed", "fixedColor": series.colour}})
    if series.limit is not None:
        properties.append({"id": "thresholds", "value": _thresholds("green", (Limit(series.limit),))})
        properties.append({"id": "max", "value": series.limit})
    return {"matcher": {"id": matcher, "options": series.name}, "properties": properties}


def _stat_options(panel: Panel) -> Json:
    return {
        "colorMode": "background" if panel.limits else "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": _LAST,
        "showPercentChange": False,
        "textMode": "value_and_name" if panel.names else "auto",
        "wideLayout": True,
    }


def _timeseries_options(panel: Panel) -> Json:
    legend = {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": True}
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}


def _bargauge_options(panel: Panel) -> Json:
    return {
        "displayMode": "basic",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
        "maxVizHeight": 300,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": _LAST,
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    }


_LAST: Json = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS = {"stat": _stat_options, "timeseries": _timeseries_options, "bargauge": _bargauge_options}
