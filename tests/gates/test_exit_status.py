"""Exit status: every step exited 0, and what did not says where."""

from __future__ import annotations

from typing import Any

import pytest

from gates.samples import ask, step


def test_all_steps_exited_0() -> None:
    verdict = ask("exit_status", {"steps.json": [step("ruff"), step("mypy")]})
    assert (verdict.result, verdict.measured, verdict.limit) == ("pass", "2 of 2 steps exited 0", "all exit 0")
    assert verdict.evidence == ("steps.json",)


def test_the_lines_of_a_failed_step_that_name_a_place_are_its_findings() -> None:
    tail = ["talk", "app/x.py:3:1: F401 unused", "Found 1 error."]
    verdict = ask("exit_status", {"steps.json": [step("ruff", 1, tail=tail), step("mypy")]})
    assert (verdict.result, verdict.measured) == ("fail", "1 of 2 steps exited 0")
    assert verdict.message == "ruff: failed, exit code 1"
    assert verdict.findings == ("ruff: failed, exit code 1", "ruff: app/x.py:3:1: F401 unused")


def test_where_no_line_names_a_place_the_last_ones_are_shown() -> None:
    verdict = ask("exit_status", {"steps.json": [step("x", 1, tail=["1", "2", "3", "4"])]})
    assert verdict.findings == ("x: failed, exit code 1", "x: 2", "x: 3", "x: 4")


@pytest.mark.parametrize("classification", ["timeout", "infrastructure", "cancelled", "failed"])
def test_a_step_that_ended_otherwise_is_red_even_with_exit_code_0(classification: str) -> None:
    assert ask("exit_status", {"steps.json": [step(code=0, classification=classification)]}).result == "fail"


def test_a_step_that_is_called_ok_with_another_code_is_red() -> None:
    assert ask("exit_status", {"steps.json": [step(code=2, classification="ok")]}).result == "fail"


def test_an_exit_code_that_another_gate_judges_is_no_failure() -> None:
    verdict = ask("exit_status", {"steps.json": [step("ruff"), step("pytest", 1, "judged")]})
    assert (verdict.result, verdict.measured) == ("pass", "2 of 2 steps exited 0 or as expected (1)")
    assert verdict.findings == ()


def test_a_step_that_never_started_is_not_one_that_another_gate_judges() -> None:
    verdict = ask("exit_status", {"steps.json": [step("pytest", None, "judged")]})
    assert (verdict.result, verdict.message) == ("fail", "pytest: judged, exit code None")


def test_no_file_and_no_step_are_no_data() -> None:
    assert ask("exit_status", {}).result == "no_data"
    assert ask("exit_status", {"steps.json": []}).result == "no_data"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[{",
        {},
        ["ok"],
        [{"name": "a", "exit_code": 0}],
        [{"name": "a", "classification": "ok"}],
        [step() | {"exit_code": False}],
        [step(classification="fine")],
        [step(code=1) | {"tail": "a line"}],
    ],
    ids=["empty", "cut", "mapping", "words", "no class", "no code", "code is false", "another class", "tail"],
)
def test_a_malformed_file_is_an_error(content: Any) -> None:
    assert ask("exit_status", {"steps.json": content}).result == "error"
