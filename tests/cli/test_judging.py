"""``simulate``, ``replay`` and ``lint FLAGGER.yaml`` as a person and a program see them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.test_replay import _recorded
from dawsos.model.events import RolloutStarted
from projects import Said, called
from support.paper import Paper
from verbs.test_policies import write_manifest

Call = Callable[..., Said]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAWSOS_HOME", raising=False)
    return lambda *arguments: called(monkeypatch, capsys, *arguments)


def test_a_manifest_is_linted_with_its_lines_and_simulated(tmp_path: Path, call: Call) -> None:
    said = call("lint", str(write_manifest(tmp_path)), "--traffic", "50rps")
    assert said.code == 1
    assert "Canary shop: 20 100 %, a step every 10 s" in said.out
    assert "canary.yaml:13: error: nonsense is no metric of Flagger" in said.out
    assert "simulated at 50rps" in said.out
    assert "this manifest" in said.out
    told = call("lint", str(tmp_path / "canary.yaml"), "--json")
    assert told.code == 1
    (canary,) = told.json
    assert (canary["name"], canary["rollback_seconds"], canary["promote_seconds"]) == ("shop", 30.0, None)
    assert "times" not in canary["simulated"][0]


def test_a_simulation_in_words_and_in_json(tmp_path: Path, call: Call) -> None:
    line = ("simulate", str(write_manifest(tmp_path)), "--scenario", "errors=50%", "--rollouts", "5")
    said = call(*line, "--picture", "out.svg")
    assert "5 rollouts each, 200rps in all, seed 7; picture: out.svg" in said.out
    assert (tmp_path / "out.svg").read_text().startswith("<svg")
    told = call(*line, "--json").json
    assert [one["judge"] for one in told] == ["flagger", "statistical", "thresholds"]
    assert "times" not in told[0]


def test_a_replay_in_words_and_in_json(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Paper(tmp_path / "project")
    monkeypatch.chdir(paper.project.root)
    session = paper.session()
    assert call("replay").code == 2
    session.record(RolloutStarted("a" * 64, "new", "production", "b" * 64, "old", (5, 100), traffic="real"), "canary")
    for sampled in _recorded(40, errors=3):
        session.record(sampled, "canary")
    said = call("replay").out
    assert said.startswith(f"run {session.id}: not finished: ")
    assert "statistical  rolls back at " in said
    told = call("replay", "--json").json
    assert set(told) == {"run", "outcome", "reason", "replays"}
    assert [one["name"] for one in told["replays"]] == ["thresholds", "statistical", "flagger"]
