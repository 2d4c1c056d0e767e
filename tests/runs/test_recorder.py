"""One run in the hands of its owner: what is recorded is masked, what others append is taken in, the end comes last."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from dawsos.errors import BadInput, OwnedElsewhere
from dawsos.model.events import Event
from dawsos.runs.evidence import SUMMARY_FILE, summary_problems
from dawsos.runs.project import load_run
from dawsos.runs.recorder import EXIT_CODES, Session, start, take_over, unfinished
from support.world import Silent, World, world


class Heard(Silent):
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.closed = False

    def notice(self, event: Event) -> None:
        self.kinds.append(event.kind)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def told(tmp_path: Path) -> World:
    return world(tmp_path / "project")


def test_no_secret_gets_into_the_journal_wherever_it_stands(told: World) -> None:
    told.tools.masker.add(["hunter22"])
    event = told.session.record(
        "run_resumed", reason="it said hunter22", deep={"list": ["hunter22", ("x hunter22 y",), 7, None]}
    )
    assert event.body == {"reason": "it said ***", "deep": {"list": ["***", ["x *** y"], 7, None]}}
    assert told.session.since(event.seq - 1) == [event]
    journal = b"".join(path.read_bytes() for path in told.tools.project.journal.rglob("*") if path.is_file())
    assert b"hunter22" not in journal


def test_what_another_process_appended_is_heard_in_its_order(told: World) -> None:
    heard = Heard()
    owner = Session(told.tools, told.session.id, heard)
    told.tools.journal.append(owner.id, "rollback_requested", "canary", name="Ada", reason="prices look wrong")
    owner.record("stage_started", "lint", fingerprint="f", attempt=1)
    assert heard.kinds == ["rollback_requested", "stage_started"]
    told.tools.journal.append(owner.id, "stage_skipped", "chaos", reason="hotfix")
    assert owner.refresh().stages["chaos"].state == "skipped"
    assert heard.kinds[2:] == ["stage_skipped"]
    assert owner.refresh() is owner.state
    assert len(heard.kinds) == 3


@pytest.mark.parametrize(("result", "code"), sorted(EXIT_CODES.items()))
def test_each_end_has_its_exit_code(result: str, code: int, told: World) -> None:
    wanted = {
        "passed": 0,
        "failed": 1,
        "rejected": 1,
        "infrastructure": 3,
        "interrupted": 3,
        "rolled_back": 4,
        "waiting": 75,
    }
    assert told.session.finish(told.pipeline, result, "because") == code == wanted[result]
    run = load_run(told.tools, told.session.id)
    assert (run.result, run.exit_code, run.reason) == (result, code, "because")


def test_a_run_that_has_an_end_has_its_report_and_its_signed_summary(told: World) -> None:
    heard = Heard()
    owner = Session(told.tools, told.session.id, heard)
    told.tools.masker.add(["hunter22"])
    owner.finish(told.pipeline, "failed", "wrong password hunter22")
    assert (heard.kinds[-1], heard.closed) == ("run_finished", True)
    run = load_run(told.tools, owner.id)
    assert run.reason == "wrong password ***"
    assert summary_problems(told.tools, run) == []
    assert json.loads(told.tools.project.summary(run.id).read_text())["result"] == "failed"
    report = told.tools.project.report(run.id).read_text()
    assert "wrong password ***" in report
    assert "hunter22" not in report
    assert 'outcome="failed"' in told.tools.project.metrics.read_text()
    # What is signed is written in base64, where no search for the secret would find it.
    signed = json.loads((told.tools.project.evidence(run.id) / SUMMARY_FILE).read_text())
    assert json.loads(base64.b64decode(signed["payload"]))["predicate"]["reason"] == "wrong password ***"


def test_half_a_character_of_a_tool_s_output_ends_no_run(told: World) -> None:
    event = told.session.record("stage_skipped", "chaos", reason="half \ud83d of one")
    assert told.session.since(event.seq - 1) == [event]
    assert told.session.state.stages["chaos"].reason == "half \\ud83d of one"


def test_the_folder_of_an_attempt_is_its_own(told: World) -> None:
    assert told.session.artifacts("unit") == told.folder / "unit" / "attempt-1"
    assert told.session.artifacts("unit", 2) == told.folder / "unit" / "attempt-2"


def test_a_run_has_one_owner_at_a_time(told: World) -> None:
    with start(told.tools, Silent(), commit="c0ffee0", command="ship", stages=["lint"]) as owner:
        assert (owner.state.command, owner.state.commit) == ("ship", "c0ffee0")
        with (
            pytest.raises(OwnedElsewhere, match=f"run {owner.id}"),
            take_over(told.tools, owner.id, Silent(), 7),
        ):
            raise AssertionError("it was given away")
    heard = Heard()
    with take_over(told.tools, owner.id, heard, 7) as next_owner:
        assert next_owner.state.command == "ship"
    # Who takes over hears the whole story, and that it was taken over.
    assert heard.kinds == ["run_started", "run_resumed"]


def test_the_newest_unfinished_run_comes_first(told: World) -> None:
    for name in ("20260302-000000-aaaaaaa-01", "20260303-000000-bbbbbbb-02", "20260304-000000-ccccccc-03"):
        told.tools.journal.append(name, "run_started", command="ship", stages=[])
    told.tools.journal.append("20260303-000000-bbbbbbb-02", "run_finished", result="passed", exit_code=0, reason="")
    told.tools.journal.append("20260304-000000-ccccccc-03", "run_finished", result="waiting", exit_code=75, reason="")
    assert [run.id[-2:] for run in unfinished(told.tools)] == ["03", "01", "aa"]


def test_a_run_that_ended_while_somebody_wanted_to_resume_it_stays_ended(told: World) -> None:
    told.session.finish(told.pipeline, "failed", "because")
    with pytest.raises(BadInput, match="has ended: failed"), take_over(told.tools, told.session.id, Silent(), 7):
        raise AssertionError("it was opened again")
    assert load_run(told.tools, told.session.id).result == "failed"
