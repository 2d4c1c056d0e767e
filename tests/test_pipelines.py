"""Tiny real projects, run by the real command line: the exit code, the words, and what nothing of is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from projects import TinyProject
from waiting import is_gone

Make = Callable[[str], TinyProject]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Make:
    return lambda name: TinyProject(name, tmp_path, monkeypatch, capsys)


def test_a_good_one_passes_is_restored_and_explains_what_changed(project: Make) -> None:
    good = project("good")
    planned = good.dawsos("plan", "lint", "unit", "--json").json["stages"]
    assert [(stage["stage"], stage["reason"]) for stage in planned] == [
        ("lint", "never passed here"),
        ("unit", "never passed here"),
    ]
    first = good.dawsos("run")
    assert first.code == 0, first
    run = good.dawsos("show", "--json").json
    assert run["result"] == "passed"
    assert [(gate["gate"], gate["result"]) for gate in run["stages"]["unit"]["gates"]] == [
        ("junit", "pass"),
        ("exit_status", "pass"),
    ]
    assert run["journal_problems"] == []

    again = good.dawsos("run")
    assert again.code == 0
    assert "restored from run" in again.out
    assert {stage["state"] for stage in good.dawsos("show", "--json").json["stages"].values()} == {"restored"}

    with (good.path / "test.sh").open("a") as script:
        script.write("# a change\n")
    explained = good.dawsos("plan", "unit", "--explain").out
    assert "file test.sh" in explained
    assert good.dawsos("run", "unit").code == 0
    history = good.dawsos("history", "--json").json
    assert [(entry["command"], entry["result"]) for entry in history] == [("run", "passed")] * 3


def test_the_log_of_a_step_sees_only_what_was_declared(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    good = project("good")
    monkeypatch.setenv("GREETING", "leaked")
    assert good.dawsos("run", "unit").code == 0
    (log,) = good.path.glob(".dawsos/runs/*/unit/attempt-1/step-1-1.log")
    assert log.read_text() == "hello from the tests\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cycle", "the needs go in a circle: lint -> unit -> lint"),
        ("unknown-gate", "unknown gate 'exit_statsu'; did you mean 'exit_status'?"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_before_anything_runs(name: str, words: str, project: Make) -> None:
    bad = project(name)
    for verb in ("run", "plan", "lint", "ship"):
        said = bad.dawsos(verb)
        assert said.code == 2
        assert words in said.err
        assert "pipeline.yaml:" in said.err
        assert "fix:" in said.err
    assert not list(bad.path.glob(".dawsos/runs/*"))


def test_a_failed_test_is_red_although_every_command_exited_0(project: Make) -> None:
    failing = project("failing-junit")
    said = failing.dawsos("run")
    assert said.code == 1
    run = failing.dawsos("show", "--json").json
    assert {name: stage["state"] for name, stage in run["stages"].items()} == {
        "lint": "passed", "unit": "failed", "behind": "pending",
    }  # fmt: skip
    assert "gate junit" in said.out
    assert "1 tests, 1 failed" in said.out
    assert "expected 4, got 5" in said.out
    assert failing.dawsos("run").code == 1
    again = failing.dawsos("show", "--json").json["stages"]
    assert (again["lint"]["state"], again["unit"]["state"]) == ("restored", "failed"), "a failure is never cached"


def test_a_flaky_test_is_named(project: Make) -> None:
    flaky = project("flaky")
    said = flaky.dawsos("run")
    assert said.code == 1
    (gate,) = flaky.dawsos("show", "--json").json["stages"]["unit"]["gates"]
    assert (gate["kind"], gate["result"]) == ("flaky", "fail")
    assert gate["findings"] == ["demo::adds_up: passed, failed, passed"]
    assert gate["findings"][0] in said.out


def test_a_stage_over_its_budget_is_ended_with_its_whole_tree(project: Make) -> None:
    slow = project("over-budget")
    said = slow.dawsos("run")
    assert said.code == 1
    assert "stopped after its budget of 1 s" in said.out
    stages = slow.dawsos("show", "--json").json["stages"]
    assert (stages["slow"]["state"], stages["behind"]["state"]) == ("timeout", "pending")
    assert is_gone(int((slow.path / "child.pid").read_text()))


def test_tests_that_leave_no_report_prove_nothing(project: Make) -> None:
    silent = project("no-evidence")
    said = silent.dawsos("run")
    assert said.code == 1
    gates = silent.dawsos("show", "--json").json["stages"]["unit"]["gates"]
    assert [(gate["kind"], gate["result"]) for gate in gates] == [("junit", "no_data"), ("exit_status", "pass")]
    assert "there is no junit*.xml" in said.out


def test_every_fixture_is_run_by_a_test() -> None:
    source = Path(__file__).read_text()
    unused = [
        folder.name
        for folder in (Path(__file__).parent / "pipelines").iterdir()
        if f'"{folder.name}"' not in source
        and folder.name
        not in (
            "adopter",
            "alerted",
            "clustered",
            "defects",
            "foreign",
            "jobs",
            "keyless",
            "observed",
            "older",
            "watched",
        )
    ]
    assert unused == []
