"""Layout, choices and queries of a dashboard."""

from __future__ import annotations

from itertools import pairwise

import pytest

from dawsos.exporters.grafana_panels import (
    COLUMNS,
    Board,
    Limit,
    Panel,
    Row,
    Runbook,
    Section,
    Series,
    Target,
    Variable,
    document,
    uid,
)
from exporters.boards import boards, limits, panel


def board(*made: Panel, variables: tuple[Variable, ...] = ()) -> dict[str, object]:
    return document(
        Board("b", "u", "t", "d", (Row("r", made),), variables, "1h", "5s", "p"), Runbook("docs/runbooks.md")
    )


def stat(title: str, **more: object) -> Panel:
    return Panel(title, "stat", "It shows something.", (Target("up"),), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", boards())
def test_panels_lie_in_the_grid_and_none_over_another(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    found = boards()[name]["panels"]
    for each in found:
        place = each["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, each["title"]
        taken |= cells
    assert [each["id"] for each in found] == list(range(1, len(found) + 1))
    # What is wrong now is seen without a move.
    assert found[0]["title"] == "What is wrong now"
    assert [before["gridPos"]["y"] <= after["gridPos"]["y"] for before, after in pairwise(found)]


def test_what_does_not_fit_begins_a_new_line() -> None:
    made = board(*(stat(str(n), width=10, height=n + 1) for n in range(3)))["panels"]
    assert isinstance(made, list)
    places = [(each["gridPos"]["x"], each["gridPos"]["y"]) for each in made]
    assert places == [(0, 0), (0, 1), (10, 1), (0, 3)]


def test_limits_are_in_order_and_drawn_only_where_there_are_any() -> None:
    chart = Panel("c", "timeseries", "x", (Target("a"), Target("b", "{{l}}")), limits=(Limit(2), Limit(1, "orange")))
    made = board(chart, Panel("d", "timeseries", "x", (Target("a"),)))
    shown = panel(made, "c")
    assert limits(shown) == [("green", None), ("orange", 1), ("red", 2)]
    assert shown["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] == {"mode": "dashed"}
    assert panel(made, "d")["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] == {"mode": "off"}
    assert [(target["refId"], target["legendFormat"]) for target in shown["targets"]] == [
        ("A", "__auto"),
        ("B", "{{l}}"),
    ]
    assert all(target["range"] and not target["instant"] for target in shown["targets"])
    assert all(target["instant"] for target in panel(board(stat("s")), "s")["targets"])


def test_a_series_has_its_own_limit_and_colour() -> None:
    made = panel(board(stat("s", series=(Series("unit", limit=480.0), Series("/-canary$/", "orange")))), "s")
    unit, canary = made["fieldConfig"]["overrides"]
    assert unit["matcher"] == {"id": "byName", "options": "unit"}
    assert {each["id"]: each["value"] for each in unit["properties"]}["max"] == 480.0
    assert canary["matcher"] == {"id": "byRegexp", "options": "/-canary$/"}
    assert canary["properties"] == [{"id": "color", "value": {"mode": "fixed", "fixedColor": "orange"}}]


def test_a_choice_is_fixed_or_asked_for() -> None:
    fixed = Variable("environment", "E", "x", options=("production", "staging"))
    asked = Variable("job", "J", "x", query="label_values(up, job)")
    made = board(stat("s"), variables=(fixed, asked))["templating"]
    assert isinstance(made, dict)
    source, environment, job = made["list"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    assert (environment["query"], environment["current"]["value"]) == ("production,staging", "production")
    assert (job["query"], job["allValue"], job["multi"]) == ("label_values(up, job)", ".*", True)


@pytest.mark.parametrize(("project", "expected"), [("dawsos", "dawsos-rollout"), ("a" * 40, "a" * 32 + "-rollout")])
def test_the_address_of_a_dashboard_is_no_longer_than_grafana_allows(project: str, expected: str) -> None:
    assert uid(project, "rollout") == expected
    assert len(expected) <= 40


def test_the_anchor_is_that_of_the_heading() -> None:
    page = Runbook("https://example.org/r")
    assert page.address(Section.BAD_NOW) == "https://example.org/r#production-is-bad-bring-it-back-now"
    assert page.address(Section.SLOW) == "https://example.org/r#pipelineslow"
    (link,) = page.links(Section.BAD_NOW)
    assert link["targetBlank"] is True
