"""``resume``: each verb's own way to go on is found by the command of the run."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dawsos.adapters.locks import owned
from dawsos.errors import BadInput, InfrastructureError, OwnedElsewhere
from dawsos.model.events import RunFinished
from dawsos.model.status import RunResult
from dawsos.runs.journal import Journal
from dawsos.runs.project import Project, Tools, load_run, open_tools
from dawsos.verbs import resume as resume_module
from dawsos.verbs.resume import resume
from dawsos.verbs.ship import ship
from support.memory_journal import MemoryJournal, everywhere
from support.memory_platform import Script
from support.paper import Paper, erring, healthy
from verbs.on_paper import APPROVED, Shipping, committed, finished, silent, under_way
from verbs.test_rollback import killed_at


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


def another_machine(shipping: Shipping, folder: Path) -> Tools:
    """Return the tools of a clone without a home, whose owner believes the keys of the first machine."""
    subprocess.run(["git", "clone", "--quiet", str(shipping.project.root), str(folder)], check=True)
    project = Project(folder, folder / ".dawsos")
    made = open_tools(project)
    project.keys.mkdir()
    for path in shipping.project.keys.glob("*.pub"):
        shutil.copy(path, project.keys)
    journal = Journal(project.journal, shipping.clock)
    return replace(made, journal=journal, clock=shipping.clock, make_platform=shipping._make_platform)


@pytest.mark.parametrize(("script", "code", "stable"), [(healthy, 0, "new"), (erring, 4, "old")])
def test_a_clone_goes_on_with_the_rollout_of_a_machine_that_is_gone(
    shipping: Shipping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Script, code: int, stable: str
) -> None:
    journal = MemoryJournal()
    everywhere(monkeypatch, journal)
    path = shipping.project.root / "pipeline.yaml"
    where = "platform: kubernetes, context: c, namespace: n, release: r, chart: charts/x"
    path.write_text(path.read_text().replace("live: {replicas: 1}", f"live: {{replicas: 1, {where}}}"))
    committed(shipping, "to a cluster")
    first = finished(shipping, ship(shipping.project, APPROVED, silent))
    assert first[:2] == (0, "passed"), first
    old = shipping.live.roles.stable
    committed(shipping)
    shipping.live.script = killed_at(50)
    stopped = ship(shipping.project, APPROVED, silent)
    new = shipping.live.roles.canary
    shipping.live.script = script
    tools = another_machine(shipping, tmp_path / "clone")
    monkeypatch.setattr(resume_module, "open_tools", lambda project: tools)
    ended = resume(tools.project, "", silent)
    run = load_run(tools, stopped.run)
    assert (ended.run, ended.exit_code) == (stopped.run, code), run.reason
    assert shipping.live.roles.stable == {"old": old, "new": new}[stable]
    assert [event.kind for event in tools.journal.events(run.id)].count("rollout_started") == 1
    # The machine that was gone comes back, and learns how it ended.
    monkeypatch.setattr(resume_module, "open_tools", lambda project: shipping.tools)
    again = resume(shipping.project, stopped.run, silent)
    assert again.exit_code == code
    told = load_run(shipping.tools, stopped.run).rollout
    assert told is not None
    assert run.rollout is not None
    assert told.outcome == run.rollout.outcome


@pytest.mark.parametrize("error", [BadInput("no kubeconfig", fix="get one"), InfrastructureError("away", fix="wait")])
def test_a_cluster_that_cannot_be_asked_does_not_hide_that_there_is_nothing_here(
    paper: Paper, monkeypatch: pytest.MonkeyPatch, error: BadInput | InfrastructureError
) -> None:
    def refuse(_tools: Tools, _wanted: str) -> list[str]:
        raise error

    monkeypatch.setattr(resume_module, "take_kept", refuse)
    with pytest.raises(type(error), match=f"no unfinished run here, .* cluster: {error.message}") as told:
        resume(paper.project, "", silent)
    assert told.value.fix == error.fix
    # Who names a run hears of the cluster that may have it.
    with pytest.raises(type(error), match=f"^{error.message}"):
        resume(paper.project, "20260301", silent)
