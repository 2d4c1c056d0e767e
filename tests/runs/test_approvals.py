"""Who may approve, how often, and that an unsigned yes is none."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path

import pytest

from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.errors import BadInput
from dawsos.model.status import ApprovalDecision
from dawsos.runs.approvals import Preapproval, ask, decide
from dawsos.runs.evidence import SHOWN_REPORT
from dawsos.runs.recorder import Session
from dawsos.runs.report import write_shown_report
from fakes import ScriptedPrompter
from support.facts import fact
from support.world import Silent, World, world


def asking(home: Path) -> World:
    told = world(home)
    told.build()
    artifacts = told.session.artifacts("uat")
    artifacts.mkdir(parents=True)
    told.session.record(fact("stage_started", fingerprint="f3" * 32, attempt=1), "uat")
    told.session.record(fact("gate_evaluated", **told.verdict("exit_status")), "uat")
    return told


def outcome(
    told: World, beforehand: Preapproval | None = None, prompter: ScriptedPrompter | None = None
) -> StageOutcome:
    artifacts = told.session.artifacts("uat")
    write_shown_report(told.tools, told.pipeline, told.session.refresh(), artifacts)
    work = StageAttempt(told.pipeline.stage("uat"), 1, artifacts, None, told.session, told.tools.clock)
    return asyncio.run(ask(told.session, work, beforehand, prompter or ScriptedPrompter()))


def say(told: World, name: str, decision: ApprovalDecision = ApprovalDecision.APPROVED) -> None:
    decide(told.tools, told.session.id, decision=decision, name=name, reason="seen")


def test_two_of_three_must_say_yes(tmp_path: Path) -> None:
    told = asking(tmp_path)
    assert outcome(told).result == "waiting"
    say(told, "Ada")
    waiting = outcome(told)
    assert (waiting.result, waiting.reason.endswith("1 of 2 have")) == ("waiting", True)
    say(told, "Cy")
    assert outcome(told).result == "passed"
    digests = {request.digest for request in told.session.state.approval_requests}
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
    say(told, "Bob", ApprovalDecision.REJECTED)
    assert outcome(told).result == "rejected"
    with pytest.raises(BadInput, match="was decided already"):
        say(told, "Cy")


def test_a_yes_put_into_the_journal_without_a_signature_counts_for_nothing(tmp_path: Path) -> None:
    told = asking(tmp_path)
    outcome(told, Preapproval("Ada", "seen"))
    forged = {
        key: value for key, value in asdict(told.session.state.approvals[0]).items() if key not in ("stage", "at")
    }
    told.session.record(fact("approval_given", **{**forged, "name": "Bob"}), "uat")
    told.session.record(fact("approval_given", **{**forged, "name": "Bob", "statement": ""}), "uat")
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
    assert asyncio.run(ask(told.session, work, None, ScriptedPrompter())).result == "waiting"


def test_another_report_or_evidence_is_another_question(tmp_path: Path) -> None:
    told = asking(tmp_path)
    outcome(told, Preapproval("Ada", "seen"))
    say(told, "Bob")
    shown = told.session.artifacts("uat") / SHOWN_REPORT
    shown.write_text(shown.read_text() + "<!-- -->")
    assert outcome(told).result == "waiting"


def test_two_people_at_one_terminal_approve(tmp_path: Path) -> None:
    told = asking(tmp_path)
    person = ScriptedPrompter("yes Ada looks right\n", "yes Bob so say I\n")
    assert outcome(told, prompter=person).result == "passed"
    assert [(given.name, given.reason, given.how) for given in told.session.state.approvals] == [
        ("Ada", "looks right", "terminal"),
        ("Bob", "so say I", "terminal"),
    ]
    digest = told.session.state.approval_requests[0].digest[:12]
    assert f"Approval by the product owner over {digest} (0 of 2 given)" in person.said[0]
    assert "(1 of 2 given)" in person.said[1]
    assert str(told.tools.project.report(told.session.id)) in person.said[0]


def test_a_no_at_the_terminal_stops(tmp_path: Path) -> None:
    told = asking(tmp_path)
    stopped = outcome(told, prompter=ScriptedPrompter("no Cy the totals are wrong\n"))
    assert (stopped.result, stopped.reason) == ("rejected", "Cy rejected: the totals are wrong")


def test_who_may_not_decide_or_has_decided_is_asked_again(tmp_path: Path) -> None:
    told = asking(tmp_path)
    person = ScriptedPrompter("yes Eve x\n", "yes Ada x\n", "yes Ada again\n", "yes Bob x\n")
    assert outcome(told, prompter=person).result == "passed"
    assert [line for line in person.said if "Approval by" not in line] == [
        "Eve may not decide; who may: Ada, Bob, Cy\n",
        "Ada has decided already\n",
    ]
    assert [given.name for given in told.session.state.approvals] == ["Ada", "Bob"]


@pytest.mark.parametrize(
    "line", ["", "\n", "yes\n", "perhaps Ada x\n"], ids=["end of input", "empty", "no name", "no answer"]
)
def test_what_is_no_answer_leaves_the_question_open(line: str, tmp_path: Path) -> None:
    told = asking(tmp_path)
    person = ScriptedPrompter(line, "yes Ada x\n")
    assert outcome(told, prompter=person).result == "waiting"
    assert len(person.said) == 1
    assert told.session.state.approvals == ()


def test_an_answer_from_another_terminal_ends_the_question(tmp_path: Path) -> None:
    told = asking(tmp_path)
    outcome(told)
    person = ScriptedPrompter("yes Ada x\n", lambda: say(told, "Bob"))
    assert outcome(told, prompter=person).result == "passed"
    assert [given.how for given in told.session.state.approvals] == ["terminal", "command"]


def test_a_reporter_leaves_the_terminal_to_each_question(tmp_path: Path) -> None:
    told = asking(tmp_path)
    person = ScriptedPrompter("yes Ada x\n", "yes Bob x\n")
    shown: list[int] = []

    class Live(Silent):
        def suspend(self) -> None:
            shown.append(len(person.said))

    told.session = Session(told.tools, told.session.id, [Live(), Live()])
    assert outcome(told, prompter=person).result == "passed"
    assert shown == [0, 0, 1, 1]
