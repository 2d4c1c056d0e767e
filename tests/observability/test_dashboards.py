"""Dashboards are read as Grafana reads them: every panel, with the variables replaced; what is not understood is said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dawsos.observability.dashboards import Lookup, Query, Unreadable, read


def panel(*targets: Any, **more: Any) -> dict[str, Any]:
    written = [{"expr": one} if isinstance(one, str) else one for one in targets]
    return {"title": "Errors", "targets": written, **more}


def board(*panels: Any, variables: Any = (), **more: Any) -> str:
    return json.dumps({"title": "Shop", "panels": list(panels), "templating": {"list": list(variables)}, **more})


def expressions(text: str, **values: str) -> list[str]:
    found = read(text)
    return [one.expression for one in found.queries({**found.values, **values})]


def test_every_query_of_every_panel_also_in_folded_rows() -> None:
    row = {"type": "row", "title": "More", "panels": [panel("c"), panel("d", title="Latency")]}
    found = read(board(panel("a", "b"), row, {"type": "text"}))
    assert (found.title, found.foreign) == ("Shop", 0)
    assert [(one.panel, one.expression) for one in found.targets] == [
        ("Errors", "a"), ("Errors", "b"), ("Errors", "c"), ("Latency", "d"),
    ]  # fmt: skip
    assert {(one.dashboard, one.optional) for one in found.targets} == {("Shop", False)}


def test_the_api_s_form_is_read_too() -> None:
    assert read(json.dumps({"dashboard": json.loads(board(panel("a"))), "meta": {}})).targets == (
        Query("Shop", "Errors", "a"),
    )


def test_queries_for_other_data_sources_are_counted() -> None:
    loki = {"expr": '{app="shop"}', "datasource": {"type": "loki", "uid": "x"}}
    own = {"expr": "a", "datasource": {"type": "prometheus", "uid": "$datasource"}}
    sql = {"rawSql": "select 1"}
    found = read(board(panel(loki, own, sql), panel("b", datasource={"type": "loki"})))
    assert (found.targets, found.foreign) == ((Query("Shop", "Errors", "a"),), 3)


@pytest.mark.parametrize("text", ["", "<html>", "[]", "{}", '{"panels": {}}', "[" * 100_000, '{"elements": {}}'])
def test_what_is_no_dashboard_is_not_one_without_queries(text: str) -> None:
    with pytest.raises(Unreadable):
        read(text)


@pytest.mark.parametrize(("text", "optional"), [("nothing waits", True), ("", False)])
def test_a_panel_may_say_what_it_means_that_there_is_no_data(text: str, optional: bool) -> None:
    (query,) = read(board(panel("a", fieldConfig={"defaults": {"noValue": text}}))).targets
    assert query.optional is optional


def test_rows_nested_for_ever_are_refused() -> None:
    rows: Any = panel("a")
    for _ in range(20):
        rows = {"type": "row", "panels": [rows]}
    with pytest.raises(Unreadable, match="nested too deeply"):
        read(board(rows))


def test_grafana_s_own_variables_follow_the_window_of_the_dashboard() -> None:
    text = board(panel("increase(a[$__range]) + rate(a[$__rate_interval])"), time={"from": "now-24h", "to": "now"})
    assert expressions(text) == ["increase(a[86400s]) + rate(a[5m])"]
    assert expressions(board(panel("a[${__range_s}s]"))) == ["a[3600s]"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ({"type": "custom", "query": "a,b"}, "a"),
        ({"type": "constant", "query": "a"}, "a"),
        ({"type": "custom", "query": "a,b", "current": {"value": "b"}}, "b"),
        ({"type": "custom", "current": {"value": ["a.b", "c"]}}, "(a\\\\.b|c)"),
        ({"type": "custom", "current": {"value": ["a.b"]}}, "a.b"),
        ({"type": "query", "current": {"value": "$__all"}}, ".*"),
        ({"type": "query", "current": {"value": ["$__all"]}, "allValue": ".+"}, ".+"),
    ],
)
def test_a_variable_has_the_value_that_the_file_gives_it(variable: dict[str, Any], value: str) -> None:
    text = board(panel('x{a=~"$v"} ${v:regex} [[v]]'), variables=[{"name": "v", **variable}])
    assert expressions(text) == [f'x{{a=~"{value}"}} {value} {value}']


def test_what_is_verified_goes_before_what_was_exported() -> None:
    text = board(
        panel("x{e='$environment'}"), variables=[{"name": "environment", "type": "custom", "query": "staging"}]
    )
    assert expressions(text, environment="production") == ["x{e='production'}"]


def test_a_variable_without_a_value_is_named() -> None:
    found = read(board(panel('x{a="$one", b="${two}", c="$one"}', 'label_replace(x, "a", "$1", "b", "(.*)")')))
    first, second = found.queries(found.values)
    assert (first.panel, first.unknown) == ("Errors", ("one", "two"))
    assert second == Query("Shop", "Errors", 'label_replace(x, "a", "$1", "b", "(.*)")')


@pytest.mark.parametrize(
    ("query", "selector"),
    [
        ('label_values(up{e="$e"}, deployment)', 'up{e="$e"}'),
        ({"query": 'label_values(up{a="1",e="$e"},deployment)', "refId": "A"}, 'up{a="1",e="$e"}'),
        ("label_values(deployment)", '{deployment!=""}'),
    ],
)
def test_a_variable_that_prometheus_knows_is_asked_for(query: Any, selector: str) -> None:
    found = read(board(variables=[{"name": "d", "type": "query", "query": query, "multi": True}]))
    (lookup,) = found.lookups
    assert lookup == Lookup("d", selector, "deployment", True)
    asked = lookup.expression({"e": "production"})
    assert asked == f"group by (deployment) ({selector.replace('$e', 'production')})"
    assert ("$e" in selector) is (lookup.expression({}) is None)


def test_a_lookup_gives_one_value_or_all_and_none_without_any() -> None:
    one, whole = Lookup("d", "up", "job", False), Lookup("d", "up", "job", True)
    assert (one.chosen(["b", "a"]), whole.chosen(["b", "a"]), whole.chosen(["a"])) == (
        {"d": "a"}, {"d": "(a|b)"}, {"d": "a"},
    )  # fmt: skip
    assert one.chosen([]) == {}
