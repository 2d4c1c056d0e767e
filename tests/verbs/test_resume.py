"""``resume``: each verb's own way to go on is found by the command of the run."""

from __future__ import annotations

import pytest

from dawsos.adapters.locks import owned
from dawsos.errors import BadInput, OwnedElsewhere
from dawsos.model.events import RunFinished
from dawsos.model.status import RunResult
from dawsos.runs.project import load_run
from dawsos.verbs.resume import resume
from support.paper import Paper
from verbs.on_paper import finished, silent, under_way


def test_the_newest_unfinished_run_goes_on(paper: Paper) -> None:
    older = under_way(paper, "drill")
    done = paper.session("20260301-120000-c0ffee0-bb", command="drill")
    done.record(RunFinished(RunResult.PASSED, 0))
    ended = resume(paper.project, "", silent)
    assert ended.run == older.id
    assert finished(paper, ended)[:2] == (4, "rolled_back")


def test_a_rollback_that_did_not_come_to_anything_is_done_when_it_is_resumed(paper: Paper) -> None:
    older, newer = paper.release("1"), paper.release("2")
    paper.serve(older, "older")
    paper.serve(newer, "newer")
    options = {"to": older.digest, "asked_for": "", "name": "Ada", "reason": "wrong totals"}
    session = paper.session(command="rollback", options=options)
    ended = resume(paper.project, session.id, silent)
    assert finished(paper, ended)[:2] == (0, "passed")
    assert paper.production.roles.stable == "older"
    assert load_run(paper.tools, session.id).revert is not None


def test_without_an_unfinished_run_there_is_nothing_to_resume(paper: Paper) -> None:
    with pytest.raises(BadInput, match="there is no unfinished run"):
        resume(paper.project, "", silent)


def test_a_run_that_has_ended_is_not_resumed(paper: Paper) -> None:
    session = paper.session(command="drill")
    session.record(RunFinished(RunResult.PASSED, 0))
    with pytest.raises(BadInput, match=f"run {session.id} has ended: passed"):
        resume(paper.project, session.id, silent)


def test_a_run_whose_owner_lives_is_left_to_it(paper: Paper) -> None:
    session = under_way(paper, "drill")
    with owned(paper.project.run_lock(session.id), "the run"), pytest.raises(OwnedElsewhere):
        resume(paper.project, session.id, silent)
