"""A release goes to production only with evidence that holds; a byte changed anywhere in it is noticed."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dawsos.engine.contract import StageAttempt
from dawsos.errors import DawsosError, ReleaseFailed
from dawsos.model.status import ApprovalDecision, RunResult
from dawsos.provenance.certificate import NOBODY
from dawsos.provenance.verification import Demand
from dawsos.runs import evidence
from dawsos.runs.approvals import Preapproval, ask, decide
from dawsos.runs.lifecycle import finish
from dawsos.runs.project import Project, open_tools
from dawsos.runs.recorder import Session
from dawsos.runs.report import write_shown_report
from fakes import ScriptedPrompter
from support.facts import fact
from support.world import COMMIT, RELEASE, Silent, World, world


def approve(told: World, *names: str) -> None:
    """Let the first of ``names`` approve beforehand and the others from another terminal."""
    stage = told.pipeline.stage("uat")
    artifacts = told.session.artifacts("uat")
    artifacts.mkdir(parents=True, exist_ok=True)
    (artifacts / "steps.json").write_text("[]\n")
    told.session.record(fact("stage_started", fingerprint="f3" * 32, attempt=1), "uat")
    told.session.record(fact("gate_evaluated", **told.verdict("exit_status")), "uat")
    write_shown_report(told.tools, told.pipeline, told.session.state, artifacts)
    work = StageAttempt(stage, 1, artifacts, None, told.session, told.tools.clock)
    asyncio.run(ask(told.session, work, Preapproval(names[0], "seen") if names else None, ScriptedPrompter()))
    for name in names[1:]:
        decide(told.tools, told.session.id, decision=ApprovalDecision.APPROVED, name=name, reason="seen too")
    asyncio.run(ask(told.session, work, None, ScriptedPrompter()))


def shipped(home: Path) -> World:
    """Return a ship up to its rollout: lint was restored, the rest ran, two people approved."""
    told = world(home)
    told.restore_stage("lint")
    for stage in ("unit", "chaos"):
        told.run_stage(stage)
    told.build()
    approve(told, "Ada", "Bob")
    told.run_stage("uat")
    told.attest()
    return told


def admit(told: World) -> None:
    told.session.refresh()
    evidence.admit(told.tools, told.pipeline, told.session.state, told.pipeline.stage("canary"), NOBODY)


def ended(told: World) -> World:
    told.run_stage("canary")
    told.attest()
    finish(told.session, told.pipeline, RunResult.PASSED)
    return told


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    told = ended(shipped(tmp_path_factory.mktemp("complete")))
    yield told
    told.tools.journal.close()


def problems(told: World) -> list[str]:
    """Return everything that ``dawsos evidence --verify`` would find wrong."""
    run = told.session.state
    wanted = evidence.recorded_demands(told.tools, run, evidence.attested(run))
    found = [problem for one in evidence.examine(told.tools, run, wanted) for problem in one.problems]
    return found + evidence.summary_problems(told.tools, run)


def test_whole_evidence_is_admitted_and_verifies(complete: World) -> None:
    admit(complete)
    evidence.admit_again(complete.tools, complete.session.state, NOBODY)
    assert problems(complete) == []


def test_a_restored_stage_says_so_and_from_where(complete: World) -> None:
    run = complete.session.state
    (lint,) = evidence.examine(complete.tools, run, evidence.recorded_demands(complete.tools, run, ["lint"]))[:1]
    assert lint.result == "restored"
    assert lint.predicate["restored"]["run"] == "the-first-run"
    assert lint.predicate["commit"] == COMMIT


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_byte_of_any_file_changed_is_found(complete: World, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(complete.files()), "file")
    good = path.read_bytes()
    place = data.draw(st.integers(0, len(good) - 1), "place")
    flip = data.draw(st.integers(1, 255), "flip")
    path.write_bytes(good[:place] + bytes([good[place] ^ flip]) + good[place + 1 :])
    try:
        assert problems(complete), f"{path.name}: byte {place} xor {flip} was not noticed"
    finally:
        path.write_bytes(good)


def test_the_first_middle_and_last_byte_of_every_file_count(complete: World) -> None:
    for path in complete.files():
        good = path.read_bytes()
        for place in {0, len(good) // 2, len(good) - 1}:
            path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            found = problems(complete)
            path.write_bytes(good)
            assert found, f"{path.name}: byte {place}"


def test_every_file_removed_or_added_is_found(complete: World) -> None:
    for path in complete.files():
        hidden = path.with_name(path.name + ".hidden")
        path.rename(hidden)
        try:
            assert problems(complete), f"without {path.name}"
        finally:
            hidden.rename(path)
    extra = complete.folder / "unit" / "attempt-1" / "extra.xml"
    extra.write_text("<testsuite/>")
    try:
        assert any("extra.xml was not there" in text for text in problems(complete))
    finally:
        extra.unlink()


def test_a_cut_tail_of_the_journal_is_found(tmp_path: Path) -> None:
    told = ended(shipped(tmp_path))
    told.tools.journal.close()
    with sqlite3.connect(tmp_path / ".dawsos" / "journal" / "journal.sqlite") as db:
        db.execute("DELETE FROM events WHERE run = ? AND seq > 12", (told.session.id,))
    again = world_of(tmp_path, told)
    assert any("does not reach the head in its signed summary" in text for text in problems(again))


def world_of(home: Path, told: World) -> World:
    tools = open_tools(Project(home, home / ".dawsos"))
    return World(tools, told.pipeline, Session(tools, told.session.id, [Silent()]))


def refused(told: World) -> str:
    with pytest.raises(ReleaseFailed) as caught:
        admit(told)
    return caught.value.message


def test_a_missing_stage_is_refused_by_name(tmp_path: Path) -> None:
    told = shipped(tmp_path)
    (told.folder / "evidence" / "unit.json").unlink()
    assert refused(told).endswith("stage unit: its statement is missing")


def test_altered_evidence_is_refused_by_name(tmp_path: Path) -> None:
    told = shipped(tmp_path)
    (told.folder / "chaos" / "attempt-1" / "junit.xml").write_text("<testsuite errors='0'/>")
    assert refused(told).endswith("stage chaos: evidence junit.xml was altered after the stage ended")


def test_a_bad_signature_is_refused(tmp_path: Path) -> None:
    told = shipped(tmp_path)
    path = told.folder / "evidence" / "unit.json"
    path.write_text(path.read_text().replace('"sig": "', '"sig": "A', 1))
    assert "stage unit: its statement unit.json cannot be trusted" in refused(told)


def test_a_statement_by_an_unknown_key_is_refused(tmp_path: Path) -> None:
    told, other = shipped(tmp_path / "here"), shipped(tmp_path / "elsewhere")
    shutil.copy(other.folder / "evidence" / "unit.json", told.folder / "evidence" / "unit.json")
    assert "which is not trusted here" in refused(told)


def test_a_statement_about_another_release_is_refused(tmp_path: Path) -> None:
    told = shipped(tmp_path)
    told.session.record(fact("release_built", release="cd" * 32, commit=COMMIT, builder="bundle", bytes=1), "build")
    assert f"about another release ({RELEASE[:12]}, this is cdcdcdcdcdcd)" in refused(told)


def test_an_expired_waiver_is_refused(tmp_path: Path) -> None:
    told = world(tmp_path)
    told.restore_stage("lint")
    told.run_stage("unit", valid_until=told.tools.clock.now() - 1)
    told.run_stage("chaos")
    told.build()
    approve(told, "Ada", "Bob")
    told.run_stage("uat")
    told.attest()
    assert "stage unit: gate exit_status passed on a waiver that ended on" in refused(told)


def test_a_failed_stage_is_refused(tmp_path: Path) -> None:
    told = world(tmp_path)
    told.restore_stage("lint")
    told.run_stage("unit", result="failed")
    told.run_stage("chaos")
    told.build()
    told.attest()
    assert "stage unit: it did not pass (failed)" in refused(told)


@pytest.mark.parametrize(("options", "good"), [({"hotfix": "prices are down"}, True), ({}, False)])
def test_only_a_hotfix_may_skip_and_its_reason_is_in_the_evidence(
    tmp_path: Path, options: dict[str, str], good: bool
) -> None:
    told = world(tmp_path, **options)
    told.restore_stage("lint")
    told.run_stage("unit")
    told.session.record(fact("stage_skipped", reason="hotfix"), "chaos")
    told.build()
    approve(told, "Ada", "Bob")
    told.run_stage("uat")
    told.attest()
    if good:
        admit(told)
        (chaos, _) = evidence.examine(told.tools, told.session.state, [Demand("chaos", None, may_be_skipped=True)])
        assert chaos.predicate["hotfix"] == "prices are down"
    else:
        assert "stage chaos: it was skipped" in refused(told)


def test_one_of_two_approvals_is_not_enough(tmp_path: Path) -> None:
    told = world(tmp_path)
    told.restore_stage("lint")
    for stage in ("unit", "chaos"):
        told.run_stage(stage)
    told.build()
    approve(told, "Ada")
    told.run_stage("uat")
    told.attest()
    assert "1 of 2 needed approvals hold" in refused(told)


def test_a_rollback_to_a_release_without_a_summary_is_refused(tmp_path: Path) -> None:
    told = ended(shipped(tmp_path))
    (told.folder / "evidence" / "summary.json").unlink()
    with pytest.raises(ReleaseFailed, match="signed summary is missing"):
        evidence.admit_again(told.tools, told.session.state, NOBODY)


def test_a_ship_killed_between_the_statement_of_its_build_and_the_provenance_writes_the_provenance_later(
    tmp_path: Path,
) -> None:
    told = shipped(tmp_path)
    (told.folder / "evidence" / "provenance.json").unlink()
    told.attest()
    admit(told)


def test_statements_are_written_once(tmp_path: Path) -> None:
    told = shipped(tmp_path)
    path = told.folder / "evidence" / "unit.json"
    path.write_text("tampered")
    told.attest()
    assert path.read_text() == "tampered"
    with pytest.raises(DawsosError):
        admit(told)
