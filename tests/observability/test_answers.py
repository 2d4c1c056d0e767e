"""Answers of servers: what they say is read as it is, and what is not understood is never an empty answer."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dawsos.observability.answers import (
    Rule,
    Series,
    Span,
    Unusable,
    active_alertmanagers,
    alerting_rules,
    alerts,
    document,
    series,
    spans,
    told,
)
from support.observed import vector

TRACE = "0af7651916cd43dd8448eb211c80319c"
JSON = {"content-type": "application/json"}


def test_a_document_is_what_a_good_answer_holds() -> None:
    assert document(200, JSON, '{"a": [1]}') == {"a": [1]}


@pytest.mark.parametrize(
    ("status", "headers", "text", "reason", "final"),
    [
        (200, {"content-type": "text/html"}, "<html>login</html>", "it answers text/html, and no JSON", False),
        (200, {}, "", "it answers without a type, and no JSON", False),
        (200, JSON, "[" * 100_000, "it answers application/json, and no JSON", False),
        (302, {"location": "https://elsewhere.example.org/"}, "",
         "status 302: it sends elsewhere (https://elsewhere.example.org/), which is not followed", True),
        (401, {}, "<html>", "status 401", True),
        (503, JSON, '{"status": "error", "error": "TSDB not ready"}', "status 503: TSDB not ready", False),
        (400, JSON, '{"status": "error", "errorType": "bad_data", "error": "parse error"}', "status 400: parse error", True),
        (404, JSON, '{"data": null, "errors": [{"code": 404, "msg": "trace not found"}]}', "status 404: trace not found", False),
        (404, {}, "trace not found", "status 404: trace not found", False),
        (500, JSON, "[]", "status 500", False),
    ],
    ids=["HTML", "nothing", "too deep", "elsewhere", "refused", "not ready", "bad query", "Jaeger", "Tempo", "no reason"],
)  # fmt: skip
def test_any_other_answer_has_a_reason(
    status: int, headers: dict[str, str], text: str, reason: str, final: bool
) -> None:
    with pytest.raises(Unusable) as caught:
        document(status, headers, text)
    assert (str(caught.value), caught.value.final) == (reason, final)
    assert caught.value.status in (0, status)


def test_text_of_a_server_is_short_and_steers_no_terminal() -> None:
    assert told("\x1b[2Jgone\n\nand\tmore") == "[2Jgone and more"
    assert len(told("a" * 1000)) == 200


def test_a_vector_has_its_series_and_a_scalar_is_one() -> None:
    found = series(vector(({"job": "a"}, "1.5"), ({}, "NaN"), ({}, "+Inf"), ({}, "none")))
    assert found[0] == Series({"job": "a"}, 1.5)
    assert [math.isfinite(one.value) for one in found] == [True, False, False, False]
    assert series({"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}) == [Series({}, 2.0)]
    assert series(vector()) == []


@pytest.mark.parametrize(
    "answer",
    [
        None, [], {}, {"status": "success"}, {"status": "error", "error": "no"}, {"status": "success", "data": []},
        {"status": "success", "data": {"resultType": "matrix", "result": []}},
        {"status": "success", "data": {"resultType": "vector"}},
        {"status": "success", "data": {"resultType": "vector", "result": [1]}},
        {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}}]}},
        {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, 2]}]}},
        {"status": "success", "data": {"resultType": "vector", "result": [{"metric": None, "value": [1, "2"]}]}},
    ],
)  # fmt: skip
def test_what_is_no_vector_is_not_an_empty_one(answer: Any) -> None:
    with pytest.raises(Unusable):
        series(answer)


def test_alerting_rules_and_whether_they_work() -> None:
    rules = [
        {"type": "alerting", "name": "A", "health": "ok"},
        {"type": "alerting", "name": "B", "health": "err", "lastError": "no such function"},
        {"type": "alerting", "name": "C", "health": "unknown"},
        {"type": "recording", "name": "D", "health": "err"},
    ]
    answer: Any = {"status": "success", "data": {"groups": [{"rules": rules}]}}
    assert alerting_rules(answer) == [Rule("A", ""), Rule("B", "no such function"), Rule("C", "health unknown")]
    with pytest.raises(Unusable):
        alerting_rules({"status": "success", "data": {}})
    with pytest.raises(Unusable):
        active_alertmanagers({"status": "success", "data": {"activeAlertmanagers": None}})
    assert active_alertmanagers({"status": "success", "data": {"activeAlertmanagers": [{"url": "http://a"}]}}) == 1


def test_alerts_with_their_states() -> None:
    answer: Any = [
        {"labels": {"alertname": "A", "severity": "page", "n": 1}, "startsAt": "2026-11-30T01:00:00Z", "status": {"state": "active"}},
        {"labels": {}, "startsAt": None, "status": {"state": "suppressed"}},
    ]  # fmt: skip
    first, second = alerts(answer)
    assert (first.name, first.state, first.since) == ("A (page)", "active", "2026-11-30T01:00:00Z")
    assert (second.name, second.state) == ("without a name", "suppressed")


@pytest.mark.parametrize(
    "answer", [None, {}, {"data": []}, [1], [{}], [{"labels": {}}], [{"labels": [], "status": {}}]]
)
def test_what_is_no_list_of_alerts_is_not_an_empty_one(answer: Any) -> None:
    with pytest.raises(Unusable):
        alerts(answer)


def jaeger(trace: str, **process: Any) -> Any:
    return {
        "data": [{"traceID": trace, "spans": [{"traceID": trace, "processID": "p1"}], "processes": {"p1": process}}]
    }


def test_spans_of_jaeger() -> None:
    tags = [{"key": "host.name", "value": "a"}, {"key": "service.version", "type": "string", "value": "c0ffee"}]
    assert spans("jaeger", jaeger(TRACE, serviceName="shop", tags=tags), TRACE) == [Span("shop", "c0ffee")]
    assert spans("jaeger", jaeger(TRACE.upper(), serviceName="shop"), TRACE) == [Span("shop", "")]
    assert spans("jaeger", jaeger("f" * 32, serviceName="shop"), TRACE) == []
    assert spans("jaeger", jaeger("af" * 15, serviceName="shop"), "00" + "af" * 15) == [Span("shop", "")]
    assert spans("jaeger", {"data": []}, TRACE) == []


def tempo(trace: str) -> Any:
    attributes = [
        {"key": "service.name", "value": {"stringValue": "shop"}},
        {"key": "service.version", "value": {"stringValue": "c0ffee"}},
        {"key": "process.pid", "value": {"intValue": "7"}},
    ]
    return [{"resource": {"attributes": attributes}, "scopeSpans": [{"spans": [{"traceId": trace, "name": "GET"}]}]}]


@pytest.mark.parametrize("trace", [TRACE, TRACE.upper(), "CvdlGRbNQ92ESOshHIAxnA=="])
def test_spans_of_tempo_in_any_of_its_forms(trace: str) -> None:
    forms: tuple[Any, ...] = (
        {"batches": tempo(trace)},
        {"resourceSpans": tempo(trace)},
        {"trace": {"resourceSpans": tempo(trace)}},
    )
    for whole in forms:
        assert spans("tempo", whole, TRACE) == [Span("shop", "c0ffee")]


@pytest.mark.parametrize("trace", ["", "f" * 32, "no trace", "é", 7, None])
def test_spans_of_another_trace_do_not_count(trace: Any) -> None:
    assert spans("tempo", {"batches": tempo(trace)}, TRACE) == []


@pytest.mark.parametrize("kind", ["jaeger", "tempo"])
@pytest.mark.parametrize(
    "answer",
    [None, [], {}, {"data": None}, {"data": [{}]}, {"batches": None}, {"batches": [1]}, {"data": [{"spans": [1]}]}],
)
def test_what_is_no_trace_is_not_one_without_spans(kind: Any, answer: Any) -> None:
    with pytest.raises(Unusable):
        spans(kind, answer, TRACE)
