"""The life of a run: one owner at a time, every error a result, the end after everything else."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import os
import signal
from pathlib import Path

import pytest

from dawsos.adapters.locks import owned
from dawsos.errors import BadInput, InfrastructureError, OwnedElsewhere, ReleaseFailed
from dawsos.model.events import RunStarted
from dawsos.model.status import RunResult
from dawsos.runs.evidence import SUMMARY_FILE, summary_problems
from dawsos.runs.lifecycle import EXIT_CODES, carry_out, deploying, finish, start, take_over, unfinished
from dawsos.runs.project import as_it_stands, load_run
from dawsos.runs.recorder import Session
from support.facts import fact
from support.world import Heard, World, world


@pytest.fixture
def told(tmp_path: Path) -> World:
    return world(tmp_path / "project")


def test_every_result_but_none_has_an_exit_code() -> None:
    assert set(EXIT_CODES) == set(RunResult) - {RunResult.UNFINISHED}


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (RunResult.PASSED, 0),
        (RunResult.FAILED, 1),
        (RunResult.REJECTED, 1),
        (RunResult.INFRASTRUCTURE, 3),
        (RunResult.INTERRUPTED, 130),
        (RunResult.ROLLED_BACK, 4),
        (RunResult.WAITING, 75),
    ],
)
def test_each_end_has_its_exit_code(result: RunResult, code: int, told: World) -> None:
    finish(told.session, told.pipeline, result, "because")
    run = load_run(told.tools, told.session.id)
    assert (run.result, run.exit_code, run.reason) == (result, code, "because")


def test_a_run_that_has_an_end_has_its_report_and_its_signed_summary(told: World) -> None:
    heard = Heard()
    owner = Session(told.tools, told.session.id, [heard])
    told.tools.masker.add(["hunter22"])
    finish(owner, told.pipeline, RunResult.FAILED, "wrong password hunter22")
    assert (heard.kinds[-1], heard.closed) == ("run_finished", 1)
    run = load_run(told.tools, owner.id)
    assert run.reason == "wrong password ***"
    assert summary_problems(told.tools, run) == []
    assert json.loads(told.tools.project.summary(run.id).read_text())["result"] == "failed"
    report = told.tools.project.report(run.id).read_text()
    assert "wrong password ***" in report
    assert "hunter22" not in report
    # What is signed is written in base64, where no search for the secret would find it.
    signed = json.loads((told.tools.project.evidence(run.id) / SUMMARY_FILE).read_text())
    assert json.loads(base64.b64decode(signed["payload"]))["predicate"]["reason"] == "wrong password ***"


def test_metrics_that_cannot_be_written_do_not_turn_a_run_that_passed_red(told: World) -> None:
    heard = Heard()
    told.tools.project.metrics.parent.write_text("a file where a folder belongs\n")
    owner = Session(told.tools, told.session.id, [heard])
    assert carry_out(owner, told.pipeline, _ends(RunResult.PASSED)).exit_code == 0
    assert load_run(told.tools, told.session.id).result == "passed"
    assert heard.closed == 1


def test_the_end_of_a_run_is_in_the_metrics(told: World) -> None:
    carry_out(told.session, told.pipeline, _ends(RunResult.FAILED))
    text = told.tools.project.metrics.read_text()
    assert 'ci_pipeline_runs_total{command="ship",hotfix="false",outcome="failed",result="failure"} 1' in text
    assert "ci_pipeline_runs_unfinished 0" in text


async def _ends(result: RunResult) -> tuple[RunResult, str]:
    return result, "because"


def test_a_run_has_one_owner_at_a_time(told: World) -> None:
    with start(told.tools, [], RunStarted(command="ship", commit="c0ffee0", stages=("lint",))) as owner:
        assert (owner.state.command, owner.state.commit) == ("ship", "c0ffee0")
        with (
            pytest.raises(OwnedElsewhere, match=f"run {owner.id}"),
            take_over(told.tools, owner.id, [], 7),
        ):
            raise AssertionError("it was given away")
    heard = Heard()
    with take_over(told.tools, owner.id, [heard], 7) as next_owner:
        assert next_owner.state.command == "ship"
    # Who takes over hears the whole story, and that it was taken over.
    assert heard.kinds == ["run_started", "run_resumed"]


def test_the_newest_unfinished_run_comes_first(told: World) -> None:
    for name in ("20260302-000000-aaaaaaa-01", "20260303-000000-bbbbbbb-02", "20260304-000000-ccccccc-03"):
        told.tools.journal.append(name, fact("run_started", command="ship", stages=[]))
    told.tools.journal.append(
        "20260303-000000-bbbbbbb-02", fact("run_finished", result="passed", exit_code=0, reason="")
    )
    told.tools.journal.append(
        "20260304-000000-ccccccc-03", fact("run_finished", result="waiting", exit_code=75, reason="")
    )
    assert [run.id[-2:] for run in unfinished(told.tools)] == ["03", "01", "aa"]


def test_a_run_that_ended_while_somebody_wanted_to_resume_it_stays_ended(told: World) -> None:
    finish(told.session, told.pipeline, RunResult.FAILED, "because")
    with pytest.raises(BadInput, match="has ended: failed"), take_over(told.tools, told.session.id, [], 7):
        raise AssertionError("it was opened again")
    assert load_run(told.tools, told.session.id).result == "failed"


def test_what_was_done_ends_the_run(told: World) -> None:
    async def work() -> tuple[RunResult, str]:
        return RunResult.ROLLED_BACK, "errors"

    ended = carry_out(told.session, told.pipeline, work())
    assert (ended.run, ended.exit_code, ended.report.exists()) == (told.session.id, 4, True)
    run = load_run(told.tools, ended.run)
    assert (run.result, run.exit_code, run.reason) == ("rolled_back", 4, "errors")


@pytest.mark.parametrize(
    ("error", "result", "reason"),
    [
        (ReleaseFailed("the token command failed", fix="see its log"), "failed",
         "the token command failed\n  fix: see its log"),
        (BadInput("no release serves production"), "failed", "no release serves production"),
        (InfrastructureError("no port is free"), "infrastructure", "no port is free"),
        (OwnedElsewhere("the process 7 owns it"), "infrastructure", "the process 7 owns it"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "infrastructure", "the disk is full"),
        (RuntimeError("odd"), "infrastructure", "a defect of dawsos: RuntimeError: odd"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)  # fmt: skip
def test_an_error_becomes_the_end_of_the_run(error: Exception, result: str, reason: str, told: World) -> None:
    async def work() -> tuple[RunResult, str]:
        raise error

    ended = carry_out(told.session, told.pipeline, work())
    run = load_run(told.tools, ended.run)
    said, _, where = run.reason.partition(" (")
    assert (run.result, said) == (result, reason)
    assert ("test_lifecycle.py:" in where) is isinstance(error, RuntimeError)
    assert ended.exit_code == run.exit_code == EXIT_CODES[RunResult(result)]
    assert summary_problems(told.tools, run) == []


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_stays_open(which: signal.Signals, told: World) -> None:
    heard, cleaned = Heard(), []
    owner = Session(told.tools, told.session.id, [heard])

    async def work() -> tuple[RunResult, str]:
        os.kill(os.getpid(), which)
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(True)
        return RunResult.PASSED, "nobody stopped it"

    ended = carry_out(owner, told.pipeline, work())
    assert (ended.exit_code, cleaned, heard.closed) == (130, [True], 1)
    run = load_run(told.tools, owner.id)
    by = "Ctrl-C" if which is signal.SIGINT else "TERM"
    assert (run.unfinished, run.state, run.stopped, heard.kinds[-1]) == (True, "stopped", by, "run_stopped")
    report = told.tools.project.report(owner.id).read_text()
    assert f"Stopped by {by}" in report
    assert f"dawsos resume {owner.id}" in report


def test_a_run_whose_process_was_killed_is_stopped_too(told: World) -> None:
    run = told.session.state
    assert as_it_stands(told.tools, run).stopped == "the end of its process"
    with owned(told.tools.project.run_lock(run.id), "the run"):
        assert as_it_stands(told.tools, run).state == ""
    finish(told.session, told.pipeline, RunResult.PASSED)
    assert as_it_stands(told.tools, told.session.state).state == "passed"


def test_an_end_that_cannot_be_written_leaves_the_run_open_and_is_said(told: World) -> None:
    heard = Heard()
    # A folder where the report belongs: no report, and no end.
    told.tools.project.report(told.session.id).mkdir(parents=True)
    owner = Session(told.tools, told.session.id, [heard])
    with pytest.raises(InfrastructureError, match="is stopped, its end could not be written") as raised:
        carry_out(owner, told.pipeline, _ends(RunResult.PASSED))
    assert f"dawsos resume {owner.id}" in raised.value.fix
    run = load_run(told.tools, owner.id)
    assert (run.unfinished, run.state, heard.kinds[-1], heard.closed) == (True, "stopped", "run_stopped", 1)


def test_one_deployment_at_a_time(told: World) -> None:
    with (
        deploying(told.tools.project),
        pytest.raises(OwnedElsewhere, match=f"the deployment is owned by the live process {os.getpid()}"),
        deploying(told.tools.project),
    ):
        raise AssertionError("two deployed at once")
