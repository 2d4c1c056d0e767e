"""Who may approve, how often, and that an unsigned yes is none."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path

import pytest

from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.errors import BadInput
from dawsos.runs.approvals import Preapproval, ask, decide
from dawsos.runs.evidence import SHOWN_REPORT
from dawsos.runs.report import write_shown_report
from support.world import World, world


def asking(home: Path) -> World:
    told = world(home)
    told.build()
    artifacts = told.session.artifacts("uat")
    artifacts.mkdir(parents=True)
    told.session.record("stage_started", "uat", fingerprint="f3" * 32, attempt=1)
    told.session.record("gate_evaluated", "uat", **told.verdict("exit_status"))
    return told


def outcome(told: World, beforehand: Preapproval | None = None) -> StageOutcome:
    artifacts = told.session.artifacts("uat")
    write_shown_report(told.tools, told.pipeline, told.session.refresh(), artifacts)
    work = StageAttempt(told.pipeline.stage("uat"), 1, artifacts, None, told.session, told.tools.clock)
    return asyncio.run(ask(told.session, work, beforehand))


def say(told: World, name: str, decision: str = "approved") -> None:
    decide(told.tools, told.session.id, decision=decision, name=name, reason="seen")


def test_two_of_three_must_say_yes(tmp_path: Path) -> None:
    told = asking(tmp_path)
    assert outcome(told).result == "waiting"
    say(told, "Ada")
    waiting = outcome(told)
    assert (waiting.result, waiting.reason.endswith("1 of 2 have")) == ("waiting", True)
    say(told, "Cy")
    assert outcome(told).result == "passed"
    digests = {request["digest"] for request in told.session.state.approval_requests}
    assert digests == {record.digest for record in told.session.state.approvals}


def test_one_person_counts_once(tmp_path: Path) -> None:
    told = asking(tmp_path)
    outcome(told, Preapproval("Ada", "seen before"))
    with pytest.raises(BadInput, match="Ada has approved already; 1 of 2 have"):
        say(told, "Ada")


def test_a_stranger_may_not(tmp_path: Path) -> None:
    told = asking(tmp_path)
    outcome(told)
    with pytest.raises(BadInput, match="Eve may not approve; who may: Ada, Bob, Cy"):
        say(told, "Eve")


def test_one_no_stops(tmp_path: Path) -> None:
    told = asking(tmp_path)
    outcome(told, Preapproval("Ada", "seen"))
    say(told, "Bob", "rejected")
    assert outcome(told).result == "rejected"
    with pytest.raises(BadInput, match="was decided already"):
        say(told, "Cy")


def test_a_yes_put_into_the_journal_without_a_signature_counts_for_nothing(tmp_path: Path) -> None:
    told = asking(tmp_path)
    outcome(told, Preapproval("Ada", "seen"))
    forged = {
        key: value for key, value in asdict(told.session.state.approvals[0]).items() if key not in ("stage", "at")
    }
    told.session.record("approval_given", "uat", **{**forged, "name": "Bob"})
    told.session.record("approval_given", "uat", **{**forged, "name": "Bob", "statement": ""})
    assert outcome(told).result == "waiting"


def test_an_old_yes_does_not_count(tmp_path: Path) -> None:
    told = asking(tmp_path)
    outcome(told, Preapproval("Ada", "seen"))
    say(told, "Bob")
    assert outcome(told).result == "passed"
    now = told.tools.clock.now()

    class Later:
        def now(self) -> float:
            return now + 3601

    work = StageAttempt(told.pipeline.stage("uat"), 1, told.session.artifacts("uat"), None, told.session, Later())  # type: ignore[arg-type]
    assert asyncio.run(ask(told.session, work, None)).result == "waiting"


def test_another_report_or_evidence_is_another_question(tmp_path: Path) -> None:
    told = asking(tmp_path)
    outcome(told, Preapproval("Ada", "seen"))
    say(told, "Bob")
    shown = told.session.artifacts("uat") / SHOWN_REPORT
    shown.write_text(shown.read_text() + "<!-- -->")
    assert outcome(told).result == "waiting"
