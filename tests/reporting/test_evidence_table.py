"""The table of a release's statements: one row each, in plain text, whatever a person wrote."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dawsos.model.run import Run
from dawsos.provenance.verification import StatementCheck
from dawsos.reporting.evidence_table import render_evidence
from dawsos.runs.evidence import attested, examine, recorded_demands
from support.world import COMMIT, RELEASE, world


def printed(*findings: StatementCheck, run: Run | None = None) -> list[str]:
    """Return the lines of the table as the command prints them, on a page wide enough for all of them."""
    out = io.StringIO()
    console = Console(file=out, width=400, highlight=False)
    console.print(render_evidence(run or Run("run-1", release=RELEASE, commit=COMMIT), findings))
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
