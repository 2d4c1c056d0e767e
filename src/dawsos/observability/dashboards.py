"""The queries of a Grafana dashboard (classic JSON), with its variables replaced, as Prometheus can be asked.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from dawsos.model.json import Json, JsonObject, parse
from dawsos.observability.answers import told

# Name of a variable -> its text in an expression.
Values: TypeAlias = Mapping[str, str]

# ``$1`` is no variable: label_replace names its groups so.
_VARIABLE = re.compile(r"\$([a-zA-Z_]\w*)|\$\{(\w+)(?::\w+)?\}|\[\[(\w+)(?::\w+)?\]\]")
_LABEL_VALUES = re.compile(r"label_values\(\s*(?:(.*),)?\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*\)", re.DOTALL)
_AGO = re.compile(r"now-(\d+)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_HOUR = 3600
_SPECIAL, _QUOTED = re.compile(r"[\\^$.|?*+()\[\]{}]"), r"\\\\\g<0>"
_ALL = "$__all"
_DEEPEST = 8


class Unreadable(Exception):
    """A dashboard that is not understood; the message says why."""


@dataclass(frozen=True)
class Query:
    """One query: the titles of its dashboard and panel, and its PromQL.

    ``optional``: the panel says what it means that there is no data (Grafana's ``noValue``).  ``unknown`` names the variables that
    have no value, so that the query cannot be asked.
    """

    dashboard: str
    panel: str
    expression: str
    optional: bool = False
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lookup:
    """A variable whose values are those of a label: ``label_values(selector, label)``.  ``whole``: all of them at once."""

    name: str
    selector: str
    label: str
    whole: bool

    def expression(self, values: Values) -> str | None:
        """Return the query whose series have the values as their label; None when its own variables have no value."""
        selector, unknown = _replaced(self.selector, values)
        return None if unknown else f"group by ({self.label}) ({selector})"

    def chosen(self, found: Sequence[str]) -> Values:
        """Return the variable with its value when the label has the values ``found``, nothing without any."""
        ordered = sorted(found)
        return {self.name: _alternatives(ordered if self.whole else ordered[:1])} if ordered else {}


@dataclass(frozen=True)
class Dashboard:
    """One dashboard: ``targets`` are its queries with their variables, ``values`` what the file says of variables, ``lookups``
    those that Prometheus knows.  ``foreign`` counts the queries for another data source."""

    title: str
    targets: tuple[Query, ...]
    values: Values
    lookups: tuple[Lookup, ...] = ()
    foreign: int = 0

    def queries(self, values: Values) -> tuple[Query, ...]:
        """Return every query with its variables replaced."""
        found = ((target, *_replaced(target.expression, values)) for target in self.targets)
        return tuple(replace(target, expression=expression, unknown=unknown) for target, expression, unknown in found)


def read(text: str) -> Dashboard:
    """Return the dashboard in ``text``; raises Unreadable."""
    try:
        whole = parse(text)
    except (ValueError, RecursionError):
        raise Unreadable("it is no JSON") from None
    if isinstance(whole, dict) and isinstance(whole.get("dashboard"), dict):
        # As Grafana's API gives it: the dashboard beside its metadata.
        whole = whole["dashboard"]
    if not isinstance(whole, dict) or not isinstance(whole.get("panels"), list):
        raise Unreadable("it has no panels; export the dashboard as classic JSON")
    found = [(panel, target) for panel in _panels(whole["panels"]) for target in _objects(panel.get("targets"))]
    mine = [(panel, target) for panel, target in found if _of_prometheus(panel, target)]
    templating = whole.get("templating")
    variables = _objects(templating.get("list")) if isinstance(templating, dict) else []
    title = _title(whole)
    return Dashboard(
        title,
        tuple(Query(title, _title(panel), str(target["expr"]), _explains(panel)) for panel, target in mine),
        {**_built_in(whole), **dict(_values(variables))},
        tuple(_lookups(variables)),
        len(found) - len(mine),
    )


def _title(one: JsonObject) -> str:
    return told(str(one.get("title") or "without a title"))


def _objects(value: Json) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _panels(rows: Json, depth: int = 0) -> Iterator[JsonObject]:
    """Yield every panel, also those of a row that is folded."""
    if depth > _DEEPEST:
        raise Unreadable("its rows are nested too deeply")
    for panel in _objects(rows):
        yield panel
        yield from _panels(panel.get("panels"), depth + 1)


def _explains(panel: JsonObject) -> bool:
    """Return whether the panel has a text for the case that there is no data."""
    fields = panel.get("fieldConfig")
    defaults = fields.get("defaults") if isinstance(fields, dict) else None
    return isinstance(defaults, dict) and bool(defaults.get("noValue"))


def _of_prometheus(panel: JsonObject, target: JsonObject) -> bool:
    """Return whether a target is a query for Prometheus: by the type of its data source, or, without one, by ``expr``."""
    source = target.get("datasource") or panel.get("datasource")
    kind = source.get("type") if isinstance(source, dict) else None
    return isinstance(target.get("expr"), str) and kind in (None, "prometheus")


def _built_in(whole: JsonObject) -> Values:
    """Return the variables that Grafana works out from the window that the dashboard shows: rates over five minutes."""
    time = whole.get("time")
    ago = _AGO.fullmatch(str(time.get("from"))) if isinstance(time, dict) else None
    seconds = int(ago[1]) * _SECONDS[ago[2]] if ago else _HOUR
    return {
        "__interval": "1m", "__interval_ms": "60000", "__rate_interval": "5m",
        "__range": f"{seconds}s", "__range_s": f"{seconds}", "__range_ms": f"{seconds}000",
    }  # fmt: skip


def _values(variables: Sequence[JsonObject]) -> Iterator[tuple[str, str]]:
    """Yield the variables to which the file gives a value: the one chosen when it was exported, or all."""
    for one in variables:
        current, name = one.get("current"), one.get("name")
        chosen = current.get("value") if isinstance(current, dict) else None
        if not chosen and one.get("type") in ("constant", "textbox", "custom", "interval"):
            chosen = str(one.get("query") or "").split(",")[0].strip()
        value = _text(chosen, one.get("allValue"))
        if isinstance(name, str) and value:
            yield name, value


def _text(chosen: Json, of_all: Json) -> str:
    several = [one for one in chosen if isinstance(one, str)] if isinstance(chosen, list) else []
    if chosen == _ALL or _ALL in several:
        return of_all if isinstance(of_all, str) and of_all else ".*"
    return _alternatives(several) if several else chosen if isinstance(chosen, str) else ""


def _alternatives(values: Sequence[str]) -> str:
    """Return values as Grafana puts them into PromQL: several are alternatives of a regular expression.

    A backslash is doubled, because the expression stands in quotation marks.
    """
    return values[0] if len(values) == 1 else f"({'|'.join(_SPECIAL.sub(_QUOTED, one) for one in values)})"


def _lookups(variables: Sequence[JsonObject]) -> Iterator[Lookup]:
    for one in variables:
        asked = one.get("query")
        text = asked.get("query") if isinstance(asked, dict) else asked
        found = _LABEL_VALUES.fullmatch(str(text).strip())
        if one.get("type") == "query" and found is not None:
            selector = (found[1] or "").strip() or f'{{{found[2]}!=""}}'
            yield Lookup(str(one.get("name")), selector, found[2], bool(one.get("multi") or one.get("includeAll")))


def _replaced(expression: str, values: Values) -> tuple[str, tuple[str, ...]]:
    """Return the expression with its variables replaced, and the names of those that have no value."""
    unknown: dict[str, None] = {}

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2] or found[3]
        if name not in values:
            unknown[name] = None
        return values.get(name, "")

    return _VARIABLE.sub(value, expression), tuple(unknown)
