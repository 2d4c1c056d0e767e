"""Each query of each dashboard must have data: a number, from a query that could be asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dawsos.model.events import CheckResult
from dawsos.observability.answers import Unusable
from dawsos.observability.boards import check
from observability.test_dashboards import board, panel
from support.observed import Told, checked, vector

LIMIT = "each query has data, or its panel says why not"
GOOD = vector(({}, "1"))


def found(text: str | None, answers: Mapping[str, Any] | None = None, **settings: Any) -> tuple[CheckResult, Told]:
    """Return the check's result where Prometheus has ``answers`` (a list: one after the other), else a number."""

    def answer(path: str, params: Mapping[str, str]) -> Any:
        one = (answers or {}).get(params["query"], GOOD)
        one = one.pop(0) if isinstance(one, list) else one
        if isinstance(one, Unusable):
            raise one
        return one

    server = Told(answer)
    named = {"prometheus": {}, "within": 10.0, **settings}
    return checked(check, named, {"prometheus": server}, {"deploy/shop.json": text}), server


def test_every_query_has_data() -> None:
    result, _ = found(board(panel("a", "b"), panel("c")))
    assert result == CheckResult("dashboards", "pass", "3 of 3 queries with data", LIMIT)


@pytest.mark.parametrize(
    ("answer", "lack"),
    [
        (vector(), "no series"),
        (vector(({}, "NaN"), ({}, "+Inf")), "no number"),
        (Unusable("status 400: parse error", status=400), "status 400: parse error"),
        (Unusable("status 422: many-to-many", status=422), "status 422: many-to-many"),
    ],
    ids=["empty", "NaN", "bad query", "cannot be worked out"],
)
def test_a_query_without_data_is_named_with_its_panel(answer: Any, lack: str) -> None:
    result, _ = found(board(panel("a", "b")), {"b": answer})
    assert (result.result, result.measured) == ("fail", f"1 of 2 queries with data; Shop, Errors: {lack}")


def waits(*queries: str) -> dict[str, Any]:
    return panel(*queries, title="Waits", fieldConfig={"defaults": {"noValue": "nothing waits"}})


@pytest.mark.parametrize("none", [vector(), vector(({}, "NaN"))], ids=["no series", "no number"])
def test_what_a_panel_explains_is_counted_apart(none: Any) -> None:
    result, _ = found(board(panel("a"), waits("b")), {"b": none})
    assert result.passed
    assert result.measured == "1 of 2 queries with data; 1 without, as their panels explain"
    # No text explains a dashboard that shows nothing at all, or a query that cannot be asked.
    alone, _ = found(board(waits("b", "c")), {"b": none, "c": none})
    assert (alone.result, alone.measured) == (
        "fail", "0 of 2 queries with data; 2 without, as their panels explain; Shop: no query has data",
    )  # fmt: skip
    bad = {"b": Unusable("status 400: parse error", status=400)}
    assert found(board(panel("a"), waits("b")), bad)[0].result == "fail"
    assert found(board(panel("a"), waits('x{a="$lost"}')))[0].result == "fail"


def test_a_query_may_have_data_later_and_the_others_are_not_asked_again() -> None:
    result, server = found(board(panel("a", "b")), {"b": [vector(), vector(), GOOD]})
    assert result.passed
    assert [params["query"] for _, params in server.asked] == ["a", "b", "b", "b"]


def test_a_server_that_fails_is_an_error_and_no_data() -> None:
    result, _ = found(board(panel("a")), {"a": Unusable("status 503", status=503)})
    assert (result.result, result.measured) == ("error", "status 503")


def test_variables_get_the_environment_that_is_verified_and_what_prometheus_knows() -> None:
    variables = [
        {"name": "environment", "type": "custom", "query": "staging,production"},
        {"name": "d", "type": "query", "query": 'label_values(up{e="$environment"}, d)', "includeAll": True},
    ]
    known = {
        'group by (d) (up{e="production"})': vector(({"d": "shop-stable"}, "1"), ({"d": "shop-canary"}, "1"), ({}, "1"))
    }
    result, server = found(board(panel('x{e="$environment",d=~"$d"}'), variables=variables), known)
    assert result.passed
    assert server.asked[-1][1]["query"] == 'x{e="production",d=~"(shop-canary|shop-stable)"}'
    lost, _ = found(board(panel('x{d=~"$d"}'), variables=variables), {next(iter(known)): vector()})
    assert (lost.result, lost.measured) == ("fail", "0 of 1 queries with data; Shop, Errors: no value for $d")


def test_a_dashboard_without_queries_is_no_pass() -> None:
    result, _ = found(board(panel("a")), {"a": GOOD})
    assert result.passed
    result, _ = found(board({"type": "text", "title": "Read me"}))
    assert (result.result, result.measured) == ("fail", "0 of 0 queries with data; Shop: no query has data")


def test_queries_for_other_data_sources_are_said_not_to_be_checked() -> None:
    loki = {"expr": "b", "datasource": {"type": "loki"}}
    result, _ = found(board(panel("a", loki)))
    assert result.measured == "1 of 1 queries with data; 1 for other data sources not checked"


@pytest.mark.parametrize(
    ("text", "measured"),
    [(None, "there is no file deploy/shop.json"), ("<html>", "deploy/shop.json: it is no JSON")],
)
def test_a_file_that_is_not_there_or_not_understood_is_an_error(text: str | None, measured: str) -> None:
    result, _ = found(text)
    assert (result.result, result.measured) == ("error", measured)


def test_without_dashboards_or_prometheus_nothing_is_checked() -> None:
    none = checked(check, {"prometheus": {}})
    assert (none.result, none.measured) == (
        "not_checked",
        "not configured: environments.production.observability.dashboards, and exports.grafana",
    )
    nowhere = checked(check, {}, dashboards={"a.json": board(panel("a"))})
    assert (nowhere.result, nowhere.measured) == (
        "not_checked",
        "not configured: environments.production.observability.prometheus",
    )
