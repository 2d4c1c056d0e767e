"""Envoy's admin page read: its words are as Envoy 1.3x writes them, told by hand.  The real one is in test_platform."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.http import HttpError
from dawsos.errors import InfrastructureError
from dawsos.platforms.local.admin import Admin
from support.pages import Pages

Answer = Callable[[str, Mapping[str, str]], str]


def ask(answer: Answer, question: Callable[[Admin], Awaitable[Any]]) -> Any:
    """Put a question to an admin page that answers so."""

    async def talk() -> Any:
        admin = Admin(Path(), {"admin": 1})
        admin._client = Pages(answer)
        return await question(admin)

    return asyncio.run(talk())


def test_statistics_are_names_with_values() -> None:
    asked: list[object] = []

    def page(path: str, params: Mapping[str, str]) -> str:
        asked.append((path, params))
        return "cluster.a.upstream_rq_total: 7\ncluster.a.note: x: y\n\nno colon\n"

    assert ask(page, lambda admin: admin.stats("^cluster", "Counters")) == {
        "cluster.a.upstream_rq_total": "7",
        "cluster.a.note": "x: y",
    }
    assert asked == [("/stats", {"filter": "^cluster", "type": "Counters"})]


def test_the_requests_of_users_that_are_open_are_counted() -> None:
    def page(_path: str, params: Mapping[str, str]) -> str:
        assert params == {"filter": r"^http\.front\.downstream_rq_active$", "type": "Gauges"}
        return "http.front.downstream_rq_active: 3\n"

    assert ask(page, lambda admin: admin.active_requests()) == 3
    assert ask(lambda _path, _params: "", lambda admin: admin.active_requests()) == 0


def unwell(_path: str, _params: Mapping[str, str]) -> str:
    raise HttpError("status 503")


def test_a_page_that_is_not_well_is_an_error() -> None:
    with pytest.raises(HttpError):
        ask(unwell, lambda admin: admin.stats("x"))
    with pytest.raises(HttpError):
        ask(unwell, lambda admin: admin.latency(["x"]))


LATENCY = """# TYPE envoy_cluster_upstream_rq_time histogram
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="a",le="0.5"} 0
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="a",le="1200"} 3
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="a",le="+Inf"} 4
envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="a"} 2455.5
envoy_cluster_upstream_rq_time_count{envoy_cluster_name="a"} 4
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="b.2",le="+Inf"} 9
"""


def test_latency_is_in_seconds_by_cluster() -> None:
    asked: list[str] = []

    def page(_path: str, params: Mapping[str, str]) -> str:
        asked.append(params["filter"])
        return LATENCY

    found = ask(page, lambda admin: admin.latency(["a", "b.2"]))
    assert found == {"a": {0.0005: 0, 1.2: 3, math.inf: 4}, "b.2": {math.inf: 9}}
    # A point in a name is that point, not any character.
    assert asked == [r"^cluster\.(a|b\.2)\.upstream_rq_time$"]


STATS = {
    "clusters.json": "cluster_manager.cds.version_text",
    "routes.json": "http.front.rds.traffic.version_text",
    "faults.json": "http.fault.rds.faults.version_text",
}


@pytest.mark.parametrize(("name", "stat"), STATS.items(), ids=STATS)
def test_a_version_is_confirmed_once_envoy_runs_it(name: str, stat: str) -> None:
    answers = iter(['""', '"v1"', None, '"v2"'])

    def page(path: str, params: Mapping[str, str]) -> str:
        said = next(answers)
        return unwell(path, params) if said is None else f"{stat}: {said}\n"

    assert 0 < ask(page, lambda admin: admin.confirm(name, "v2")) < 10
    assert next(answers, "all were asked for") == "all were asked for"


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (f'{STATS["routes.json"]}: "v1"\n', "v1"),
        ("", ""),
        (None, "no answer (status 503)"),
    ],
    ids=["another version", "none", "no answer"],
)
def test_what_envoy_runs_instead_is_said(answer: str | None, seen: str) -> None:
    with pytest.raises(InfrastructureError) as caught:
        ask(
            lambda *asked: unwell(*asked) if answer is None else answer,
            lambda admin: admin.confirm("routes.json", "v2", within=0.02),
        )
    assert caught.value.message == f"Envoy did not take over routes.json v2 within 0.02 s; it runs {seen}"
    assert "dawsos status" in caught.value.fix
