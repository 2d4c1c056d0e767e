"""A ``ship`` or a ``run`` goes on from its first unfinished stage, or is left as it was."""

from __future__ import annotations

import os

from dawsos.adapters import git, git_checkout
from dawsos.adapters.locks import owned
from dawsos.model.status import ApprovalDecision
from dawsos.runs import approvals
from dawsos.runs.project import load_run
from dawsos.verbs.execution import Options
from dawsos.verbs.resume_run import resume_run
from dawsos.verbs.ship import ship
from projects import TinyProject
from support.paper import healthy
from support.world import written_as_version_1
from verbs.on_paper import APPROVED, Shipping, finished, interrupted, silent, states
from verbs.test_rollback import killed_at

RUN = "20260301-120000-c0ffee0-aa"


def test_a_ship_that_waited_goes_on_once_a_person_has_approved(shipping: Shipping) -> None:
    waiting = ship(shipping.project, Options(profile="production"), silent)
    tools = shipping.tools
    before = [event.stage for event in tools.journal.events(waiting.run) if event.kind == "stage_started"]
    approvals.decide(tools, waiting.run, decision=ApprovalDecision.APPROVED, name="Ada", reason="seen")
    ended = resume_run(tools, load_run(tools, waiting.run), silent)
    assert finished(shipping, ended)[:2] == (0, "passed")
    assert shipping.serving().commit == shipping.commit.sha
    after = [event.stage for event in tools.journal.events(waiting.run) if event.kind == "stage_started"]
    # What had passed is not done again.
    assert after[len(before) :] == ["uat", "release-it"]


def test_a_ship_that_was_stopped_in_its_rollout_goes_on_with_that_rollout(shipping: Shipping) -> None:
    shipping.live.script = killed_at(50)
    stopped = ship(shipping.project, APPROVED, silent)
    assert load_run(shipping.tools, stopped.run).unfinished
    shipping.live.script = healthy
    ended = resume_run(shipping.tools, load_run(shipping.tools, stopped.run), silent)
    assert finished(shipping, ended)[:2] == (0, "passed")
    assert set(states(shipping, ended.run).values()) == {"passed"}
    started = [event for event in shipping.tools.journal.events(ended.run) if event.kind == "rollout_started"]
    assert len(started) == 1


def test_a_run_is_not_ended_by_a_resume_that_finds_another_deployment_under_way(good: TinyProject) -> None:
    tools = interrupted(good, "ship", ["lint"])
    with owned(tools.project.deploy_lock, "the deployment"):
        said = good.dawsos("resume")
    assert said.code == 3
    assert f"the deployment is owned by the live process {os.getpid()}" in said.err
    assert load_run(tools, "last").unfinished


def test_a_resume_that_is_refused_touches_nothing_of_the_ship_under_way(good: TinyProject) -> None:
    """Both have one checkout, and a step of the other may be at work with what it made there."""
    tools = interrupted(good, "ship", ["lint"])
    sha = git.commit(good.path).sha
    root = git_checkout.checkout(good.path, sha, tools.project.checkout(sha))
    (root / "test.sh").write_text("exit 1\n")
    with owned(tools.project.deploy_lock, "the deployment"):
        assert good.dawsos("resume").code == 3
    assert (root / "test.sh").read_text() == "exit 1\n"


def test_what_a_stage_made_beside_the_commit_is_there_for_the_next_after_a_resume(good: TinyProject) -> None:
    tools = interrupted(good, "ship", ["lint"])
    sha = git.commit(good.path).sha
    root = git_checkout.checkout(good.path, sha, tools.project.checkout(sha))
    (root / "made.txt").write_text("made\n")
    assert good.dawsos("resume").code == 0
    assert (root / "made.txt").exists()


def test_a_stage_that_the_pipeline_lost_meanwhile_is_bad_input_for_a_resume(good: TinyProject) -> None:
    tools = interrupted(good, "run", ["lint", "types"])
    said = good.dawsos("resume")
    assert (said.code, "Traceback" in said.err) == (2, False)
    assert "unknown stage 'types'" in said.err
    # A corrected file can still go on with it.
    assert [event.kind for event in tools.journal.events(RUN)] == ["run_started"]


def test_a_run_that_began_with_version_1_is_resumed(good: TinyProject) -> None:
    interrupted(good, "run", ["lint", "unit"])
    written_as_version_1(good.path)
    assert good.dawsos("run").code == 2
    assert good.dawsos("resume").code == 0


def test_a_run_with_an_option_that_this_version_does_not_know_is_resumed(shipping: Shipping) -> None:
    """A run may have been begun by a later version."""
    options = {"profile": "production", "colour": "blue", "stages": ["lint"]}
    session = shipping.session(command="run", commit=shipping.commit.sha, stages=["lint"], options=options)
    ended = resume_run(shipping.tools, load_run(shipping.tools, session.id), silent)
    assert finished(shipping, ended)[:2] == (0, "passed")


def test_a_disk_that_refuses_a_restored_stage_is_the_machine_s_fault_and_no_defect(good: TinyProject) -> None:
    assert good.dawsos("run", "lint").code == 0
    tools = interrupted(good, "run", ["lint"])
    folder = tools.project.run_folder(RUN)
    folder.mkdir(parents=True)
    (folder / "lint").write_text("a file where a folder belongs\n")
    said = good.dawsos("resume", "20260301")
    assert (said.code, "Traceback" in said.err) == (3, False)
    assert load_run(tools, "20260301").result == "infrastructure"
