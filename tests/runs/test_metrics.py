"""The metrics are read from the journal once, kept, and written for node_exporter while a rollout goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.digests import sha256
from dawsos.model.events import Event
from dawsos.model.metrics import Metrics
from dawsos.model.metrics_fold import fold_metrics
from dawsos.runs.journal import Journal
from dawsos.runs.metrics import MetricsReader
from dawsos.runs.project import Project
from fakes import VirtualClock
from support.facts import fact

Read = list[list[Event]]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, tmp_path / ".dawsos")


@pytest.fixture
def journal(project: Project) -> Journal:
    return Journal(project.journal, VirtualClock())


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Return the events of each fold, in the order of the folds."""
    folds: Read = []

    def folded(found: list[Event], before: Metrics) -> Metrics:
        folds.append(list(found))
        return fold_metrics(found, before)

    monkeypatch.setattr("dawsos.runs.metrics.fold_metrics", folded)
    return folds


def _begin(journal: Journal, run: str, command: str = "ship") -> None:
    journal.append(run, fact("run_started", command=command, commit="c", committed_at=1.0))


def _roll(journal: Journal, run: str, samples: int = 3) -> None:
    journal.append(run, fact("rollout_started", release="r", deployment="d", policy={"error_rate": 0.1}), "canary")
    journal.append(run, fact("weight_confirmed", weight=5), "canary")
    for number in range(samples):
        journal.append(run, fact("rollout_sampled", check={"error_rate": number / 100}), "canary")


def _end(journal: Journal, run: str) -> None:
    journal.append(run, fact("run_finished", result="passed"))


def _counted(metrics: Metrics) -> int:
    return sum(metrics.counters.get("ci_pipeline_runs_total", {}).values())


def test_each_event_is_read_once_and_of_the_samples_only_the_newest(
    project: Project, journal: Journal, read: Read
) -> None:
    reader = MetricsReader(project, journal)
    assert reader.read() == Metrics()
    _begin(journal, "a")
    _roll(journal, "a")
    _begin(journal, "b", "run")
    rollout = reader.read().runs["a"].rollout
    assert rollout is not None
    assert [(one.log_e, one.limit) for one in rollout.evidence] == [(0.02, 0.1)]
    journal.append("a", fact("rollout_sampled", check={"error_rate": 0.07}), "canary")
    _end(journal, "b")
    rollout = reader.read().runs["a"].rollout
    assert rollout is not None
    assert rollout.evidence[0].log_e == 0.07
    assert [[(event.run, event.seq) for event in fold] for fold in read] == [
        [],
        [("a", 1), ("a", 2), ("a", 3), ("a", 6), ("b", 1)],
        [("a", 7), ("b", 2)],
    ]


def test_a_journal_that_did_not_change_is_not_read(project: Project, journal: Journal, read: Read) -> None:
    _begin(journal, "a")
    reader = MetricsReader(project, journal)
    assert reader.read() is reader.read()
    assert len(read) == 1
    other = Journal(project.journal, VirtualClock())
    _end(other, "a")
    assert _counted(reader.read()) == 1
    assert len(read) == 2


def test_what_was_kept_is_read_by_the_next_reader_and_goes_on_there(
    project: Project, journal: Journal, read: Read
) -> None:
    _begin(journal, "a")
    _end(journal, "a")
    _begin(journal, "b")
    journal.append("b", fact("approval_requested", digest="d", needed=2), "uat")
    journal.append("b", fact("approval_given", digest="d", decision="approved", name="Ada"), "uat")
    journal.append("b", fact("deployed", environment="staging", release="r"), "staging")
    verdict = {"gate": "audit", "kind": "junit", "result": "pass", "measured": "", "limit": "", "message": ""}
    journal.append("b", fact("gate_evaluated", **verdict, valid_until=5.5), "lint")
    _roll(journal, "b")
    journal.append("b", fact("rollout_decided", decision="promote"), "canary")
    _begin(journal, "c")
    journal.append("c", fact("revert_started", environment="production", release="r", deployment="d"), "canary")
    journal.append("c", fact("revert_finished", seconds=1.0), "canary")
    journal.append("c", fact("revert_started", environment="production", release="r", deployment="d"), "canary")
    before = MetricsReader(project, journal)
    before.read()
    before.keep()
    after = MetricsReader(project, journal)
    assert after.read() == before.read()
    assert read[-1] == []
    _end(journal, "b")
    assert _counted(after.read()) == 2
    assert [event.run for event in read[-1]] == ["b"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: kept.write_text("{"),
        lambda kept: kept.unlink(),
        lambda kept: _change(kept, version=0),
        lambda kept: _change(kept, hash="0" * 64),
        lambda kept: _change(kept, metrics={}),
        lambda kept: _change(kept, metrics=None),
        lambda kept: _change(kept, number="x"),
    ],
)
def test_what_cannot_be_used_is_counted_anew(project: Project, journal: Journal, damage: Any) -> None:
    _begin(journal, "a")
    _end(journal, "a")
    reader = MetricsReader(project, journal)
    wanted = reader.read()
    reader.keep()
    damage(project.counted)
    assert MetricsReader(project, journal).read() == wanted


def test_a_histogram_of_other_buckets_is_counted_anew(project: Project, journal: Journal) -> None:
    _begin(journal, "a")
    _end(journal, "a")
    reader = MetricsReader(project, journal)
    wanted = reader.read()
    reader.keep()
    counted = json.loads(project.counted.read_text())["metrics"]
    counted["histograms"]["ci_pipeline_duration_seconds"][0][1] = [1, 0]
    _change(project.counted, metrics=counted)
    assert MetricsReader(project, journal).read() == wanted


@pytest.mark.parametrize("value", [7, "x", None, [], float("inf")])
def test_one_damaged_number_is_not_told_as_if_it_had_been_counted(
    value: object, project: Project, journal: Journal
) -> None:
    _begin(journal, "a")
    _end(journal, "a")
    reader = MetricsReader(project, journal)
    wanted = reader.read()
    reader.keep()
    kept = json.loads(project.counted.read_text())
    kept["metrics"]["histograms"]["ci_pipeline_duration_seconds"][0][1][3] = value
    project.counted.write_text(json.dumps(kept))
    assert MetricsReader(project, journal).read() == wanted


def test_another_journal_in_the_same_place_is_counted_anew(project: Project, journal: Journal) -> None:
    _begin(journal, "a")
    _end(journal, "a")
    reader = MetricsReader(project, journal)
    reader.read()
    reader.keep()
    journal.close()
    for path in project.journal.glob("journal.sqlite*"):
        path.unlink()
    fresh = Journal(project.journal, VirtualClock(5.0))
    _begin(fresh, "a")
    assert _counted(MetricsReader(project, fresh).read()) == 0


def _change(path: Path, **values: Any) -> None:
    """Change what was kept, as another version of dawsos would have written it."""
    kept = {key: value for key, value in {**json.loads(path.read_text()), **values}.items() if key != "sha256"}
    path.write_text(json.dumps({**kept, "sha256": sha256(json.dumps(kept, sort_keys=True).encode())}))
