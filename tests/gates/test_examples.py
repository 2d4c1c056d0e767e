"""Examples: every property was tried often enough, by Hypothesis' own count."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dawsos.gates.examples import Options
from gates.samples import ask


def stats(**counts: Any) -> dict[str, Any]:
    return {"examples.json": {"seed": 42, "tests": {name: {"examples": count} for name, count in counts.items()}}}


def test_enough_examples_for_each() -> None:
    verdict = ask("examples", stats(a=1000, b=2000))
    assert verdict.result == "pass"
    assert verdict.measured == "2 properties, at least 1000 examples, seed 42"
    assert verdict.unchecked is False
    assert (verdict.limit, verdict.evidence) == ("at least 1000 each", ("examples.json",))


def test_one_too_few_in_one_of_them_fails_and_is_named() -> None:
    verdict = ask("examples", stats(a=1000, b=999, c=3))
    assert (verdict.result, verdict.message) == ("fail", "c: 3 examples")
    assert verdict.findings == ("b: 999 examples", "c: 3 examples")
    assert ask("examples", stats(a=3), min_examples=3).passed


def test_no_file_and_no_property_are_no_data() -> None:
    assert ask("examples", {}).result == "no_data"
    assert ask("examples", stats()).result == "no_data"


@pytest.mark.parametrize(
    "content",
    ["", "{", [], {}, {"tests": []}, {"tests": {"a": 1000}}, {"tests": {"a": {}}}, {"tests": {"a": {"examples": "1000"}}},
     {"tests": {"a": {"examples": True}}}, '{"tests": {"a": {"examples": NaN}}}', '{"tests": {"a": {"examples": 1e999}}}'],
    ids=["empty", "cut", "list", "no tests", "tests is a list", "no mapping", "no count", "text", "true", "nan", "infinite"],
)  # fmt: skip
def test_a_malformed_file_is_an_error(content: Any) -> None:
    assert ask("examples", {"examples.json": content}).result == "error"


def test_a_limit_of_no_example_is_refused() -> None:
    assert Options(min_examples=1).min_examples == 1
    with pytest.raises(ValidationError):
        Options(min_examples=0)
