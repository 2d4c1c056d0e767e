"""Every query of every panel returns data from a real Prometheus, during and after real rollouts, good and bad.

A small service is shipped, rolled out, rolled back by its canary's errors, stopped by a failed test, and made to wait for a person.
"""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from dawsos.runs.project import load
from exporters.boards import boards
from support.grafana import Query, queries
from support.monitoring import wait_for
from support.watched import Watched, watched

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

# Seconds; the whole story is shorter than what the dashboards look back on.
_RATE, _RANGE = 10, 600
_CHOICES = {"job": ".*", "environment": "production", "deployment": ".*", "__rate_interval": f"{_RATE}s"}
_ALL = ("pipeline", "rollout", "service")
Series = list[tuple[dict[str, str], float]]


@dataclass(frozen=True)
class Moment:
    """What each query returned at one moment."""

    told: dict[Query, Series]

    def without_data(self) -> set[Query]:
        return {query for query, series in self.told.items() if not any(math.isfinite(value) for _, value in series)}

    def series(self, title: str, *words: str) -> Series:
        """Return what the query of the panel ``title`` (``rollout: Error rate``) returned; ``words`` choose one of several."""
        (found,) = (
            series
            for query, series in self.told.items()
            if query.panel == f"shop: {title}" and all(word in query.expr for word in words)
        )
        return found

    def by(self, label: str, title: str, *words: str) -> dict[str, float]:
        return {labels[label]: value for labels, value in self.series(title, *words)}

    def value(self, title: str, *words: str) -> float:
        ((_, value),) = self.series(title, *words)
        return value


@dataclass
class Story:
    """The moments, by what was going on, the exit codes of the ships, and what a reader may choose at the top of the dashboards."""

    moments: dict[str, Moment] = field(default_factory=dict)
    codes: list[int] = field(default_factory=list)
    choices: dict[str, set[str]] = field(default_factory=dict)


def _asked(world: Watched, *names: str) -> Moment:
    """Ask every query of the dashboards ``names`` as Grafana would."""
    made = boards(load(world.project.path))
    found = [query for name in names for query in queries(made[name], _CHOICES, _RANGE)]
    return Moment({query: world.prometheus.query(query.expr) for query in found})


def _ship(story: Story, world: Watched, *arguments: str) -> None:
    story.codes.append(world.project.dawsos("ship", *arguments).code)


def _complete(world: Watched, *names: str, ship: subprocess.Popen[str] | None = None, whole: bool = True) -> Moment:
    """Return the first moment at which every query has data; without ``whole`` those may lack it whose panel says what that means."""
    lacking: list[str] = []

    def asked() -> Moment | None:
        assert ship is None or ship.poll() is None, f"the rollout ended, and without data are still: {lacking}"
        moment = _asked(world, *names)
        lacking[:] = sorted({query.panel for query in moment.without_data() if whole or not query.may_be_empty})
        return None if lacking else moment

    try:
        found: Moment = wait_for(asked, 60.0, "not every query has data")
    except AssertionError as error:
        error.add_note(f"without data: {lacking}")
        raise
    return found


def _choices(world: Watched) -> dict[str, set[str]]:
    """Return the values that Grafana finds for the variables that it asks Prometheus for."""
    found: dict[str, set[str]] = {}
    for board in boards(load(world.project.path)).values():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
                assert asked, variable
                told = world.prometheus.query(asked[1].replace("$environment", "production"))
                found.setdefault(variable["name"], set()).update(labels.get(asked[2], "") for labels, _ in told)
    return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    told = Story()
    approved = ("--approve-as", "Ada", "--reason", "the shop opens")
    with watched(tmp_path_factory.mktemp("watched")) as world:
        told.moments["nothing was shipped"] = _complete(world, "pipeline", whole=False)
        _ship(told, world, *approved)
        world.change("shop/__init__.py", "counts its requests", "counts all its requests")
        with world.project.running("ship", *approved) as ship:
            told.moments["a rollout"] = _complete(world, "rollout", "service", ship=ship)
            ship.communicate(timeout=120)
            told.codes.append(ship.returncode)
        world.change("shop/__init__.py", "FAILURES = 0", "FAILURES = 300")
        _ship(told, world, *approved)
        world.prometheus.until("canary_rollbacks_total > 0")
        told.moments["a rollback"] = _asked(world, "rollout", "service")
        (world.project.path / "failed.txt").write_text('<failure message="expected 4, got 5"/>')
        world.change("shop/__init__.py", "FAILURES = 300", "FAILURES = 0")
        _ship(told, world, *approved)
        (world.project.path / "failed.txt").write_text("")
        world.project.commit("the test is mended")
        _ship(told, world)
        told.moments["a run that waits"] = _complete(world, "pipeline")
        told.moments["the end"] = _asked(world, *_ALL)
        told.choices = _choices(world)
        yield told


def test_the_story_was_told(story: Story) -> None:
    assert story.codes == [0, 0, 4, 1, 75]


def test_a_reader_finds_the_tool_and_the_deployments_to_choose_from(story: Story) -> None:
    assert story.choices["job"] == {"dawsos"}
    assert {"shop-stable"} <= story.choices["deployment"] <= {"shop-stable", "shop-standby", "shop-canary"}


def test_every_query_of_every_panel_has_returned_data(story: Story) -> None:
    asked = {query for moment in story.moments.values() for query in moment.told}
    returned = {query for moment in story.moments.values() for query in moment.told.keys() - moment.without_data()}
    assert asked - returned == set()
    assert len(asked) > 45


@pytest.mark.parametrize("moment", ["nothing was shipped", "a rollout", "a rollback", "a run that waits", "the end"])
def test_a_panel_without_data_says_what_that_means(story: Story, moment: str) -> None:
    assert {query for query in story.moments[moment].without_data() if not query.may_be_empty} == set()


def test_a_rollout_is_seen_while_it_goes_on(story: Story) -> None:
    seen = story.moments["a rollout"]
    assert seen.value("rollout: Weight and ladder") in (0.2, 0.6, 1.0)
    assert set(seen.by("deployment", "rollout: Requests")) >= {"shop-stable", "shop-canary"}
    assert seen.by("deployment", "rollout: Replicas that answer")["shop-canary"] == 2
    assert set(seen.by("measure", "rollout: Evidence for the canary")) == {
        "errors below the limit",
        "as fast as the limit",
    }
    against = seen.by("measure", "rollout: Evidence against the canary")
    assert {"worse than stable", "check error rate", "check p95 seconds"} <= set(against)
    # The canary is good.
    assert max(against.values()) < 1
    assert seen.value("rollout: Measures over their limit") == 0


def test_a_canary_that_fails_is_seen_beside_the_stable_release(story: Story) -> None:
    seen = story.moments["a rollback"]
    rates = seen.by("deployment", "rollout: Error rate")
    assert rates["shop-stable"] == 0
    assert rates["shop-canary"] > 0.05
    assert seen.value("rollout: Rollbacks") == pytest.approx(1, abs=0.3)
    causes = seen.by("cause", "rollout: Rollbacks by cause")
    assert causes["worse_than_stable"] + causes["error_rate"] == pytest.approx(1, abs=0.3)
    assert seen.value("rollout: Rollback rate") == pytest.approx(1 / 3, abs=0.01)
    assert seen.value("service: Error budget left") < 1
    pages = seen.by("endpoint", "service: Endpoints that fail most")
    assert pages["/health"] == 0
    assert pages["/items"] > 0.01


def test_the_pipeline_tells_what_failed_and_what_waits(story: Story) -> None:
    seen = story.moments["a run that waits"]
    assert seen.value("pipeline: Runs that succeeded") == pytest.approx(0.5, abs=0.01)
    assert seen.by("stage", "pipeline: Stages that fail most") == {
        "unit": pytest.approx(1, abs=0.3),
        "canary": pytest.approx(1, abs=0.3),
        "build": 0,
    }
    gates = {
        (labels["stage"], labels["gate"]): value
        for labels, value in seen.series("pipeline: Gates that fail most")
        if value
    }
    assert set(gates) == {("unit", "junit"), ("canary", "rollout")}
    assert 0 <= seen.by("stage", "pipeline: Approvals that wait")["build"] < 60
    assert seen.value("pipeline: Unfinished runs") == 1
    ((labels, ended),) = seen.series("pipeline: Last ship")
    assert labels["result"] == "failure"
    assert ended > 1.6e12, "Grafana wants milliseconds"
    assert seen.by("stage", "pipeline: Waivers that end")["unit"] > 365 * 86400
    assert seen.value("pipeline: Change fail rate") == pytest.approx(1 / 3, abs=0.01)
    assert seen.value("pipeline: Rework rate") == 0
    assert seen.value("pipeline: Change lead time, median") > 0
    assert seen.value("pipeline: Failed deployment recovery time, median") > 0


def test_before_anything_was_shipped_what_can_fail_is_0_and_not_missing(story: Story) -> None:
    seen = story.moments["nothing was shipped"]
    assert seen.by("stage", "pipeline: Stages that fail most") == {"unit": 0, "build": 0, "canary": 0}
    assert seen.series("pipeline: Approvals that wait") == []
    assert seen.value("pipeline: Age of the numbers") < 60
