"""What each stage's fingerprint is made of, and what a ship asks before it begins."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dawsos.actions import verification
from dawsos.actions.bodies import ActionContext
from dawsos.adapters import git
from dawsos.adapters.digests import tree_digests
from dawsos.adapters.files import write_json
from dawsos.adapters.locks import owned
from dawsos.engine.contract import StageAttempt
from dawsos.errors import OwnedElsewhere
from dawsos.model.run import ChangedFiles
from dawsos.provenance.sigstore import IDENTITY_VARIABLES
from dawsos.reporting.summary import not_checked
from dawsos.runs.inputs import Upstream, stage_fingerprint
from dawsos.runs.project import Tools, find_project, load_run, open_tools
from dawsos.runs.project import load as project_load
from dawsos.runs.recorder import Session
from dawsos.verbs import ship
from dawsos.verbs.ship import Options, PlanExecutor, _beside
from projects import Said, TinyProject
from support.facts import fact
from support.paper import Paper
from support.world import Silent, written_as_version_1

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")


@pytest.fixture
def good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> TinyProject:
    return TinyProject("good", tmp_path, monkeypatch, capsys)


def test_a_ship_that_production_would_refuse_for_its_key_is_not_begun(
    good: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in IDENTITY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    text = (good.path / "pipeline.yaml").read_text()
    signing = "signing: {sigstore: required, identity: me, issuer: 'https://ci.example'}\n"
    (good.path / "pipeline.yaml").write_text(text + signing)
    good.commit("a certificate is required")
    told = good.dawsos("ship")
    assert (told.code, good.dawsos("history", "--json").json) == (2, [])
    assert "signing.sigstore: required" in told.err
    (good.path / "pipeline.yaml").write_text(text + signing.replace("required", "off"))
    # In YAML that may be read as false.
    assert project_load(good.path).signing.sigstore == "off"


def test_a_token_command_that_fails_in_verification_is_the_release_s_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every stage has passed.  The command is the release's own: blamed on the machine, the run would be resumed for ever."""
    service = {"latest": "/latest/7", "seed": "echo '{}'", "token": "sh -c 'echo no key for Ada; exit 3'"}
    paper = Paper(tmp_path / "project", monkeypatch, service)
    for words in (("init", "--quiet"), ("add", "."), (*IDENTITY, "commit", "--quiet", "-m", "tiny")):
        subprocess.run(("git", *words), cwd=paper.project.root, check=True)
    commit = git.commit(paper.project.root)
    release = paper.release("1", commit.sha)
    paper.serve(release)
    session = paper.session(commit=commit.sha)
    for stage in paper.pipeline.stages:
        session.record(fact("stage_finished", result="passed"), stage.id)

    async def get(url: str, *, token: str = "") -> dict[str, Any]:
        return {"status_code": 200, "body": {"status": "healthy", "version": commit.sha}, "headers": {}, "error": ""}

    monkeypatch.setattr(verification, "get", get)
    scene = ActionContext(paper.tools, paper.pipeline, commit, paper.project.root, session)
    ended = ship._carry_out(scene, Options(), paper.pipeline.stages)
    run = load_run(paper.tools, ended.run)
    assert (run.result, run.exit_code, ended.exit_code) == ("failed", 1, 1), run.reason
    assert "no key for Ada" in run.reason


def interrupted(good: TinyProject, command: str, stages: list[str]) -> Tools:
    """Tell a run of HEAD whose owner was killed before it had done anything."""
    tools = open_tools(find_project(good.path))
    facts = {"command": command, "commit": git.commit(good.path).sha, "profile": "laptop", "stages": stages}
    tools.journal.append("20260301-120000-c0ffee0-aa", fact("run_started", **facts, options={"profile": "laptop"}))
    return tools


def test_a_run_is_not_ended_by_a_resume_that_finds_another_deployment_under_way(good: TinyProject) -> None:
    tools = interrupted(good, "ship", ["lint"])
    with owned(tools.project.deploy_lock, "the deployment"):
        said = good.dawsos("resume")
    assert said.code == 3
    assert f"the deployment is owned by the live process {os.getpid()}" in said.err
    assert load_run(tools, "last").unfinished


def test_a_run_that_looks_at_an_environment_is_alone_with_it(good: TinyProject) -> None:
    """It starts what is down: beside ``dawsos down`` it would undo it."""
    tools = open_tools(find_project(good.path))
    plain = project_load(good.path).stages[0]
    with owned(tools.project.deploy_lock, "the deployment"):
        with (
            pytest.raises(OwnedElsewhere),
            _beside(tools.project, "run", [plain.model_copy(update={"environment": "staging"})]),
        ):
            raise AssertionError("both had it")
        with _beside(tools.project, "run", [plain]):
            pass


def test_a_stage_that_the_pipeline_lost_meanwhile_is_bad_input_for_a_resume(good: TinyProject) -> None:
    tools = interrupted(good, "run", ["lint", "types"])
    said = good.dawsos("resume")
    assert (said.code, "Traceback" in said.err) == (2, False)
    assert "unknown stage 'types'" in said.err
    # A corrected file can still go on with it.
    assert [event.kind for event in tools.journal.events("20260301-120000-c0ffee0-aa")] == ["run_started"]


def test_a_run_that_began_with_version_1_is_resumed(good: TinyProject) -> None:
    interrupted(good, "run", ["lint", "unit"])
    written_as_version_1(good.path)
    assert good.dawsos("run").code == 2
    assert good.dawsos("resume").code == 0


def test_a_toolchain_without_its_lock_is_bad_input_and_no_run(good: TinyProject) -> None:
    path = good.path / "pipeline.yaml"
    text = path.read_text().replace("stages:\n", "toolchains: {dev: {requirements: nowhere.txt}}\nstages:\n")
    path.write_text(text.replace("  - id: unit\n", "  - id: unit\n    toolchain: dev\n"))
    said = good.dawsos("run")
    assert (said.code, "nowhere.txt" in said.err) == (2, True)
    assert good.dawsos("history", "--json").json == []


def rewritten(good: TinyProject, step: str) -> Said:
    """Let the stage lint also do ``step``, and run it."""
    path = good.path / "pipeline.yaml"
    path.write_text(path.read_text().replace("sh -n test.sh", json.dumps(step)))
    return good.dawsos("run", "lint")


def test_evidence_whose_name_is_no_utf_8_is_evidence_all_the_same(good: TinyProject) -> None:
    said = rewritten(good, r"echo x > $ARTIFACTS/$(printf 'caf\351').txt")
    assert said.code == 0, said
    (stage,) = good.dawsos("show", "--json").json["stages"].values()
    assert "caf\\udce9.txt" in stage["evidence"]


@pytest.mark.parametrize("step", ["ln -s nowhere $ARTIFACTS/last.log", "mkdir $ARTIFACTS/deep.log"])
def test_what_only_looks_like_a_log_does_not_hinder_the_report(step: str, good: TinyProject) -> None:
    said = rewritten(good, step)
    assert said.code == 0, said


def test_a_commit_and_a_file_in_another_encoding_can_be_run(good: TinyProject) -> None:
    (good.path / os.fsdecode(b"caf\xe9.sh")).write_text("true\n")
    message = good.path.parent / "message"
    message.write_bytes(b"caf\xe9\n")
    good.git("commit", "--quiet", "--allow-empty", "--file", str(message))
    said = good.dawsos("run", "lint")
    assert said.code == 0, said


def test_of_a_kept_build_whose_release_is_gone_nothing_is_left_among_the_evidence(good: TinyProject) -> None:
    """It is built anew in the same folder, where the old files could speak for it."""
    path = good.path / "pipeline.yaml"
    build = "  - {id: build, uses: release, gates: [exit_status]}\n"
    path.write_text(path.read_text().replace("rollout:\n", f"{build}rollout:\n"))
    tools = open_tools(find_project(good.path))
    tools.signer()
    pipeline, commit = project_load(good.path), git.commit(good.path)
    stage = pipeline.stage("build")
    made = stage_fingerprint(pipeline, stage, good.path, {}, Upstream("", commit.sha))
    facts = {"release": "ab" * 32, "commit": commit.sha, "builder": "bundle", "bytes": 1}

    def carrier(run: str) -> PlanExecutor:
        session = Session(tools, run, [Silent()])
        session.record(fact("run_started", command="run", commit=commit.sha, stages=["build"]))
        return PlanExecutor(ActionContext(tools, pipeline, commit, good.path, session), Options())

    first = carrier("the-first")
    work = StageAttempt(stage, 1, first.scene.session.artifacts("build"), made, first.scene.session, tools.clock)
    write_json(work.artifacts / "release.json", facts)
    told = first.scene.session.record
    told(fact("stage_started", fingerprint=made.digest, attempt=1), "build")
    told(fact("stage_finished", result="passed", evidence=tree_digests(work.artifacts)), "build")
    first.keep(work)
    assert first.cache.lookup("build", made.digest) is not None
    second = carrier("the-second")
    assert not second._restore(stage, made)
    assert not second.scene.session.artifacts("build").exists()


def test_a_disk_that_refuses_a_restored_stage_is_the_machine_s_fault_and_no_defect(good: TinyProject) -> None:
    assert good.dawsos("run", "lint").code == 0
    tools = interrupted(good, "run", ["lint"])
    folder = tools.project.run_folder("20260301-120000-c0ffee0-aa")
    folder.mkdir(parents=True)
    (folder / "lint").write_text("a file where a folder belongs\n")
    said = good.dawsos("resume", "20260301")
    assert (said.code, "Traceback" in said.err) == (3, False)
    assert load_run(tools, "20260301").result == "infrastructure"


def shipped(good: TinyProject, monkeypatch: pytest.MonkeyPatch, **replaced: str) -> tuple[Said, Any]:
    """Ship a pipeline in which ``old`` is ``new``, without an environment to verify, and return its remarks too."""

    async def nothing(tools: Any, pipeline: Any, session: Any) -> list[Any]:
        return []

    monkeypatch.setattr("dawsos.actions.verification.verify_production", nothing)
    path = good.path / "pipeline.yaml"
    text = path.read_text()
    for old, new in (
        ("sh -n test.sh", json.dumps(replaced["lint"])),
        ("needs: [lint]", replaced.get("needs", "needs: [lint]")),
    ):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    good.commit("changed")
    said = good.dawsos("ship", "--no-cache")
    run = load_run(open_tools(find_project(good.path)), "last")
    return said, run


def test_what_a_step_makes_of_the_commit_is_put_back_before_the_next_stage_and_said(
    good: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fingerprint, and all that is signed, says that the stage saw the files of the commit."""
    said, run = shipped(good, monkeypatch, lint="echo exit 1 > test.sh; echo x > new.txt")
    assert said.code == 0, said
    assert run.changed_files == (ChangedFiles("unit", "put back", ("test.sh",), 1),)
    assert "test.sh had been changed by an earlier step, and was put back before this stage" in said.out
    assert [(remark.where, "test.sh" in remark.what) for remark in not_checked(run)][:1] == [("unit", True)]


def test_also_when_a_step_commits_what_it_made(good: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    lint = "echo exit 1 > test.sh; git -c user.name=a -c user.email=a@example.org commit -qam stamped"
    said, run = shipped(good, monkeypatch, lint=lint)
    assert said.code == 0, said
    assert [changed.how for changed in run.changed_files] == ["put back"]


def test_a_run_works_on_the_tree_as_it_is_and_changes_nothing_in_it(good: TinyProject) -> None:
    said = rewritten(good, "echo '# more' >> test.sh")
    assert said.code == 0, said
    assert good.dawsos("run", "unit").code == 0
    assert "# more" in (good.path / "test.sh").read_text()
    assert load_run(open_tools(find_project(good.path)), "last").changed_files == ()


def test_what_another_stage_works_with_is_left_alone_and_said(good: TinyProject) -> None:
    """Put back under its hands it would fail, now and then."""
    tools = interrupted(good, "ship", ["lint", "unit"])
    commit = git.commit(good.path)
    root = git.checkout(good.path, commit.sha, tools.project.checkout(commit.sha))
    session = Session(tools, "20260301-120000-c0ffee0-aa", [Silent()])
    carrier = PlanExecutor(ActionContext(tools, project_load(root), commit, root, session), Options())
    unit = carrier.scene.pipeline.stage("unit")
    (root / "test.sh").write_text("exit 1\n")
    carrier.files.before(unit.id, alone=False)
    assert (root / "test.sh").read_text() == "exit 1\n"
    # A release is of the commit and of nothing else.
    carrier.files.before(unit.id, alone=True)
    assert git.changed_files(root, commit.sha) == ()
    assert [changed.how for changed in session.state.changed_files] == ["seen", "put back"]


@pytest.mark.parametrize("verb", ["ship", "resume"])
def test_who_is_refused_touches_nothing_of_the_ship_under_way(verb: str, good: TinyProject) -> None:
    """Both have one checkout, and a step of the other may be at work with what it made there."""
    tools = interrupted(good, "ship", ["lint"])
    sha = git.commit(good.path).sha
    root = git.checkout(good.path, sha, tools.project.checkout(sha))
    (root / "test.sh").write_text("exit 1\n")
    with owned(tools.project.deploy_lock, "the deployment"):
        assert good.dawsos(verb).code == 3
    assert (root / "test.sh").read_text() == "exit 1\n"
