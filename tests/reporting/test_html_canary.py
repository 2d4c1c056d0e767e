"""The canary's part of the report: its numbers, its charts, its decision where the time of it was.

And the statistical judge in terminal and report: its evidence, the dimming, what the rollout said it could find.
"""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from dawsos.model.events import RolloutSampled
from dawsos.model.fold import fold
from dawsos.model.run import RolloutRecord
from dawsos.reporting import summary as story
from dawsos.reporting import tables
from dawsos.reporting.html_canary import _marks, canary_view, charts
from dawsos.reporting.series import ticks
from dawsos.reporting.terminal import TerminalReporter
from fakes import VirtualClock
from reporting import sample_runs
from reporting.sample_runs import STAGES, START, Script, passed, up_to_canary

PROOF = round(math.log(1 / 0.009), 3)
REASON = "the canary answers with an error 9.2 times as often as stable does: 12 of 260 requests against 24 of 4,900"


def judged() -> Script:
    """A canary that is suspected, dimmed and then rolled back by the statistical judge."""
    script = Script()
    up_to_canary(script)
    script.rollout()
    script.add(
        161, "power_estimated", "canary", rate=200.0, errors=0.001,
        steps=["5 % for 300 s: finds errors from 0.53% on"], warnings=["5 %: errors between 0.50% and 0.53% pass unseen"],
    )  # fmt: skip
    script.add(162, "weight_intended", "canary", weight=25, step=25, why="")
    script.add(162, "weight_confirmed", "canary", weight=25, seconds=0.01, why="")
    for second in range(3, 15):
        suspected = second > 8
        if second == 9:
            changed = {"weight": 3, "change": "dimmed", "why": f"suspicion: {REASON}"}
            script.add(160 + second, "weight_intended", "canary", step=25, **changed)
            script.add(160 + second, "weight_confirmed", "canary", seconds=0.01, **changed)
        log_e = min(4.71, max(-0.5, 0.9 * (second - 8)))
        script.sample(
            second, 3 if suspected else 25, bad=suspected, step=25, suspected=suspected,
            verdict="failing" if second == 14 else "inconclusive" if suspected else "healthy", reason=REASON,
            evidence=[
                {"name": "worse than stable", "log_e": log_e, "limit": PROOF, "estimate": 0.05, "low": 0.02, "high": 0.11,
                 "compared": 0.005, "requests": 260, "bad": 12},
                {"name": "fails more than 25%", "log_e": -3.0, "limit": 6.908},
            ],
        )  # fmt: skip
    script.add(174.1, "rollout_decided", "canary", decision="rollback", cause="worse_than_stable", reason=REASON)
    script.add(174.2, "weight_confirmed", "canary", weight=0, seconds=0.02)
    script.add(174.4, "rollout_finished", "canary", outcome="rolled_back", seconds=0.3, reason=REASON)
    return script


def _rollout(script: Script) -> RolloutRecord:
    found = fold(script.events).rollout
    assert found is not None
    return found


def test_the_report_shows_each_test_beside_its_limit_and_the_power() -> None:
    view = canary_view(_rollout(judged()), START + 200)
    assert view["readings"][0] == {
        "name": "worse than stable", "evidence": "111", "limit": "111", "canary": "5.00 %, 2.00 % to 11.00 %",
        "stable": "0.50 %", "counts": "12 of 260",
    }  # fmt: skip
    assert view["power"] == ["5 % for 300 s: finds errors from 0.53% on"]
    assert len(view["warnings"]) == 1
    assert any("Evidence (logarithm)" in chart for chart in view["charts"])
    assert view["rule"].name == "the judge's comparison"
    assert [on for _, on in view["ladder"]][:3] == [True, True, False]


def test_without_evidence_there_is_no_chart_of_it() -> None:
    view = canary_view(_rollout(passed()), START + 300)
    assert (view["readings"], view["power"], len(view["charts"])) == ([], [], 4)


def test_the_terminal_tells_of_suspicion_dimming_and_warnings() -> None:
    stream = io.StringIO()
    reporter = TerminalReporter(STAGES, Console(file=stream, width=200), VirtualClock(START + 400), False)
    for event in judged().events:
        reporter.notice(event)
    text = stream.getvalue()
    assert "stable has 200 requests/s; warning: 5 %: errors between 0.50% and 0.53% pass unseen" in text
    assert "canary at 3 %, dimmed" in text
    assert f"decision: rollback: {REASON}" in text


def test_the_live_view_shows_the_evidence_and_the_step() -> None:
    stream = io.StringIO()
    script = judged()
    script.events = [event for event in script.events if not event.kind.startswith("rollout_f")][:-2]
    Console(file=stream, width=200).print(tables.canary_lines(_rollout(script)))
    text = stream.getvalue()
    assert "evidence 111 of 111, dimmed" in text
    assert "[25]" in text


def test_what_was_not_checked_names_the_faults_that_could_not_be_found() -> None:
    remarks = story.not_checked(fold(judged().events))
    assert [remark.what for remark in remarks if remark.where == "canary power"] == [
        "5 %: errors between 0.50% and 0.53% pass unseen"
    ]


NOW = sample_runs.START + 300


def rollout_of(name: str) -> RolloutRecord:
    rollout = fold(sample_runs.ALL[name]().events).rollout
    assert rollout is not None
    return rollout


def test_a_promoted_canary() -> None:
    view = canary_view(rollout_of("passed"), NOW)
    assert [row["weight"] for row in view["steps"]] == ["5 %", "25 %", "45 %", "65 %", "85 %", "100 %"]
    assert [row["canary_requests"] for row in view["steps"]] == ["40", "200", "360", "520", "680", "800"]
    assert all(reached for _, reached in view["ladder"])
    assert (view["rule"], view["rollback"], view["decision"]) == (None, "", "promote")
    assert (view["samples"], view["merged"]) == (60, False)
    assert len(view["charts"]) == 4, "this judge kept no evidence"


def test_a_canary_that_was_rolled_back_says_which_rule_and_how_fast() -> None:
    view = canary_view(rollout_of("rolled_back"), NOW)
    assert (view["rule"].name, view["rule"].measured, view["rule"].limit) == ("error rate", "5.77 %", "0.50 %")
    assert view["rollback"].startswith("0.31 s from the decision")
    assert [weight for weight, reached in view["ladder"] if reached] == [5, 25, 45, 65]
    assert view["verdict"] == "failing"
    assert view["check"] == "3.0 s"


def test_a_canary_without_a_sample_yet() -> None:
    view = canary_view(RolloutRecord("r", "d", "", "", sample_runs.START, ladder=(5, 100)), NOW)
    assert (view["verdict"], view["reason"]) == ("no_data", "no sample was taken")
    assert (view["steps"], view["readings"], view["samples"], view["check"]) == ([], [], 0, "5.0 s")
    assert view["charts"]


EVIDENCE: dict[str, Any] = {
    "name": "errors against stable", "log_e": 2.3026, "limit": 4.6052, "estimate": 0.02, "low": 0.01, "high": 0.05,
    "compared": 0.002, "bad": 12, "requests": 1600,
}  # fmt: skip


def with_evidence(*readings: Any) -> RolloutRecord:
    plain = rollout_of("running")
    found = RolloutSampled.read({"evidence": readings}).evidence
    return replace(plain, samples=tuple(replace(sample, evidence=found) for sample in plain.samples))


def test_evidence_stands_beside_its_limit() -> None:
    view = canary_view(with_evidence(EVIDENCE), NOW)
    assert view["readings"] == [{
        "name": "errors against stable", "evidence": "10", "limit": "100", "canary": "2.00 %, 1.00 % to 5.00 %",
        "stable": "0.20 %", "counts": "12 of 1,600",
    }]  # fmt: skip
    assert len(view["charts"]) == 5
    assert "Evidence (logarithm)" in view["charts"][1]


def test_evidence_without_numbers_is_left_out_and_what_is_not_known_is_not_shown() -> None:
    bare = {"name": "p95", "log_e": 0.0, "limit": 4.6052}
    view = canary_view(with_evidence(EVIDENCE, {"name": "x", "log_e": None, "limit": 1.0}, bare), NOW)
    assert [(row["name"], row["counts"]) for row in view["readings"]] == [
        ("errors against stable", "12 of 1,600"),
        ("p95", ""),
    ]
    assert "to" not in view["readings"][1]["canary"]


def test_many_samples_are_merged_and_that_is_said() -> None:
    plain = rollout_of("running")
    many = replace(
        plain, samples=tuple(replace(plain.samples[0], recorded_at=plain.started_at + n) for n in range(400))
    )
    view = canary_view(many, NOW)
    assert (view["samples"], view["merged"]) == (400, True)
    assert max(chart.count(" L") for chart in view["charts"]) < 400


def test_decisions_are_marked_where_they_were_made() -> None:
    def marks(name: str, **changes: Any) -> list[tuple[float, str]]:
        rollout = replace(rollout_of(name), **changes)
        return [(round(mark.at, 2), mark.label) for mark in _marks(rollout, ticks(rollout))]

    assert marks("running") == []
    ((at, label),) = marks("rolled_back")
    assert (round(at), label) == (39, "rollback decided 0:39")
    ((at, label),) = marks("passed")
    assert (at, label) == (60.0, "promoted 1:00")
    # A canary that was long in falling silent has a mark of its own for that.
    slow = marks("rolled_back", rollback_seconds=9.0)
    assert [label.partition(" ")[0] for _, label in slow] == ["rollback", "canary"]
    assert slow[1][0] - slow[0][0] == pytest.approx(9.0)
    # It got its last request at once and was long in answering what it had.
    draining = marks("rolled_back", rollback_seconds=0.1, drained=9.0)
    assert draining[0] == slow[0]
    # Decided, and killed before its end was written.
    assert [label for _, label in marks("rolled_back", finished_at=None, rollback_seconds=None)] == [
        "rollback decided 0:39"
    ]


def test_charts_escape_what_a_release_may_say() -> None:
    evil = replace(rollout_of("rolled_back"), reason="<script>alert(1)</script>", deployment="<b>")
    view = canary_view(evil, NOW)
    assert "<script>" not in "".join(view["charts"])
    # What is not markup yet is escaped by the page.
    assert type(view["why"]) is str


@pytest.mark.parametrize("name", ["passed", "rolled_back", "running"])
def test_all_charts_share_one_axis_of_time(name: str) -> None:
    rollout = rollout_of(name)
    made = charts(rollout, ticks(rollout), NOW)
    labels = ("Weight of the canary", "Error rate", "Latency p95", "Requests a second")
    assert [title in chart for title, chart in zip(labels, made, strict=True)] == [True] * 4
