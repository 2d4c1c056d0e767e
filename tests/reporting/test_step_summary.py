"""The summary of a step: every fact of the short report, and no word of evidence that is anything but a word."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from dawsos.model.findings import Finding
from dawsos.model.fold import fold
from dawsos.model.run import Run
from dawsos.model.status import RunResult
from dawsos.model.verdicts import GateVerdict
from dawsos.reporting.step_summary import StepSummary, escaped, step_summary
from reporting import sample_runs
from reporting.sample_runs import STAGES

EVIL = "| a |\n::error::x\n# <img src=x onerror=alert(1)> [click](javascript:x) ![i](x) @ada #1 `b` **c** https://evil.example \\"


def run_of(name: str) -> Run:
    return fold(sample_runs.ALL[name]().events)


def words_of(markdown: str) -> str:
    """Return the text that a reader sees of escaped Markdown."""
    return unescape(re.sub(r"</?code>", "", markdown))


@pytest.mark.parametrize("name", sample_runs.ALL)
def test_it_tells_what_the_report_tells_in_short(name: str) -> None:
    run = run_of(name)
    shown = words_of(step_summary(run, STAGES, "runs/r1/report.html"))
    assert shown.startswith("## ")
    assert "runs/r1/report.html" in shown
    for stage in run.stages.values():
        assert f"| {stage.id}" in shown
        for gate in stage.gates:
            assert f"{stage.id}: {gate.gate}" in shown
            assert gate.limit in shown


def test_it_is_a_page_of_headings_tables_and_lists(tmp_path: Path) -> None:
    text = step_summary(run_of("failed"), STAGES, "report.html")
    assert text.startswith("## ✗ dawsos ship ")
    assert "| Stage | Result | Took |\n| --- | --- | --- |\n" in text
    assert "| Gate | Measured | Limit |\n| --- | --- | --- |\n" in text
    assert "### Why it is red" in text
    assert "### What was not checked" in text
    # The first row of the gates is a red one.
    assert text.split("| Gate | Measured | Limit |\n")[1].splitlines()[1].startswith("| ✗ ")


def evil_run() -> Run:
    finding = Finding(EVIL, EVIL, EVIL, EVIL, 1)
    gate = GateVerdict(EVIL, "scan", "fail", EVIL, EVIL, EVIL, places=(finding,))
    run = run_of("failed")
    stages = {key: replace(stage, gates=(gate,), reason=EVIL, from_run=EVIL) for key, stage in run.stages.items()}
    return replace(run, stages=stages, reason=EVIL, commit=EVIL)


def test_no_text_of_evidence_is_markdown_html_or_a_command() -> None:
    text = step_summary(evil_run(), [(key, EVIL, 1.0) for key, _, _ in STAGES], EVIL)
    known = re.compile(r"^(## . |### (Why it is red|Findings|What was not checked)$|\| |- )")
    for line in filter(None, text.splitlines()):
        assert known.match(line) or re.fullmatch(r"[\w &#;]+", line), line
        # Of the signs that mean something, only ours are there: of tables, of lists and of code.
        rest = re.sub(r"</?code>|&#\d+;", "", known.sub("", line)).replace(" | ", " ").removesuffix("|")
        assert re.fullmatch(r"[\w ✓↺●?◷⊘○✗↶!·:-]*", rest), rest
    assert "@ada" in words_of(text)


def test_a_long_text_is_cut_and_many_rows_are_counted() -> None:
    assert len(unescape(escaped("x" * 5000))) < 400
    finding = Finding("ruff", "F401", "unused", "a.py", 3)
    gates = tuple(GateVerdict(f"g{n}", "scan", "fail", "1", "0", "m", places=(finding,)) for n in range(200))
    run = run_of("failed")
    first = next(iter(run.stages))
    text = step_summary(replace(run, stages={first: replace(run.stages[first], gates=gates)}), STAGES, "r")
    assert "| and 50 more | | |" in text
    assert "- and 150 more" in text
    assert len(text.encode()) < 200_000


def test_a_summary_is_never_larger_than_the_service_takes() -> None:
    huge = "\U0001f525" * 400
    finding = Finding(huge, huge, huge, huge, 1)
    gate = GateVerdict(huge, "scan", "fail", huge, huge, huge, places=(finding,) * 50)
    run = run_of("failed")
    stages = {key: replace(stage, gates=(gate,) * 200) for key, stage in run.stages.items()}
    text = step_summary(replace(run, stages=stages), STAGES, "report.html")
    assert len(text.encode()) < 1 << 20
    assert text.startswith("## ")
    assert "Not all has room in a summary: the report has it." in text
    assert "- report: <code>report&#46;html</code>" in text


def test_a_partial_ship_says_what_it_left_out() -> None:
    options = {"left_out": ["staging", "canary"], "before_users": True}
    run = replace(run_of("passed"), rollout=None, options=options, result=RunResult.PASSED, verified=())
    shown = words_of(step_summary(run, STAGES, "r"))
    assert "Production was not touched." in shown
    assert "2 stages: not part of this ship: staging, canary" in shown


def test_the_file_of_the_service_is_appended_to_once_for_each_end(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("of another step\n")
    reporter = StepSummary(path, STAGES, lambda run: f"runs/{run}/report.html")
    reporter.close()
    assert path.read_text() == "of another step\n"
    events = sample_runs.ALL["passed"]().events
    for event in events:
        reporter.notice(event)
    reporter.suspend()
    reporter.close()
    reporter.close()
    text = path.read_text()
    assert text.startswith("of another step\n## ✓ ")
    assert text.count("| Stage |") == 1
    assert f"runs/{events[0].run}/report.html" in words_of(text)
