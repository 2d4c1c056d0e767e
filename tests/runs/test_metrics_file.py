"""The textfile follows a rollout, and nothing of it can stop the run that writes it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from dawsos.adapters.files import write_text
from dawsos.errors import InfrastructureError
from dawsos.runs.metrics import MetricsReader
from dawsos.runs.metrics_file import MetricsFile
from fakes import VirtualClock
from support.facts import fact
from support.world import World, world


@pytest.fixture
def told(tmp_path: Path) -> World:
    return world(tmp_path)


def _page(told: World) -> str:
    return told.tools.project.metrics.read_text()


def test_the_textfile_follows_a_rollout_and_an_approval(told: World) -> None:
    told.session.reporters = (MetricsFile(told.tools, told.pipeline),)
    told.session.record(fact("stage_started"), "canary")
    assert not told.tools.project.metrics.exists()
    told.session.record(fact("approval_requested", digest="d"), "uat")
    assert 'approval_waiting_since_timestamp_seconds{stage="uat"}' in _page(told)
    started = fact("rollout_started", release="r", deployment="d", environment="production")
    told.session.record(started, "canary")
    told.session.record(fact("weight_confirmed", weight=5), "canary")
    assert 'canary_weight_ratio{environment="production"} 0.05' in _page(told)
    told.session.record(fact("rollout_finished", outcome="promoted"), "canary")
    assert 'canary_weight_ratio{environment="production"} 0\n' in _page(told)


def test_samples_are_written_every_quarter_of_a_minute(told: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualClock(1e9)
    object.__setattr__(told.tools, "clock", clock)
    told.session.reporters = (MetricsFile(told.tools, told.pipeline),)
    written: list[float] = []

    def noted(path: Path, text: str) -> None:
        if path == told.tools.project.metrics:
            written.append(clock.elapsed)
        write_text(path, text)

    monkeypatch.setattr("dawsos.runs.metrics_file.write_text", noted)
    told.session.record(fact("weight_confirmed", weight=5), "canary")
    for _ in range(31):
        clock.elapsed += 1
        told.session.record(fact("rollout_sampled"), "canary")
    assert written == [0.0, 15.0, 30.0]


@pytest.mark.parametrize("body", ["x", '{"options": "x"}'])
def test_an_altered_event_of_another_run_does_not_stop_this_one(told: World, body: str) -> None:
    told.tools.journal.append("other", fact("run_started", command="ship"))
    with sqlite3.connect(told.tools.project.journal / "journal.sqlite") as database:
        database.execute("UPDATE events SET body = ? WHERE run = 'other'", (body,))
    with pytest.raises(InfrastructureError, match=r"altered|cannot be counted"):
        MetricsReader(told.tools.project, told.tools.journal).read()
    told.session.reporters = (MetricsFile(told.tools, told.pipeline),)
    told.session.record(fact("weight_confirmed", weight=5), "canary")
    assert not told.tools.project.metrics.exists()
