"""A stage and a release have the files of the commit, and what they had instead is said."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import pytest

from dawsos.adapters import git, git_checkout
from dawsos.model.run import ChangedFiles
from dawsos.reporting.summary import not_checked
from dawsos.runs.commit_files import CommitFiles
from dawsos.runs.context import RunContext
from dawsos.runs.project import load
from dawsos.runs.recorder import Session
from projects import TinyProject
from support.world import Silent
from verbs.on_paper import interrupted


@pytest.fixture
def good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> TinyProject:
    return TinyProject("good", tmp_path, monkeypatch, capsys)


def scene(good: TinyProject, command: str = "ship") -> RunContext:
    tools = interrupted(good, command, ["lint", "unit"])
    commit = git.commit(good.path)
    root = git_checkout.checkout(good.path, commit.sha, tools.project.checkout(commit.sha))
    return RunContext(tools, load(root), commit, root, Session(tools, "20260301-120000-c0ffee0-aa", [Silent()]))


def release(folder: Path, **files: str) -> Path:
    """Write the manifest of a release that has these files."""
    inside = {name.replace("__", "/"): digest for name, digest in files.items()}
    folder.mkdir(exist_ok=True)
    (folder / "release.json").write_text(json.dumps({"files": inside}))
    return folder


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_what_a_step_made_and_the_release_has_is_said(good: TinyProject, tmp_path: Path) -> None:
    stage = scene(good)
    (stage.root / "more.sh").write_text("made\n")
    (stage.root / "notes.txt").write_text("not in the release\n")
    (stage.root / "sub").mkdir()
    (stage.root / "sub" / "other.sh").write_text("another content\n")
    (stage.root / "sub" / "nowhere").symlink_to("gone")
    made = release(
        tmp_path / "release", **{"demo__more.sh": "x" + sha("made\n"), "demo__other.sh": sha("what the commit has\n")}
    )
    asyncio.run(CommitFiles(stage).built("build", made))
    assert stage.session.state.changed_files == (ChangedFiles("build", "added", ("more.sh",), 1),)
    said = [remark.what for remark in not_checked(stage.session.state) if remark.where == "build"]
    assert said == ["more.sh went into the release, and is not in the commit: a step had made it"]


def test_what_git_ignores_is_no_file_that_a_step_added(good: TinyProject, tmp_path: Path) -> None:
    (good.path / ".gitignore").write_text("*.pyc\n")
    good.commit("ignore what is compiled")
    stage = scene(good)
    (stage.root / "a.pyc").write_text("made\n")
    asyncio.run(CommitFiles(stage).built("build", release(tmp_path / "release", **{"a.pyc": sha("made\n")})))
    assert stage.session.state.changed_files == ()


def test_a_tracked_file_that_was_changed_is_built_and_said(good: TinyProject, tmp_path: Path) -> None:
    stage = scene(good)
    (stage.root / "test.sh").write_text("exit 1\n")
    asyncio.run(CommitFiles(stage).built("build", release(tmp_path / "release")))
    assert [changed.how for changed in stage.session.state.changed_files] == ["built"]


@pytest.mark.parametrize("alone", [True, False])
def test_a_changed_file_is_put_back_for_a_stage_that_is_alone_with_it(good: TinyProject, alone: bool) -> None:
    stage = scene(good)
    (stage.root / "test.sh").write_text("exit 1\n")
    asyncio.run(CommitFiles(stage).before("unit", alone=alone))
    assert (git_checkout.changed_files(stage.root, stage.commit.sha) == ()) == alone
    assert [changed.how for changed in stage.session.state.changed_files] == ["put back" if alone else "seen"]


def test_of_a_run_on_the_tree_as_it_is_nothing_is_said(good: TinyProject, tmp_path: Path) -> None:
    stage = scene(good, "run")
    (stage.root / "test.sh").write_text("exit 1\n")
    (stage.root / "more.sh").write_text("made\n")
    files = CommitFiles(stage)
    asyncio.run(files.before("unit", alone=True))
    asyncio.run(files.built("build", release(tmp_path / "release", **{"more.sh": sha("made\n")})))
    assert (stage.root / "test.sh").read_text() == "exit 1\n"
    assert stage.session.state.changed_files == ()
