"""Runs, plans and environments as a terminal shows them: printed to a page of text, and read."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from dawsos.model.events import RolloutSampled
from dawsos.model.fold import fold
from dawsos.model.rollout import Reading
from dawsos.model.run import RolloutRecord, Run, StageRecord, StepRecord
from dawsos.model.status import RunResult, StageState
from dawsos.model.verdicts import GateVerdict
from dawsos.reporting import tables
from dawsos.reporting.marks import mark
from reporting import sample_runs

TITLES = sample_runs.STAGES


def shown(what: RenderableType, width: int = 120) -> list[str]:
    """Return the lines as a terminal without colours shows them."""
    page = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    page.print(what)
    assert isinstance(page.file, io.StringIO)
    return [" ".join(line.split()) for line in page.file.getvalue().splitlines()]


def run_of(name: str) -> Run:
    return fold(sample_runs.ALL[name]().events)


def test_the_heading_names_the_commit_and_the_time() -> None:
    assert shown(tables.heading(run_of("passed"), 0)) == ["dawsos ship 3f2a1c9e laptop 3:43"]
    assert shown(tables.heading(run_of("running"), sample_runs.START + 65)) == ["dawsos ship 3f2a1c9e laptop 1:05"]
    assert shown(tables.heading(Run(command="drill"), 9)) == ["dawsos drill"]


def test_each_stage_is_a_line_with_its_time_against_its_budget() -> None:
    run = run_of("failed")
    lines = shown(tables.stage_table(run, TITLES, run.finished_at or 0, ascii_only=True))
    assert len(lines) == len(TITLES)
    named = {line.split()[1]: line for line in lines}
    assert "restored exit_status 0 failed steps" in named["lint"]
    assert "0:42 / 5:00 junit: 409 of 412 passed, limit all" in named["unit"]
    assert "another stage failed or the run was stopped" in named["property"]
    assert "audit: not audited, limit 0 high" in named["security"]
    assert named["canary"].endswith("/ 1:00:00")


def test_a_stage_that_runs_says_what_it_is_at() -> None:
    step = StepRecord("pytest\nwith coverage", "pytest")
    run = Run(stages={"unit": StageRecord("unit", StageState.RUNNING, started_at=100.0, steps=(step,))})
    (line,) = shown(tables.stage_table(run, [("unit", "", 0.0)], 130.0))
    assert line.endswith("unit 0:30 pytest with coverage")
    (line,) = shown(
        tables.stage_table(Run(stages={"unit": StageRecord("unit", StageState.RUNNING)}), [("unit", "", 60.0)], 9.0)
    )
    assert line.endswith("unit 0:00 / 1:00")


@pytest.mark.parametrize(
    ("seconds", "style"), [(79.0, ""), (81.0, "yellow")], ids=["in time", "most of its budget is gone"]
)
def test_a_stage_that_takes_long_is_marked(seconds: float, style: str) -> None:
    assert tables._time(StageRecord("a", StageState.PASSED, seconds=seconds), 100.0, 0.0).style == style


def test_without_colour_and_symbols_the_state_is_still_told() -> None:
    states = ("passed", "failed", "running", "pending", "waiting")
    marks = [mark(state, ascii_only=True).plain for state in states]
    assert all(mark.isascii() for mark in marks)
    assert len(set(marks)) == len(marks)


def test_the_canary_in_numbers() -> None:
    run = run_of("running")
    assert run.rollout is not None
    text = shown(tables.canary_lines(run.rollout))
    assert text[0].startswith("canary 25 %")
    assert text[0].endswith("ladder 5 [25] 45 65 85 100")
    assert text[1] == "requests/s errors p95"
    assert text[2].startswith("canary 20.0 0.00 %")
    assert text[3].startswith("stable 60.0 0.00 %")
    assert text[4] == "limit 0.50 % 1.20 s"
    assert text[5].endswith("healthy: error rate and p95 are within their limits")
    assert len(text) == 6


def test_a_canary_before_its_first_sample_and_one_with_evidence() -> None:
    rollout = RolloutRecord("r", "d", "s", "sd", 100.0, ladder=(5, 100))
    assert shown(tables.canary_lines(rollout))[-1].endswith("no data: waiting for the first sample")
    sample = RolloutSampled(
        at=1.0, seconds=1.0, weight=2, step=5, verdict="inconclusive", reason="too early",
        evidence=(Reading("worse than stable", 0.7, 4.605),),
    )  # fmt: skip
    dimmed = shown(tables.canary_lines(replace(rollout, samples=(sample,), weight=2, step=5)))
    assert dimmed[-2:] == [dimmed[-2], "evidence 2.0 of 100, dimmed"]
    assert dimmed[-2].endswith("inconclusive: too early")
    assert "ladder [5] 100" in dimmed[0]


RED = GateVerdict(
    "junit", "junit", "fail", "9 of 22 passed", "all", "13 failed", ("junit.xml", "log"), tuple(f"test {n}" for n in range(13))
)  # fmt: skip


def test_a_red_gate_is_shown_whole_and_its_findings_up_to_a_page() -> None:
    lines = shown(tables.gate_lines("unit", RED, ascii_only=True))
    assert lines[0].endswith("unit · gate junit: measured 9 of 22 passed, limit all")
    assert lines[1] == "13 failed"
    assert lines[2:14] == [f"test {n}" for n in range(12)]
    assert lines[14:] == ["and 1 more in the report", "evidence: junit.xml, log"]
    bare = shown(tables.gate_lines("unit", replace(RED, findings=(), evidence=())))
    assert len(bare) == 2


def test_only_red_gates_are_red() -> None:
    assert len(tables.red_gates(run_of("failed"))) == 2
    assert tables.red_gates(run_of("passed")) == []


def test_a_text_of_the_release_cannot_paint_or_break_lines() -> None:
    evil = replace(RED, message="[red]x[/red]\x1b[31m\nnext line", findings=())
    assert shown(tables.gate_lines("unit", evil))[1] == "[red]x[/red][31m next line"


def test_names_of_gates_and_files_cannot_steer_the_terminal() -> None:
    gate = replace(RED, gate="\x1b[2Jjunit", evidence=("junit-\x1b[2J.xml",), findings=())
    stage = StageRecord("unit", state=StageState.FAILED, gates=(gate,))
    for page in (
        tables.gate_lines("unit", gate),
        tables.stage_table(Run(stages={"unit": stage}), [("unit", "", 0.0)], 0.0),
    ):
        assert "\x1b" not in "".join(shown(page))


def test_what_stands_in_brackets_is_told_and_is_no_markup() -> None:
    assert shown(tables.summary_table([("rejected", "by a (terminal): see [/docs]")])) == [
        "rejected by a (terminal): see [/docs]"
    ]


def test_a_run_whole() -> None:
    page = "\n".join(shown(tables.render_run(run_of("rolled_back"), TITLES), 200))
    for words in (
        "dawsos ship 3f2a1c9e", "The canary was rolled back from 65 %", "canary · gate rollout: measured rolled back at 65 %",
        "what was not checked", "canary traffic synthetic load only", "approved by Ada (beforehand): sprint 12, demo accepted",
        "started 2026-03-01 12:00:00 UTC", "release 9d41e89d41e8",
    ):  # fmt: skip
        assert words in page
    bare = "\n".join(shown(tables.render_run(Run(id="r", command="rollback", result=RunResult.PASSED, started_at=1.0))))
    assert "what was not checked" not in bare
    assert "Rollback done" in bare
