"""Threshold: one measured number and its limits."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dawsos.gates.threshold import Options
from gates.samples import ask

P95 = {"file": "slo.json", "path": "cold.p95", "unit": "s"}


def measured(value: Any, **options: Any) -> Any:
    return ask("threshold", {"slo.json": {"cold": {"p95": value}}}, **P95, **options)


@pytest.mark.parametrize(("value", "passes"), [(1.0, True), (1.2, True), (2, True), (0.99, False), (2.000001, False)])
def test_the_limits_themselves_are_within(value: float, passes: bool) -> None:
    verdict = measured(value, min=1, max=2)
    assert verdict.passed is passes
    assert verdict.limit == ">= 1 s and <= 2 s"
    assert verdict.evidence == ("slo.json",)


def test_what_is_over_the_limit_never_reads_as_the_limit() -> None:
    verdict = measured(2.00001, max=2)
    assert (verdict.result, verdict.measured) == ("fail", "2.00001 s")
    assert verdict.message == "cold.p95 is 2.00001 s, not <= 2 s"


@pytest.mark.parametrize(
    "options", [{}, {"max": float("inf")}, {"max": float("nan")}, {"min": float("-inf")}, {"min": 3, "max": 2}],
    ids=["none", "infinite", "nan", "minus infinite", "nothing between"],
)  # fmt: skip
def test_limits_between_which_nothing_can_fail_or_nothing_can_pass_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate({"file": "slo.json", "path": "p95", **options})


def test_one_value_may_be_the_only_one_that_passes_and_a_path_has_at_least_one_letter() -> None:
    assert measured(2, min=2, max=2).passed
    assert Options(file="slo.json", path="p", max=2).path == "p"
    with pytest.raises(ValidationError):
        Options(file="slo.json", path="", max=2)


@pytest.mark.parametrize("document", [{}, {"cold": {}}, {"cold": {"p95": None}}, {"warm": {"p95": 1}}])
def test_what_was_not_measured_is_no_data(document: Any) -> None:
    assert ask("threshold", {"slo.json": document}, **P95, max=2).result == "no_data"
    assert ask("threshold", {}, **P95, max=2).result == "no_data"


@pytest.mark.parametrize(
    "content", ["", "{", [], {"cold": 1}, {"cold": {"p95": "1"}}, {"cold": {"p95": False}}, '{"cold": {"p95": NaN}}',
                '{"cold": {"p95": -1e999}}', {"cold": [1]}, {"cold": {"p95": {"value": 1}}}],
    ids=["empty", "cut", "list", "no mapping", "text", "false", "nan", "infinite", "inner list", "too short a path"],
)  # fmt: skip
def test_a_malformed_file_is_an_error(content: Any) -> None:
    assert ask("threshold", {"slo.json": content}, **P95, max=2).result == "error"


def test_a_path_that_ends_before_a_number_is_named() -> None:
    verdict = ask("threshold", {"slo.json": {"cold": 1}}, **P95, max=2)
    assert verdict.message == "slo.json: cold.p95 does not lead to a number"


@pytest.mark.parametrize("beside", [{"max": 2}, {"unit": "s"}])
def test_an_objective_and_a_limit_of_its_own_cannot_both_hold(beside: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="gives the maximum and its unit: leave out max and unit, or slo"):
        Options(file="slo.json", path="p95", slo="cold_p95", **beside)


def test_an_objective_without_its_number_lets_nothing_pass() -> None:
    """A pipeline that was loaded has the number in its place; whoever forgets that must not get a gate that cannot fail."""
    options = {"file": "slo.json", "path": "cold.p95", "slo": "cold_p95"}
    verdict = ask("threshold", {"slo.json": {"cold": {"p95": 0.1}}}, **options)
    assert verdict.result == "error"
    assert "slo: cold_p95 has no number" in verdict.message
