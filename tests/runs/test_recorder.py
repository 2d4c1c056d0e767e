"""One run in the hands of its owner: what is recorded is masked, what others append is taken in, every reporter is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.model.events import Event, RunStarted, StageSkipped
from dawsos.runs.recorder import Session
from support.facts import fact
from support.world import Heard, World, world


@pytest.fixture
def told(tmp_path: Path) -> World:
    return world(tmp_path / "project")


def test_no_secret_gets_into_the_journal_wherever_it_stands(told: World) -> None:
    told.tools.masker.add(["hunter22"])
    options = {"reason": "it said hunter22", "deep": {"list": ["hunter22", ("x hunter22 y",), 7, None]}}
    event = told.session.record(RunStarted(command="run", stages=("hunter22",), options=options))
    cleaned = {"reason": "it said ***", "deep": {"list": ["***", ["x *** y"], 7, None]}}
    assert event.fact == RunStarted(command="run", stages=("***",), options=cleaned)
    assert told.session.since(event.seq - 1) == [event]
    journal = b"".join(path.read_bytes() for path in told.tools.project.journal.rglob("*") if path.is_file())
    assert b"hunter22" not in journal


def test_what_another_process_appended_is_heard_in_its_order(told: World) -> None:
    heard = Heard()
    owner = Session(told.tools, told.session.id, [heard])
    told.tools.journal.append(owner.id, fact("rollback_requested", name="Ada", reason="prices look wrong"), "canary")
    owner.record(fact("stage_started", fingerprint="f", attempt=1), "lint")
    assert heard.kinds == ["rollback_requested", "stage_started"]
    told.tools.journal.append(owner.id, fact("stage_skipped", reason="hotfix"), "chaos")
    assert owner.refresh().stages["chaos"].state == "skipped"
    assert heard.kinds[2:] == ["stage_skipped"]
    assert owner.refresh() is owner.state
    assert len(heard.kinds) == 3


def test_the_folder_of_an_attempt_is_its_own(told: World) -> None:
    assert told.session.artifacts("unit") == told.folder / "unit" / "attempt-1"
    assert told.session.artifacts("unit", 2) == told.folder / "unit" / "attempt-2"


class Gone(Heard):
    """A reporter behind which the terminal went away."""

    def notice(self, event: Event) -> None:
        super().notice(event)
        raise BrokenPipeError

    def suspend(self) -> None:
        super().suspend()
        raise BrokenPipeError

    def close(self) -> None:
        super().close()
        raise BrokenPipeError


def test_every_reporter_is_told_and_one_that_lost_its_terminal_ends_no_run(told: World) -> None:
    gone, heard = Gone(), Heard()
    owner = Session(told.tools, told.session.id, [gone, heard])
    owner.record(fact("stage_skipped", reason="hotfix"), "chaos")
    owner.suspend_reporters()
    owner.close_reporters()
    for reporter in (gone, heard):
        assert (reporter.kinds, reporter.suspended, reporter.closed) == (["stage_skipped"], 1, 1)
    assert owner.state.stages["chaos"].state == "skipped"


def test_half_a_character_in_what_a_tool_said_ends_no_run(told: World) -> None:
    told.session.record(fact("stage_skipped", reason="half \ud800"), "chaos")
    (event,) = told.session.since(told.session.state.last_seq - 1)
    assert event.fact == StageSkipped("half \\ud800")
