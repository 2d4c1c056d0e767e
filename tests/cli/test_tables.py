"""What the reading verbs show: a row for each run, stage, process and statement, in plain text, whatever a person wrote."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from dawsos.analysis.simulation.contest import SimulationResult
from dawsos.cli import tables
from dawsos.model.plan import Action, Fingerprint, Plan, PlannedStage
from dawsos.model.run import Run
from dawsos.platforms.contract import ProcessStatus
from dawsos.provenance.verification import StatementCheck
from dawsos.runs.evidence import attested, examine, recorded_demands
from dawsos.verbs.history import PastRun
from dawsos.verbs.status import ShownEnvironment, Status, UnfinishedRun
from support.world import COMMIT, RELEASE, world


def printed(*findings: StatementCheck, run: Run | None = None) -> list[str]:
    """Return the lines of the table as the command prints them, on a page wide enough for all of them."""
    out = io.StringIO()
    console = Console(file=out, width=400, highlight=False)
    console.print(tables.evidence_table(run or Run("run-1", release=RELEASE, commit=COMMIT), findings))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def told(result: str, **predicate: Any) -> StatementCheck:
    return StatementCheck("unit.json", "unit", result, predicate, "abcdef0123456789")


def says(finding: StatementCheck) -> str:
    """Return the cell of what the statement says."""
    head, row = printed(finding)[1:]
    return row[head.index("says") : head.index("gates")].strip()


def test_the_title_names_the_release_the_commit_and_the_run() -> None:
    title, head = printed()
    assert title == f"release {RELEASE[:12]} of commit {COMMIT[:8]}, run run-1"
    assert head.split() == ["stage", "says", "gates", "evidence", "signed", "by", "statement"]


def test_a_row_counts_gates_and_files_and_names_the_key_and_the_statement() -> None:
    row = printed(told("passed", gates=[{}, {}, {}], evidence={"a": "1", "b": "2"}))[-1]
    assert row.split() == ["unit", "passed", "3", "2", "files", "abcdef012345", "unit.json"]


def test_what_nobody_signed_says_so_and_what_holds_nothing_counts_nothing() -> None:
    assert printed(StatementCheck("unit.json", "unit", "missing", {}))[-1].split() == [
        "unit",
        "missing",
        "nobody",
        "unit.json",
    ]
    assert printed(told("passed", gates=[], evidence={}))[-1].split() == ["unit", "passed", "abcdef012345", "unit.json"]


def test_rows_keep_the_order_of_the_statements() -> None:
    rows = printed(*(StatementCheck(f"{stage}.json", stage, "passed", {}) for stage in ("lint", "unit", "canary")))[2:]
    assert [row.split()[0] for row in rows] == ["lint", "unit", "canary"]


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (told("passed"), "passed"),
        (told("restored", restored={"run": "run-0"}), "passed in run run-0"),
        (told("skipped", reason="hotfix"), "skipped: hotfix"),
        (told("skipped"), "skipped:"),
        (told("approved", name="Ada", reason="looks good"), "approved by Ada: looks good"),
        (told("rejected", name="Bob", reason="two\nlines\x1b[31m"), "rejected by Bob: two lines[31m"),
        (told("untrusted"), "untrusted"),
        (told("certified", identity="me@example", issuer="https://ci"), "certified: me@example (issuer https://ci)"),
        (told("not checked", identity="me@\nexample", issuer="ci"), "not checked: me@ example (issuer ci)"),
    ],
)
def test_each_kind_of_statement_is_put_into_words(finding: StatementCheck, words: str) -> None:
    assert says(finding) == words


@pytest.mark.parametrize("reason", ["see [/docs/uat]", "[red]alarm[/red]", "[[done]]", "\\[x]"])
def test_square_brackets_are_shown_as_they_were_written(reason: str) -> None:
    """As markup the first of them would end the command with a traceback."""
    assert says(told("approved", name="[Ada]", reason=reason)) == f"approved by [Ada]: {reason}"
    assert says(told("skipped", reason=reason)) == f"skipped: {reason}"


@given(st.text(alphabet="ab[]/\\= \n\x1b", max_size=30))
def test_whatever_a_person_wrote_is_one_row(reason: str) -> None:
    assert len(printed(told("approved", name="Ada", reason=reason))) == 3


def test_the_statements_of_a_real_run_are_shown(tmp_path: Path) -> None:
    made = world(tmp_path)
    for stage in ("lint", "unit"):
        made.run_stage(stage)
    made.restore_stage("chaos")
    made.build()
    made.attest()
    run = made.session.state
    findings = examine(made.tools, run, recorded_demands(made.tools, run, attested(run)))
    lines = printed(*findings, run=run)
    assert f"run {run.id}" in lines[0]
    rows = {line.split()[0]: line for line in lines[2:]}
    assert rows["lint"].split()[1:5] == ["passed", "1", "2", "files"]
    assert "passed in run the-first-run" in rows["chaos"]
    assert "nobody" not in "".join(lines)
    assert rows["build"].endswith("provenance.json")


def shown(what: RenderableType, width: int = 120) -> list[str]:
    """Return the lines as they are printed, with single blanks."""
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(what)
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def past(result: str, reason: str, release: str = "") -> PastRun:
    return PastRun("r1", "ship", "c" * 40, release, result, 1.0, 61.0, reason)


def test_a_history_is_a_line_a_run() -> None:
    assert shown(tables.history_table([])) == ["no run yet; dawsos ship starts the first"]
    head, line = shown(tables.history_table([past("rolled_back", "a\nb", "9d41e8" * 10)], ascii_only=True))
    assert head == "run command release result took why"
    assert line.endswith("r1 ship 9d41e89d rolled back 1:01 a b")
    assert shown(tables.history_table([past("rejected", "see [/docs] [b]")]))[1].endswith("see [/docs] [b]")


def test_a_long_reason_is_cut_and_not_the_id_of_the_run() -> None:
    long = replace(past("failed", "a reason " * 40), run="20261129-233122-cecfe4c-84")
    _, line = shown(tables.history_table([long]), width=80)
    assert "20261129-233122-cecfe4c-84 ship" in line
    assert "failed 1:01 a reason" in line
    assert line.endswith("…")


def test_a_plan_says_why_and_on_request_which_input() -> None:
    made = Fingerprint("f" * 64, {})
    plan = Plan((
        PlannedStage("lint", Action.RESTORE, "unchanged since run r1", made),
        PlannedStage("unit", Action.RUN, "2 inputs changed", made, ("changed: a.py", "new: \x1b[2Jb.py")),
    ))  # fmt: skip
    brief = shown(tables.plan_table(plan, False))
    assert brief[1:] == [
        "restore lint unchanged since run r1",
        "run unit 2 inputs changed",
        "1 stage to run, 1 restored from the cache; --explain names the inputs that changed",
    ]
    assert shown(tables.plan_table(plan, True))[3:] == [
        "changed: a.py",
        "new: [2Jb.py",
        "1 stage to run, 1 restored from the cache",
    ]
    bracketed = Plan((PlannedStage("unit", Action.RUN, "after [lint]", None),))
    assert shown(tables.plan_table(bracketed, False))[1] == "run unit after [lint]"


def test_what_a_plan_skips_is_not_counted_as_restored() -> None:
    plan = Plan((
        PlannedStage("lint", Action.RUN, "never passed here", None),
        PlannedStage("chaos", Action.SKIP, "hotfix: prices are wrong", None),
    ))  # fmt: skip
    assert shown(tables.plan_table(plan, False))[2:] == [
        "skip chaos hotfix: prices are wrong",
        "1 stage to run, 0 restored from the cache, 1 skipped",
    ]


def test_what_serves_and_what_runs() -> None:
    ready = ProcessStatus("d1.0", "d1", 7, "ready")
    looping = ProcessStatus("d2.0", "d2", 0, "dead", (1.0, 2.0, 3.0), True)
    roles = {"stable": "aa" * 32, "canary": "bb" * 32, "standby": "cc" * 32}
    environment = ShownEnvironment("production", "http://127.0.0.1:7", True, roles, 25, (ready, looping))
    lines = shown(tables.status_text(Status((environment,), ()), ascii_only=True))
    assert lines[0].endswith(
        "production http://127.0.0.1:7 stable aaaaaaaa 75 %, canary bbbbbbbb 25 %, standby cccccccc"
    )
    assert lines[1:4] == ["process pid state restarts", "d1.0 7 ready 0", "d2.0 0 dead 3 crash loop"]
    down = ShownEnvironment("production", "http://127.0.0.1:7", False, {}, 0, ())
    (line, _) = shown(tables.status_text(Status((down,), ())))
    assert line.endswith("production http://127.0.0.1:7 no release (down)")


def test_what_waits_and_who_works_on_it() -> None:
    runs = UnfinishedRun("r1", "ship", "waiting", None, ""), UnfinishedRun("r2", "drill", "", 4711, "")
    lines = shown(tables.status_text(Status((), runs)))
    assert lines[0] == "No release is deployed. `dawsos ship` deploys one."
    assert lines[2].endswith("run r1 (ship): waiting, nobody works on it")
    assert lines[3] == "dawsos resume r1"
    assert lines[4].endswith("run r2 (drill): unfinished, owned by process 4711")
    assert len(lines) == 5


def test_a_simulation_names_each_scenario_once() -> None:
    one = SimulationResult("statistical", "errors=5%", 200.0, 10, 1.0, 0.0, 0.0, 9.0, 12.0, 31.5, None, 0.0, (9.0,))
    head, first, second = shown(tables.simulation_table([one, one]))
    assert head == "scenario judge rolled back median p95 failed requests promoted after undecided"
    assert first == "errors=5% statistical 100.00% 9 s 12 s 31.5 0.0% - 0.0%"
    assert second == "statistical 100.00% 9 s 12 s 31.5 0.0% - 0.0%"


def test_what_was_done_beside_the_tool_stands_below_the_environment() -> None:
    pod = ProcessStatus("shop-1", "d1", 0, "ready")
    environment = ShownEnvironment("production", "http://shop", True, {}, 0, (pod,), "kubernetes", ("helm rollback",))
    lines = shown(tables.status_text(Status((environment,), ()), ascii_only=True))
    assert lines[1:4] == ["helm rollback", "process pid state restarts", "shop-1 ready 0"]
