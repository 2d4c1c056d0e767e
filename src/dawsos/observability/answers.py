"""The answers of Prometheus, Alertmanager, Jaeger and Tempo as values.  Pure.

A server may answer anything.  What is not understood raises ``Unusable``, and is never taken for an empty answer.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dawsos.model.json import Json, JsonObject, parse
from dawsos.model.observability import TraceKind

_LONGEST = 200
# A server that refuses the token, or sends elsewhere, does so the next time as well.
_FINAL = frozenset({301, 302, 303, 307, 308, 400, 401, 403, 405})


class Unusable(Exception):
    """No usable answer; the message says which server, where that is known, and the ``reason``.

    ``status`` is that of an answer whose status was the reason, else 0.  ``final``: to ask again changes nothing, as with a
    token that is refused.
    """

    def __init__(self, reason: str, *, status: int = 0, final: bool = False, server: str = "") -> None:
        self.reason = told(reason)
        self.status = status
        self.final = final or status in _FINAL
        super().__init__(f"{server}: {self.reason}" if server else self.reason)


def told(text: str) -> str:
    """Return text of a server on one short line without control characters."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def document(status: int, headers: Mapping[str, str], text: str) -> Json:
    """Return the JSON document of an answer; header names are in lower case.  Raises Unusable for any other answer."""
    if 300 <= status < 400:
        there = headers.get("location", "without an address")
        raise Unusable(f"status {status}: it sends elsewhere ({there}), which is not followed", status=status)
    try:
        found = parse(text)
    except (ValueError, RecursionError):
        if status == 200:
            raise Unusable(f"it answers {headers.get('content-type') or 'without a type'}, and no JSON") from None
        # Jaeger and Tempo say in a plain line what they did not find.
        line = "" if "<" in text else text
        raise Unusable(f"status {status}{': ' if line else ''}{line}", status=status) from None
    if status != 200:
        raise Unusable(f"status {status}{_error(found)}", status=status)
    return found


def _error(found: Json) -> str:
    """Return what a document says of its failure: ``error`` at Prometheus, ``message``, or Jaeger's list ``errors``."""
    whole = found if isinstance(found, dict) else {}
    errors = whole.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    said = whole.get("error") or whole.get("message") or (first.get("msg") if isinstance(first, dict) else found)
    return f": {said}" if isinstance(said, str) and said else ""


def _object(value: Json, what: str) -> JsonObject:
    if not isinstance(value, dict):
        raise Unusable(f"{what} is no object")
    return value


def _list(value: Json, what: str) -> list[Json]:
    if not isinstance(value, list):
        raise Unusable(f"{what} is no list")
    return value


def _texts(value: Json, what: str) -> dict[str, str]:
    found = _object(value, what)
    return {key: text for key, text in found.items() if isinstance(text, str)}


@dataclass(frozen=True)
class Series:
    """One series of an instant query; a value that is no number is NaN."""

    labels: Mapping[str, str]
    value: float


def _data(found: Json) -> JsonObject:
    """Return ``data`` of an answer of Prometheus' API."""
    whole = _object(found, "the answer")
    if whole.get("status") != "success":
        raise Unusable(f"Prometheus did not succeed{_error(whole)}")
    return _object(whole.get("data"), "data")


def series(found: Json) -> list[Series]:
    """Return the series of an instant query (``/api/v1/query``); a scalar is one without labels."""
    data = _data(found)
    kind, result = data.get("resultType"), data.get("result")
    if kind == "scalar":
        return [Series({}, _value(result))]
    if kind != "vector":
        raise Unusable(f"Prometheus answers {kind}, and not the vector of an instant query")
    rows = [_object(row, "a series") for row in _list(result, "result")]
    return [Series(_texts(row.get("metric"), "metric"), _value(row.get("value"))) for row in rows]


def _value(pair: Json) -> float:
    row = _list(pair, "a value")
    if len(row) != 2 or not isinstance(row[1], str):
        raise Unusable("a value is no pair of time and number")
    try:
        return float(row[1])
    except ValueError:
        return math.nan


@dataclass(frozen=True)
class Rule:
    """An alerting rule of Prometheus; ``problem`` is why it could not be evaluated, or an empty text."""

    name: str
    problem: str


def alerting_rules(found: Json) -> list[Rule]:
    """Return the alerting rules of ``/api/v1/rules``."""
    groups = [_object(group, "a group") for group in _list(_data(found).get("groups"), "groups")]
    rules = [_object(rule, "a rule") for group in groups for rule in _list(group.get("rules"), "rules")]
    return [
        Rule(
            str(rule.get("name")),
            "" if rule.get("health") == "ok" else str(rule.get("lastError") or f"health {rule.get('health')}"),
        )
        for rule in rules
        if rule.get("type") == "alerting"
    ]


def active_alertmanagers(found: Json) -> int:
    """Return to how many Alertmanagers Prometheus sends (``/api/v1/alertmanagers``)."""
    return len(_list(_data(found).get("activeAlertmanagers"), "activeAlertmanagers"))


@dataclass(frozen=True)
class Alert:
    """An alert that Alertmanager holds; ``state`` is ``active``, ``suppressed`` (silenced, inhibited) or ``unprocessed``."""

    labels: Mapping[str, str]
    state: str
    since: str

    @property
    def name(self) -> str:
        """Its name on one line, with the severity where it has one."""
        severity = self.labels.get("severity", "")
        return told(self.labels.get("alertname", "without a name") + (f" ({severity})" if severity else ""))


def alerts(found: Json) -> list[Alert]:
    """Return the alerts of ``/api/v2/alerts``."""
    rows = [_object(row, "an alert") for row in _list(found, "the answer")]
    return [
        Alert(
            _texts(row.get("labels"), "labels"),
            str(_object(row.get("status"), "status").get("state")),
            str(row.get("startsAt")),
        )
        for row in rows
    ]


@dataclass(frozen=True)
class Span:
    """A span of the trace that was looked for: ``service.name`` and ``service.version`` of its resource."""

    service: str
    version: str


def spans(kind: TraceKind, found: Json, trace: str) -> list[Span]:
    """Return the spans of ``trace`` (32 hexadecimal digits); spans of other traces do not count."""
    return list(_jaeger(found, trace) if kind == "jaeger" else _tempo(found, trace))


def _jaeger(found: Json, trace: str) -> Iterator[Span]:
    for one in _list(_object(found, "the answer").get("data"), "data"):
        whole = _object(one, "a trace")
        processes = _object(whole.get("processes") or {}, "processes")
        for row in _list(whole.get("spans"), "spans"):
            span = _object(row, "a span")
            # Jaeger leaves out zeros at the beginning.
            if str(span.get("traceID", "")).lower().zfill(32) == trace:
                process = _object(processes.get(str(span.get("processID"))) or {}, "a process")
                tags = [_object(tag, "a tag") for tag in _list(process.get("tags") or [], "tags")]
                version = next((tag.get("value") for tag in tags if tag.get("key") == "service.version"), "")
                yield Span(told(str(process.get("serviceName") or "")), told(str(version or "")))


def _tempo(found: Json, trace: str) -> Iterator[Span]:
    whole = _object(found, "the answer")
    whole = _object(whole.get("trace") or whole, "trace")
    # Older versions call the resources of OTLP ``batches``.
    for one in _list(whole.get("resourceSpans", whole.get("batches")), "batches"):
        batch = _object(one, "a batch")
        resource = _object(batch.get("resource") or {}, "resource")
        attributes = dict(_attributes(_list(resource.get("attributes") or [], "attributes")))
        for scope in _list(batch.get("scopeSpans") or [], "scopeSpans"):
            for row in _list(_object(scope, "a scope").get("spans") or [], "spans"):
                if _same_trace(_object(row, "a span").get("traceId"), trace):
                    yield Span(attributes.get("service.name", ""), attributes.get("service.version", ""))


def _attributes(rows: list[Json]) -> Iterator[tuple[str, str]]:
    for row in rows:
        attribute = _object(row, "an attribute")
        value = _object(attribute.get("value") or {}, "a value").get("stringValue")
        yield str(attribute.get("key")), told(value if isinstance(value, str) else "")


def _same_trace(written: Json, trace: str) -> bool:
    """Return whether ``written`` is the id ``trace``, in hexadecimal digits or, as Tempo's JSON has it, in base64."""
    if not isinstance(written, str):
        return False
    if written.lower() == trace:
        return True
    try:
        return base64.b64decode(written, validate=True).hex().zfill(32) == trace
    except (binascii.Error, ValueError):
        return False
