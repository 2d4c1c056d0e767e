"""``status``: environments with their releases, and the runs that may go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.adapters.locks import owned
from dawsos.model.events import RunFinished
from dawsos.model.status import RunResult
from dawsos.platforms.local.state import Roles, write_roles
from dawsos.verbs.status import status
from support.paper import Paper


def test_what_runs_and_what_waits_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Paper(tmp_path / "project", monkeypatch)
    older, newer = paper.release("1"), paper.release("2")
    paper.serve(older, "older")
    paper.serve(newer, "newer")
    write_roles(paper.production.folder, Roles("newer", "older", None, 25))
    (paper.project.home / "environments" / "a file").touch()
    session = paper.session()
    done = paper.session("20260301-120000-c0ffee0-bb")
    done.record(RunFinished(RunResult.PASSED, 0))
    with owned(paper.project.run_lock(session.id), "the run"):
        shown = status(paper.project)
    assert [one.name for one in shown.environments] == ["production", "staging"]
    production = shown.environments[0]
    # On paper no supervisor lives, and then no process is believed to run.
    assert (production.url, production.running, production.processes) == ("http://127.0.0.1:7", False, ())
    assert (production.roles, production.weight) == ({"stable": newer.digest, "canary": older.digest}, 25)
    (run,) = shown.unfinished
    assert (run.run, run.command, run.result) == (session.id, "ship", "")
    assert run.owner


def test_before_the_first_ship_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Paper(tmp_path / "project", monkeypatch)
    for platform in paper.platforms.values():
        for path in platform.folder.iterdir():
            path.unlink()
        platform.folder.rmdir()
    assert status(paper.project).environments == ()
    assert status(paper.project).unfinished == ()
