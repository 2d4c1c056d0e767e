"""The report of an acceptance run tells what was not run, and refuses tests the plan does not know."""

from __future__ import annotations

from tests.uat.plan import PLAN
from tests.uat.report import Outcomes, page, summary


def test_the_plan_has_its_47_cases() -> None:
    counts = {p: sum(case.priority == p for case in PLAN.values()) for p in ("p0", "p1", "p2")}
    assert counts == {"p0": 28, "p1": 15, "p2": 4}
    assert list(PLAN) == [f"{number:03}" for number in range(1, 48)]


def test_a_case_passes_only_when_all_of_its_tests_did() -> None:
    outcomes = Outcomes({"001": ["passed", "passed"], "002": ["passed", "failed"], "020": ["skipped"]})
    assert [outcomes.state(case) for case in ("001", "002", "020", "003")] == ["passed", "failed", "failed", "not run"]
    numbers = summary(outcomes)
    assert numbers["p0"] == {"passed": 1, "failed": 1, "not_run": 26, "rate": 0.5}
    assert numbers["p2"] == {"passed": 0, "failed": 0, "not_run": 4, "rate": 0.0}


def test_the_page_shows_reasons_without_becoming_markup() -> None:
    shown = page(Outcomes({"001": ["failed"]}, {"001": ["test_x: assert '<b>' == 1"]}))
    assert "&lt;b&gt;" in shown
    assert shown.count("<tr>") == 2 + 3 + len(PLAN)
    assert shown.count('class="not-run"') == len(PLAN) - 1
