"""Quarantine and history: a flaky test is shown whatever happens, and excused only by name and until a day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dawsos.model.verdicts import GateKindName
from gates.samples import ask, context, junit

ENTRY = '- {{test: "tests.test_x::a", owner: Ada, why: being mended, until: {day}}}\n'
GOOD = junit({"a": "passed", "b": "passed"})
BAD = junit({"a": "failed", "b": "passed"})


def check(kind: GateKindName, day: str, *reports: str, **options: Any) -> Any:
    evidence = {f"junit-{number}.xml": report for number, report in enumerate(reports, start=1)}
    evidence |= {"q.yaml": ENTRY.format(day=day), "context.json": context()}  # type: ignore[dict-item]
    return ask(kind, evidence, quarantine="q.yaml", **options)


@pytest.mark.parametrize(("kind", "options"), [("junit", {}), ("flaky", {"runs": 2})])
def test_a_quarantined_test_runs_is_shown_and_does_not_block_until_its_day(
    kind: GateKindName, options: dict[str, Any]
) -> None:
    verdict = check(kind, "2026-11-25", GOOD, BAD, **options)
    assert verdict.passed, verdict
    assert "1 quarantined" in verdict.measured
    assert (
        verdict.message
        == {
            "junit": "no test failed that is not in quarantine",
            "flaky": "every test had one outcome, except those in quarantine",
        }[kind]
    )
    assert verdict.evidence == ("junit-1.xml", "junit-2.xml", "q.yaml", "context.json")
    assert "quarantined until 2026-11-25 by Ada: being mended" in verdict.findings[0]
    assert verdict.valid_until == pytest.approx(datetime(2026, 11, 26, tzinfo=UTC).timestamp(), abs=1e-3)
    expired = check(kind, "2026-11-24", GOOD, BAD, **options)
    assert expired.result == "fail"
    assert "its quarantine by Ada expired on 2026-11-24" in expired.findings[0]


def test_only_the_named_test_is_excused() -> None:
    verdict = check("junit", "2026-12-31", junit({"a": "failed", "b": "failed"}))
    assert verdict.result == "fail"
    assert verdict.message == "tests.test_x::b failed"
    assert verdict.measured == "2 tests, 2 failed, 1 quarantined"


@pytest.mark.parametrize(("kind", "message"), [("junit", "no test failed"), ("flaky", "every test had one outcome")])
def test_a_list_that_nothing_needed_is_not_spoken_of(kind: GateKindName, message: str) -> None:
    verdict = check(kind, "2026-12-31", GOOD, GOOD, **({"runs": 2} if kind == "flaky" else {}))
    assert (verdict.message, verdict.findings, verdict.valid_until) == (message, (), None)


def history(*outcomes: str) -> dict[str, Any]:
    return {"runs": [{"run": "r", "outcomes": {"tests.test_x::a": outcome}} for outcome in outcomes]}


def test_an_earlier_run_on_the_same_inputs_with_another_outcome_is_flaky() -> None:
    evidence = {"junit-1.xml": GOOD, "junit-2.xml": GOOD}
    verdict = ask("flaky", evidence | {"history.json": history("failed", "passed")}, runs=2, history=True)
    assert (verdict.result, verdict.measured) == ("fail", "1 of 2 tests flaky over 4 runs")
    assert verdict.findings == ("tests.test_x::a: passed, passed; earlier failed, passed",)
    assert ask("flaky", evidence | {"history.json": history("passed")}, runs=2, history=True).passed
    assert ask("flaky", evidence | {"history.json": {"runs": []}}, runs=2, history=True).passed


def test_a_test_that_is_new_since_then_is_not_flaky() -> None:
    old = {"runs": [{"run": "r", "outcomes": {"tests.test_x::b": "passed"}}]}
    assert ask("flaky", {"junit-1.xml": GOOD, "junit-2.xml": GOOD, "history.json": old}, runs=2, history=True).passed


@pytest.mark.parametrize("content", ["", "{}", {"runs": 1}, {"runs": [{}]}, {"runs": [{"outcomes": []}]}])
def test_a_history_that_cannot_be_read_is_an_error(content: Any) -> None:
    evidence = {"junit-1.xml": GOOD, "junit-2.xml": GOOD, "history.json": content}
    assert ask("flaky", evidence, runs=2, history=True).result == "error"
