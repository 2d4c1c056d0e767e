"""The statistical judge in terminal and report: its evidence, the dimming, what the rollout said it could find."""

from __future__ import annotations

import io
import math

from rich.console import Console

from dawsos.model.run import RolloutRecord, fold
from dawsos.reporting import story, tables
from dawsos.reporting.html_canary import canary_view
from dawsos.reporting.terminal import TerminalReporter
from fakes import VirtualClock
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
    script.add(162, "weight_intended", "canary", weight=25, rung=25, why="")
    script.add(162, "weight_confirmed", "canary", weight=25, seconds=0.01, why="")
    for second in range(3, 15):
        suspected = second > 8
        if second == 9:
            why = f"dimmed: suspicion: {REASON}"
            script.add(160 + second, "weight_intended", "canary", weight=3, rung=25, why=why)
            script.add(160 + second, "weight_confirmed", "canary", weight=3, seconds=0.01, why=why)
        log_e = min(4.71, max(-0.5, 0.9 * (second - 8)))
        script.sample(
            second, 3 if suspected else 25, bad=suspected, rung=25, suspected=suspected,
            verdict="failing" if second == 14 else "inconclusive" if suspected else "healthy", reason=REASON,
            evidence=[
                {"name": "worse than stable", "log_e": log_e, "limit": PROOF, "estimate": 0.05, "low": 0.02, "high": 0.11,
                 "compared": 0.005, "requests": 260, "bad": 12},
                {"name": "fails more than 25%", "log_e": -3.0, "limit": 6.908},
            ],
        )  # fmt: skip
    script.add(174.1, "rollout_decided", "canary", decision="rollback", reason=REASON)
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


def test_the_live_view_shows_the_evidence_and_the_rung() -> None:
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
