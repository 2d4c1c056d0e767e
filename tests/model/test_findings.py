"""Findings: their place as editors open it, and what an event keeps of them."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.model.findings import Finding, Level

FINDING = Finding("ruff", "F401", "unused", "app/x.py", 3, 1)
LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@pytest.mark.parametrize(
    ("line", "column", "place"),
    [(3, 1, "app/x.py:3:1"), (3, 0, "app/x.py:3"), (0, 0, "app/x.py"), (0, 7, "app/x.py")],
)
def test_the_place_is_named_as_far_as_it_is_known(line: int, column: int, place: str) -> None:
    assert Finding("ruff", "F401", "unused", "app/x.py", line, column).place == place


def test_a_finding_without_a_rule_is_told_without_a_gap() -> None:
    assert str(FINDING) == "app/x.py:3:1: F401 unused"
    assert str(Finding("linter", "", "unused", "app/x.py", 3)) == "app/x.py:3: unused"


@given(st.builds(Finding, *[st.text()] * 4, st.integers(), st.integers(), st.sampled_from(LEVELS)))
def test_an_event_keeps_all_of_a_finding(finding: Finding) -> None:
    assert Finding.from_body(json.loads(json.dumps(asdict(finding)))) == finding


def test_a_key_that_a_newer_version_wrote_is_left_out() -> None:
    assert Finding.from_body({**asdict(FINDING), "end_line": 4}) == FINDING
