"""Golden: only "same" is the same; a difference is shown place by place."""

from __future__ import annotations

from typing import Any

import pytest

from gates.samples import ask


def check(**goldens: Any) -> Any:
    return ask("golden", {"golden.json": {"goldens": goldens}})


def test_all_the_same_passes() -> None:
    verdict = check(a={"result": "same"}, b={"result": "same"})
    assert (verdict.result, verdict.measured, verdict.limit) == ("pass", "2 of 2 byte for byte", "all byte for byte")


@pytest.mark.parametrize("result", ["differs", "missing", "unused", "updated"])
def test_everything_else_is_red(result: str) -> None:
    verdict = check(a={"result": "same"}, b={"result": result})
    assert (verdict.result, verdict.measured) == ("fail", "1 of 2 byte for byte")
    assert verdict.findings[0].startswith("b: ")


def test_each_place_that_differs_is_a_finding() -> None:
    verdict = check(pack={"result": "differs", "diff": ["total: 6 became 7", "rows.2: added 4"]})
    assert verdict.findings == ("pack: total: 6 became 7", "pack: rows.2: added 4")


def test_no_golden_at_all_is_no_data() -> None:
    assert check().result == "no_data"


@pytest.mark.parametrize("facts", [None, {}, {"result": "fine"}, {"result": "differs", "diff": "x"}])
def test_another_shape_is_an_error(facts: Any) -> None:
    assert check(a=facts).result == "error"
