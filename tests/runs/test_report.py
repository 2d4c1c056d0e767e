"""A run's report: written whole, from its state and its logs, with its objectives and without its secrets."""

from __future__ import annotations

import os
from dataclasses import astuple
from pathlib import Path

import pytest

from dawsos.runs.evidence import SHOWN_REPORT
from dawsos.runs.report import _logs, _slo, write_report, write_shown_report
from support.facts import fact
from support.world import World, world


@pytest.fixture
def told(tmp_path: Path) -> World:
    return world(tmp_path / "project")


def test_a_report_is_written_whole_over_the_one_before(told: World) -> None:
    path = write_report(told.tools, told.pipeline, told.session.state)
    assert path == told.tools.project.report(told.session.id)
    before = path.read_text()
    told.run_stage("lint")
    write_report(told.tools, told.pipeline, told.session.state)
    assert path.read_text() != before
    assert path.read_text().rstrip().endswith("</html>")
    assert list(path.parent.glob("*.tmp")) == []


def test_a_commit_that_git_does_not_know_is_no_reason_for_no_report(told: World) -> None:
    assert told.session.state.commit[:8] in write_report(told.tools, told.pipeline, told.session.state).read_text()


def test_what_an_approver_was_shown_stays_as_it_was(told: World) -> None:
    told.run_stage("lint")
    artifacts = told.session.artifacts("uat")
    artifacts.mkdir(parents=True)
    write_shown_report(told.tools, told.pipeline, told.session.state, artifacts)
    shown = (artifacts / SHOWN_REPORT).read_bytes()
    told.run_stage("unit")
    write_shown_report(told.tools, told.pipeline, told.session.state, artifacts)
    assert (artifacts / SHOWN_REPORT).read_bytes() == shown
    # The copy lies two folders deeper, and so do its links.
    assert b'"../../lint/attempt-1/' in shown
    assert '"../../' not in told.tools.project.report(told.session.id).read_text()


def test_the_end_of_the_newest_logs_is_shown_without_secrets(told: World) -> None:
    told.run_stage("lint")
    artifacts = told.session.artifacts("lint")
    for index in range(4):
        log = artifacts / f"step-{index}.log"
        log.write_text("".join(f"{index}: line {number} hunter22\n" for number in range(30)))
        os.utime(log, (index, index))
    told.tools.masker.add(["hunter22"])
    tail = _logs(told.tools, told.session.state)["lint"].splitlines()
    assert (len(tail), tail[0], tail[-1]) == (60, "2: line 0 ***", "3: line 29 ***")
    assert _logs(told.tools, told.session.state)["unit"] == ""
    assert "hunter22" not in write_report(told.tools, told.pipeline, told.session.state).read_text()


def rollout_begun(told: World) -> None:
    """Tell that the first release began its rollout, with all traffic."""
    told.session.record(
        fact(
            "rollout_started",
            release="r",
            deployment="d",
            stable_release="",
            stable_deployment="",
            ladder=[100],
            policy={},
            traffic="real",
            first=True,
            drill="",
        ),
        "canary",
    )


def sampled(told: World, requests: int, errors: int, p95: float | None) -> None:
    told.session.record(
        fact(
            "rollout_sampled",
            at=1.0,
            weight=5,
            step=5,
            seconds=1.0,
            canary={"requests": requests, "errors": errors, "p95": p95},
            stable={"requests": 0, "errors": 0, "p95": None},
        ),
        "canary",
    )


def test_objectives_stand_beside_what_was_measured(told: World) -> None:
    assert _slo(told.pipeline, told.session.state) == ()
    told.run_stage("unit", kind="threshold", gate="cold p95", measured="0.41 s", limit="<= 2 s")
    rollout_begun(told)
    rows = {row[0]: row[1:] for row in map(astuple, _slo(told.pipeline, told.session.state))}
    assert set(rows.values()) == {("<= 2 s", "0.41 s", "unit", True)}
    sampled(told, 80, 1, 0.4)
    sampled(told, 20, 1, 1.5)
    sampled(told, 0, 0, None)
    rows = {row[0]: row[1:] for row in map(astuple, _slo(told.pipeline, told.session.state))}
    assert rows["canary error rate"] == ("<= 1.00%", "2.00%", "canary", False)
    assert rows["canary p95, worst tick"] == ("<= 1 s", "1.500 s", "canary", False)


def test_a_canary_without_requests_has_no_rate(told: World) -> None:
    rollout_begun(told)
    sampled(told, 0, 0, None)
    assert _slo(told.pipeline, told.session.state) == ()
