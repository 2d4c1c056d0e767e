"""Asking a gate: it is told the hour, the profile and the earlier outcomes, and names files from the project's root."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from dawsos.engine.evaluation import GateEvaluator, read_evidence, relative_to, with_judged_exits
from dawsos.gates.readers.context import EvaluationContext
from dawsos.model.findings import Finding
from dawsos.model.pipeline import Gate
from dawsos.model.verdicts import GateVerdict
from dawsos.runs.project import Tools
from fakes import VirtualClock
from gates.samples import NOW, ask, context, gate, junit, secrets, step
from support.world import world

SECRETS = gate("secrets", waivers="w.yaml")
FLAKY = gate("flaky", runs=2, history=True)
TODAY = EvaluationContext(NOW, "laptop").day


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return replace(world(tmp_path / "project").tools, clock=VirtualClock(NOW))


@pytest.fixture
def ask_flaky(tools: Tools) -> Callable[..., GateVerdict]:
    """Ask the flaky gate of the stage ``unit`` in ``run``, where both repetitions of the test a had ``outcome``."""

    def ask(run: str, outcome: str, inputs: str = "f1", attempt: int = 1, gate: Gate = FLAKY) -> GateVerdict:
        artifacts = tools.project.run_folder(run) / "unit" / f"attempt-{attempt}"
        artifacts.mkdir(parents=True, exist_ok=True)
        for repeat in (1, 2):
            (artifacts / f"junit-{repeat}.xml").write_text(junit({"a": outcome}))
        asker = GateEvaluator(run, tools.project.root, "laptop", tools.clock, tools.project.outcomes)
        asker.fingerprints["unit"] = inputs
        return asker(gate, artifacts)

    return ask


def remembered(tools: Tools, inputs: str = "f1") -> Path:
    return tools.project.home / "outcomes" / "unit" / f"{inputs}.json"


def look(tools: Tools, artifacts: Path, until: date) -> GateVerdict:
    artifacts.mkdir(exist_ok=True)
    (artifacts / "secrets.json").write_text(json.dumps(secrets("AWS Access Key")))
    mark = secrets("AWS Access Key")["secrets"][0]["fingerprint"]
    (artifacts / "w.yaml").write_text(f'- {{id: "{mark}", by: Ada, why: revoked, until: {until}}}\n')
    return GateEvaluator("run-1", artifacts, "production", tools.clock, tools.project.outcomes)(SECRETS, artifacts)


def test_a_gate_that_asks_is_told_the_hour_and_the_profile(tools: Tools, tmp_path: Path) -> None:
    verdict = look(tools, tmp_path / "a", TODAY)
    assert verdict.passed, verdict
    assert "context.json" in verdict.evidence
    assert json.loads((tmp_path / "a" / "context.json").read_text()) == context("production")


def test_the_hour_is_that_of_the_asking_and_not_one_that_lay_there_before(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    yesterday = TODAY - timedelta(days=1)
    (tmp_path / "a" / "context.json").write_text(json.dumps(context(at=NOW - 2 * 86_400)))
    assert look(tools, tmp_path / "a", yesterday).result == "fail"


def test_evidence_of_an_older_version_of_the_tool_is_evaluated_again(tools: Tools, tmp_path: Path) -> None:
    """Before, the file was called ``asked.json``: a run that is resumed by this version has it among its evidence."""
    (tmp_path / "a").mkdir()
    old = tmp_path / "a" / "asked.json"
    old.write_text(json.dumps(context("laptop", at=1.0)))
    verdict = look(tools, tmp_path / "a", TODAY)
    assert verdict.passed, verdict
    assert verdict.evidence == ("secrets.json", "w.yaml", "context.json")
    assert json.loads(old.read_text()) == context("laptop", at=1.0)


def test_a_gate_that_does_not_ask_is_told_nothing(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(junit({"a": "passed"}))
    before = set(tmp_path.iterdir())
    verdict = GateEvaluator("run-1", tmp_path, "laptop", tools.clock, tools.project.outcomes)(gate("junit"), tmp_path)
    assert verdict.passed
    assert set(tmp_path.iterdir()) == before


def test_the_first_run_has_no_history_and_the_second_sees_the_first(ask_flaky: Callable[..., GateVerdict]) -> None:
    first = ask_flaky("run-1", "passed")
    assert (first.result, first.measured) == ("pass", "0 of 1 tests flaky over 2 runs")
    second = ask_flaky("run-2", "failed")
    assert (second.result, second.measured) == ("fail", "1 of 1 tests flaky over 4 runs")
    assert second.findings == ("tests.test_x::a: failed, failed; earlier passed, passed",)


def test_running_again_until_it_is_green_shows_the_flaky_test(ask_flaky: Callable[..., GateVerdict]) -> None:
    assert ask_flaky("run-1", "failed", attempt=1).passed
    assert ask_flaky("run-1", "passed", attempt=2).result == "fail"


def test_other_inputs_have_a_history_of_their_own(ask_flaky: Callable[..., GateVerdict], tools: Tools) -> None:
    ask_flaky("run-1", "passed")
    assert ask_flaky("run-2", "failed", inputs="f2").passed
    assert remembered(tools).is_file()
    assert remembered(tools, "f2").is_file()


def test_an_attempt_that_is_asked_twice_is_not_its_own_history(
    ask_flaky: Callable[..., GateVerdict], tools: Tools
) -> None:
    """An owner that was killed after asking asks again; what it saw then is what it sees now."""
    ask_flaky("run-1", "passed")
    again = ask_flaky("run-1", "passed")
    assert again.measured == "0 of 1 tests flaky over 2 runs"
    assert [run["run"] for run in json.loads(remembered(tools).read_text())["runs"]] == [
        "run-1 attempt-1 junit-1.xml", "run-1 attempt-1 junit-2.xml",
    ]  # fmt: skip


def test_the_last_fifty_reports_are_remembered(ask_flaky: Callable[..., GateVerdict], tools: Tools) -> None:
    for number in range(27):
        assert ask_flaky(f"run-{number:02}", "passed").passed
    known = [run["run"] for run in json.loads(remembered(tools).read_text())["runs"]]
    assert len(known) == 50
    assert known[0] == "run-02 attempt-1 junit-1.xml"
    assert known[-1] == "run-26 attempt-1 junit-2.xml"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "\0", '{"runs": 1}', '{"runs": [1]}'])
def test_a_memory_that_cannot_be_read_begins_anew(
    ask_flaky: Callable[..., GateVerdict], tools: Tools, content: str
) -> None:
    ask_flaky("run-1", "failed")
    remembered(tools).write_text(content)
    assert ask_flaky("run-2", "passed").measured == "0 of 1 tests flaky over 2 runs"
    assert ask_flaky("run-3", "passed").measured == "0 of 1 tests flaky over 4 runs"


def test_a_report_that_cannot_be_read_is_told_by_the_gate_and_not_remembered(
    ask_flaky: Callable[..., GateVerdict], tools: Tools
) -> None:
    artifacts = tools.project.run_folder("run-1") / "unit" / "attempt-1"
    artifacts.mkdir(parents=True)
    (artifacts / "junit-3.xml").write_text("<testsuite")
    verdict = ask_flaky("run-1", "passed")
    assert verdict.result == "error"
    assert "junit-3.xml is not XML" in verdict.message
    assert len(json.loads(remembered(tools).read_text())["runs"]) == 2


def test_only_the_reports_that_the_gate_names_are_remembered(
    ask_flaky: Callable[..., GateVerdict], tools: Tools
) -> None:
    artifacts = tools.project.run_folder("run-1") / "unit" / "attempt-1"
    artifacts.mkdir(parents=True)
    for repeat in (1, 2):
        (artifacts / f"slow-{repeat}.xml").write_text(junit({"slow": "passed"}))
    slow = gate("flaky", runs=2, history=True, reports="slow-*.xml")
    assert ask_flaky("run-1", "failed", gate=slow).passed
    kept = json.loads(remembered(tools).read_text())["runs"]
    assert [run["outcomes"] for run in kept] == [{"tests.test_x::slow": "passed"}] * 2


def verdict(**told: Any) -> GateVerdict:
    return GateVerdict("lint", "findings", "fail", "1", "0", **told)


def test_an_absolute_path_below_the_root_is_named_from_there() -> None:
    place = Finding("ruff", "F401", "unused, see /srv/demo/app/y.py", "/srv/demo/app/x.py", 3)
    made = relative_to(
        Path("/srv/demo"),
        verdict(message="/srv/demo/app/x.py:3: F401", findings=("at (/srv/demo/a)",), places=(place,)),
    )
    assert (made.message, made.findings) == ("app/x.py:3: F401", ("at (a)",))
    assert made.places == (Finding("ruff", "F401", "unused, see app/y.py", "app/x.py", 3),)


def test_a_path_that_only_holds_the_root_stays_as_it_is() -> None:
    """A project in /app must not cut /usr/lib/app/x.py in two."""
    place = Finding("mypy", "e", "in /usr/lib/app/y.pyi", "/usr/lib/app/x.py")
    told = verdict(message="/usr/lib/app/x.py", findings=("./app/x", "/application/x", "my-/app/x"), places=(place,))
    assert relative_to(Path("/app"), told) == told


def test_every_path_of_a_line_is_named_from_the_root_and_nothing_else_changes() -> None:
    told = verdict(message='"/app/a.py", file=/app/b.py', evidence=("/app/c.json",), valid_until=7.0)
    assert relative_to(Path("/app"), told) == replace(told, message='"a.py", file=b.py')


def test_what_a_gate_finds_is_named_from_the_root(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "ruff.txt").write_text(f"{tmp_path}/app/x.py:3:1: F401 unused\n")
    ruff = gate("findings", files="ruff.txt")
    made = GateEvaluator("run-1", tmp_path, "laptop", tools.clock, tools.project.outcomes)(ruff, tmp_path)
    assert made.result == "fail"
    assert all(str(tmp_path) not in line for line in (made.message, *made.findings))
    assert made.message.startswith("app/x.py:3")


def test_evidence_is_read_by_its_glob_and_named_from_the_artifact_folder(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt").write_text("x.py:1: bad\n")
    (tmp_path / "deep" / "folder.txt").mkdir()
    assert read_evidence(tmp_path, ("**/*.txt", "other.json")) == {"deep/a.txt": b"x.py:1: bad\n"}


def test_evidence_is_read_only_where_its_digest_is_taken(tmp_path: Path) -> None:
    """The digest of a link is that of its target's name: what it leads to could be changed after the gate had read it."""
    artifacts = tmp_path / "artifacts"
    (artifacts / "deep").mkdir(parents=True)
    (tmp_path / "outside.txt").write_text("x.py:1: bad\n")
    (artifacts / "a.txt").symlink_to(tmp_path / "outside.txt")
    assert read_evidence(artifacts, ("*.txt",)) == {}
    # Within the folder the target has a digest of its own.
    (artifacts / "deep" / "inside").write_text("x.py:1: bad\n")
    (artifacts / "b.txt").symlink_to("deep/inside")
    assert read_evidence(artifacts, ("*.txt",)) == {"b.txt": b"x.py:1: bad\n"}


@pytest.mark.parametrize(
    ("steps", "found", "remark"),
    [
        ([step("node", 1, "judged")], (), True),
        ([step("node", 1, "judged")], ("a: failed",), False),
        ([step("node")], (), False),
    ],
)
def test_an_exit_code_that_no_gate_found_anything_for_is_a_remark(
    tmp_path: Path, steps: list[dict[str, object]], found: tuple[str, ...], remark: bool
) -> None:
    (tmp_path / "steps.json").write_text(json.dumps(steps))
    tests = replace(ask("junit", {"junit.xml": '<testsuite><testcase name="a"/></testsuite>'}), findings=found)
    status = ask("exit_status", {"steps.json": steps})
    made = with_judged_exits([tests, status], tmp_path)
    assert [verdict.passed for verdict in made] == [True, True]
    assert made[1].unchecked is remark
    assert (made[1].message == "node exited 1: no gate found what the exit code is for") is remark
    # Without the gate exit_status the last gate says it.
    assert with_judged_exits([tests], tmp_path)[0].unchecked is remark


def test_without_steps_or_gates_there_is_no_remark(tmp_path: Path) -> None:
    assert with_judged_exits([], tmp_path) == []
    verdict = ask("junit", {"junit.xml": '<testsuite><testcase name="a"/></testsuite>'})
    assert with_judged_exits([verdict], tmp_path) == [verdict]


def test_long_lines_of_a_verdict_are_cut_and_the_evidence_stays_whole(tools: Tools, tmp_path: Path) -> None:
    report = junit({"a": "failed"}).replace("assert", "x" * 1_000_000 + " assert")
    assert len(report) > 1_000_000
    (tmp_path / "junit-1.xml").write_text(report)
    asker = GateEvaluator("run-1", tmp_path, "laptop", tools.clock, tools.project.outcomes)
    verdict = asker(gate("junit"), tmp_path)
    assert verdict.result == "fail"
    assert len(json.dumps(verdict.body())) < 20_000
    assert "more characters]" in "".join(verdict.findings)
    assert len((tmp_path / "junit-1.xml").read_text()) == len(report)
