"""The report of an acceptance run: `--uat-report=FILE.html` for people, the same as JSON beside it for gates.

A case passes when all of its tests did. A case without a test, or whose tests were left out by `-m smoke`, is "not
run": that is said and counted, because a report that is silent about it would read as a pass.
"""

from __future__ import annotations

import html
import json
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.uat.plan import PLAN

STYLE = (
    "body{font:15px system-ui;margin:2em;max-width:75em}table{border-collapse:collapse;width:100%}"
    "td,th{border-bottom:1px solid #ddd;padding:.35em;text-align:left;vertical-align:top}"
    ".passed{color:#176b2c}.failed{color:#b00020;font-weight:bold}.not-run{color:#777}pre{white-space:pre-wrap}"
)


@dataclass
class Outcomes:
    """What the tests of each case ended with, and why where they failed."""

    of_case: dict[str, list[str]] = field(default_factory=dict)
    reasons: dict[str, list[str]] = field(default_factory=dict)

    def state(self, case: str) -> str:
        """passed, failed or not run."""
        ended = self.of_case.get(case, [])
        if not ended:
            return "not run"
        return "passed" if set(ended) == {"passed"} else "failed"


def summary(outcomes: Outcomes) -> dict[str, object]:
    """Numbers for gates: per priority how many cases passed, failed and were not run, and the share that passed."""
    found: dict[str, object] = {}
    for priority in ("p0", "p1", "p2"):
        states = [outcomes.state(case) for case, planned in PLAN.items() if planned.priority == priority]
        counts = {state.replace(" ", "_"): states.count(state) for state in ("passed", "failed", "not run")}
        ran = counts["passed"] + counts["failed"]
        found[priority] = {**counts, "rate": counts["passed"] / ran if ran else 0.0}
    return {**found, "cases": {case: outcomes.state(case) for case in PLAN}}


def page(outcomes: Outcomes) -> str:
    """One self-contained page."""
    numbers = summary(outcomes)
    lines = [_line(case, outcomes) for case in PLAN]
    heads = "".join(f"<th>{name}</th>" for name in ("Case", "Priority", "Done", "Must be seen", "Outcome"))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Acceptance</title><style>{STYLE}</style>'
        f"<h1>Acceptance</h1><table>{_totals(numbers)}</table><h2>Cases</h2>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></html>\n"
    )


def _totals(numbers: Mapping[str, object]) -> str:
    rows = ["<tr><th>Priority</th><th>passed</th><th>failed</th><th>not run</th></tr>"]
    for priority in ("p0", "p1", "p2"):
        counts = numbers[priority]
        assert isinstance(counts, dict)
        cells = "".join(f"<td>{counts[name]}</td>" for name in ("passed", "failed", "not_run"))
        rows.append(f"<tr><td>{priority.upper()}</td>{cells}</tr>")
    return "".join(rows)


def _line(case: str, outcomes: Outcomes) -> str:
    planned, state = PLAN[case], outcomes.state(case)
    why = "".join(f"<pre>{html.escape(reason)}</pre>" for reason in outcomes.reasons.get(case, []))
    smoke = " smoke" if planned.smoke else ""
    return (
        f"<tr><td>UAT-{case}</td><td>{planned.priority.upper()}{smoke}</td><td>{html.escape(planned.done)}</td>"
        f'<td>{html.escape(planned.seen)}</td><td class="{state.replace(" ", "-")}">{state}{why}</td></tr>'
    )


class Reporter:
    """The pytest plugin; registered by tests/uat/conftest.py when a report is wanted."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._outcomes = Outcomes()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note how a test ended: its call, or a set-up or tear-down that failed."""
        report = yield
        if report.when == "call" or report.outcome != "passed":
            for case in cases(item.iter_markers("uat")):
                self._outcomes.of_case.setdefault(case, []).append(report.outcome)
                if report.failed:
                    reason = f"{item.name}: {report.longreprtext.splitlines()[-1]}"
                    self._outcomes.reasons.setdefault(case, []).append(reason)
        return report

    def pytest_sessionfinish(self) -> None:
        """Write both files."""
        self._target.write_text(page(self._outcomes), encoding="utf-8")
        beside = self._target.with_suffix(".json")
        beside.write_text(json.dumps(summary(self._outcomes), indent=2) + "\n", encoding="utf-8")


def cases(marks: Iterable[pytest.Mark]) -> list[str]:
    """The cases that marks name."""
    return [str(mark.args[0]) for mark in marks]


def misfits(items: Iterable[pytest.Item]) -> list[str]:
    """Tests whose markers are not those of the plan: no case, an unknown one, another priority or smoke list."""
    found = []
    for item in items:
        named = cases(item.iter_markers("uat"))
        unknown = sorted(set(named) - PLAN.keys())
        if not named or unknown:
            found.append(f"{item.name}: names {unknown or 'no case'}")
            continue
        own = {mark.name for mark in item.iter_markers() if mark.name in {"p0", "p1", "p2"}}
        if own != {min(PLAN[case].priority for case in named)}:
            found.append(f"{item.name}: is {sorted(own)}, the plan says {[PLAN[case].priority for case in named]}")
        if any(mark.name == "smoke" for mark in item.iter_markers()) and not any(PLAN[case].smoke for case in named):
            found.append(f"{item.name}: is not on the smoke list")
    return found
