"""What a pipeline does not check is told before anything runs, and only that."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.config.remarks import remarks
from dawsos.model.pipeline import Pipeline
from support.world import pipeline_of

TEXT = """\
version: 2
name: shop
slo: {error_rate: 1%, warm_p95: 1s, cold_p95: 2s}
toolchains: {node: {programs: [node]}}
service: {project: ., build: {}, command: node server.js, metrics: /metrics}
environments: {staging: {}, production: {}}
stages:
  - {id: lint, steps: [{run: "true"}], gates: [exit_status]}
  - {id: build, uses: release, gates: [exit_status]}
  - {id: staging, needs: [build], uses: deploy, environment: staging, gates: [health]}
  - {id: canary, needs: [staging], uses: rollout, environment: production, gates: [rollout]}
rollout: {ladder: [{weight: 100, duration: 1s}]}
"""


def told(text: str = TEXT, stages: tuple[str, ...] = (), **service: Any) -> list[str]:
    pipeline = pipeline_of(text)
    changed = pipeline.service.model_copy(update=service)
    pipeline = Pipeline.model_validate({**dict(pipeline), "service": changed})
    return list(remarks(pipeline, [one for one in pipeline.stages if not stages or one.id in stages]))


def test_a_pipeline_that_checks_all_leaves_nothing_open() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "none"}, "service.version is none: nothing checks"),
        ({"healthy": "any"}, "service.healthy is any: /health is healthy whenever it answers 200"),
        ({"metrics": None}, "service.metrics is not written: /metrics is looked at"),
        ({"command": "java -Dport=$PORT -jar shop.jar"}, "service.command has $PORT, which only a shell replaces"),
        ({"command": "node server.js ${HOST}"}, "service.command has ${HOST}, which only a shell replaces"),
        ({"command": "cd app && ./shop", "shell": True}, "write exec before the last"),
    ],
)
def test_each_thing_that_is_left_open_is_one_line(change: dict[str, Any], words: str) -> None:
    (line,) = told(**change)
    assert words in line


@pytest.mark.parametrize(
    "change",
    [
        {"command": "sh -c 'exec java -Dport=$PORT -jar shop.jar'"},
        {"command": "java -Dport=$PORT -jar shop.jar", "shell": True},
        {"command": "cd app && exec ./shop", "shell": True},
        {"version": "/version"},
        {"healthy": "ok"},
    ],
)
def test_what_works_is_no_remark(change: dict[str, Any]) -> None:
    assert told(**change) == []


def test_a_ship_without_a_canary_is_told() -> None:
    without = "\n".join(line for line in TEXT.splitlines() if "id: canary" not in line)
    assert told(without) == ["no stage uses rollout: a ship ends with staging, and nothing gets to users"]
    assert told(
        without.replace("{staging: {}, production: {}}", "{production: {}}").replace("staging", "production")
    ) == ["no stage uses rollout: a ship replaces the release of production at once, without a canary and its judge"]
    nothing = "\n".join(line for line in without.splitlines() if "id: staging" not in line)
    assert told(nothing) == ["no stage uses deploy or rollout: a ship ends after its gates, and nothing is deployed"]


def test_a_ship_of_some_stages_is_told_about_those() -> None:
    assert told(stages=("lint",), version="none", command="x $PORT") == []
    assert told(stages=("staging", "build"), version="none") == [
        "service.version is none: nothing checks that what answers is the release that was shipped"
    ]
