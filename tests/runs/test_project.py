"""A project on disk: found from any folder in it; runs by any part of their name; evidence by its globs."""

from __future__ import annotations

import json
import os
import re
import secrets
import sqlite3
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from dawsos.errors import BadInput, InfrastructureError
from dawsos.runs.project import (
    Project,
    find_project,
    load,
    load_run,
    new_run,
    open_tools,
    remove_abandoned,
)
from support.facts import fact


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAWSOS_HOME", raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pipeline.yaml").write_text("version: 1\n")
    (tmp_path / "deep" / "down").mkdir(parents=True)
    return tmp_path


def test_a_project_is_found_from_within(root: Path) -> None:
    assert find_project(root / "deep" / "down") == find_project(root) == Project(root, root / ".dawsos")


def test_its_home_may_lie_elsewhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAWSOS_HOME", str(root / "deep" / ".." / "home"))
    assert find_project(root).home == (root / "home").resolve()


def test_a_folder_without_a_pipeline_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there is no pipeline\.yaml") as refused:
        find_project(tmp_path)
    assert "docs/pipeline-yaml.md" in refused.value.fix


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b""])
def test_a_file_that_is_no_text_is_bad_input(content: bytes, root: Path) -> None:
    (root / "pipeline.yaml").write_bytes(content)
    with pytest.raises(BadInput):
        load(root)


def test_a_run_is_found_by_any_part_that_is_its_own(root: Path) -> None:
    tools = open_tools(find_project(root))
    for run in ("20260101-aaa-01", "20260101-bbb-02"):
        tools.journal.append(run, fact("run_started", stages=[]))
    assert load_run(tools, "last").id == load_run(tools, "02").id == "20260101-bbb-02"
    assert load_run(tools, "20260101-aaa").id == "20260101-aaa-01"
    for name, words in (("20260101", "is ambiguous"), ("nothing", "is unknown; the newest runs: 20260101-aaa-01")):
        with pytest.raises(BadInput, match=words):
            load_run(tools, name)
    tools.journal.close()


def test_the_state_does_not_make_the_tree_look_changed(root: Path) -> None:
    open_tools(find_project(root)).journal.close()
    assert (root / ".dawsos" / ".gitignore").read_text() == "*\n"


def test_a_run_id_names_its_time_and_its_commit(root: Path) -> None:
    name = new_run(find_project(root), "c0ffee" * 6)
    assert re.fullmatch(r"\d{8}-\d{6}-c0ffeec-[0-9a-f]{2}", name)


def test_runs_that_begin_in_the_same_second_have_each_an_id_of_their_own(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes may draw the same two digits: who comes second draws again."""
    project, drawn = find_project(root), iter(["aa", "aa", "aa", "bb", "bb", "cc"])
    monkeypatch.setattr(time, "gmtime", lambda: (2026, 3, 1, 12, 0, 0, 6, 60, 0))
    monkeypatch.setattr(secrets, "token_hex", lambda _bytes: next(drawn))
    assert [new_run(project, "c0ffee" * 6)[-2:] for _ in range(3)] == ["aa", "bb", "cc"]
    monkeypatch.setattr(secrets, "token_hex", lambda _bytes: "aa")
    with pytest.raises(InfrastructureError, match="no free id for a run"):
        new_run(project, "c0ffee" * 6)


@pytest.mark.parametrize("taken", [".dawsos", ".dawsos/journal"])
def test_a_home_that_cannot_be_made_is_told_with_its_place(taken: str, root: Path) -> None:
    path = root / taken
    path.parent.mkdir(exist_ok=True)
    path.write_text("a file where a folder belongs\n")
    with pytest.raises(InfrastructureError, match=r"\.dawsos"):
        open_tools(find_project(root))


def test_a_run_whose_events_were_emptied_is_told_as_altered(root: Path) -> None:
    tools = open_tools(find_project(root))
    tools.journal.append("20260101-aaa-01", fact("run_started", stages=["lint"]))
    tools.journal.append("20260101-aaa-01", fact("stage_finished", result="failed"), "lint")
    with sqlite3.connect(root / ".dawsos" / "journal" / "journal.sqlite") as other:
        other.execute("UPDATE events SET body = '{}' WHERE seq = 2")
    other.close()
    with pytest.raises(InfrastructureError, match=r"event 2 \(stage_finished\) was altered"):
        load_run(tools, "last")
    tools.journal.close()


def test_what_killed_runs_left_behind_is_swept_wherever_it_lies(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(root / "tmp"))
    project, old = find_project(root), time.time() - 3600
    outside = root / "outside"
    outside.mkdir()
    names = ["releases/build-x", "checkouts/c0ffee.x", "images-x", "cache/unit/new-x", "../tmp/dawsos-services-x"]
    names += ["environments/production/capture-x", "keyless/request-x"]
    left = [project.home / f"{name}.owned" for name in names]
    kept = [project.home / name for name in ("releases/ab12", "checkouts/c0ffee", "cache/unit/f1f1", "runs/r1")]
    for folder in (*left, *kept):
        folder.mkdir(parents=True)
        (folder / "outside.json").write_text(json.dumps({"folders": [str(outside)]}))
        os.utime(folder, (old, old))
    remove_abandoned(project)
    assert [folder for folder in left if folder.exists()] == []
    assert all(folder.exists() for folder in kept)
    assert not outside.exists(), "another user had to reach it, and its note lay in the folder"


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        ((".dawsos/keys/a.pub",), ".dawsos/keys/a.pub"), ((".dawsos/keys",), ".dawsos/keys"), ((".dawsos",), ".dawsos"),
        ((".dawsos/toolchains",), ".dawsos/toolchains"), (("keys/a.pub", ".dawsos.d/keys/a.pub"), ""), ((), ""),
    ],
)  # fmt: skip
def test_keys_that_a_commit_brings_are_not_believed(names: tuple[str, ...], refused: str, root: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(root / "deep")
    subprocess.run(["git", "add", "--force", "--all"], cwd=root, check=True)
    tools = open_tools(Project(root, root / ".dawsos"))
    if not refused:
        tools.signer()
        assert tools.keyring().knows(tools.signer().key_id)
        return
    for use in (tools.signer, tools.keyring, tools.public_keys):
        with pytest.raises(BadInput, match=f"the repository tracks {re.escape(refused)}: "):
            use()


def tracked(root: Path, *names: str) -> None:
    """Make ``root`` a repository that tracks these files below the home, whatever is ignored."""
    for name in names:
        path = root / ".dawsos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    subprocess.run(["git", "add", "--force", "."], cwd=root, check=True)


@pytest.mark.parametrize(
    "name", ["cache/unit/f1f1/result.json", "keys/evil.pub", "releases/ab12/app.py", "toolchains/backend/bin/python"]
)
def test_state_that_a_commit_brings_is_refused(name: str, root: Path) -> None:
    """Such a result would be restored, and such a release shipped, as if a run of this machine had made it."""
    tracked(root, name)
    tools = open_tools(find_project(root))
    for ask in (tools.keyring, tools.signer, tools.public_keys):
        with pytest.raises(BadInput, match=f"tracks .dawsos/{name}"):
            ask()
    tools.journal.close()


@pytest.mark.parametrize("name", ["cache", "keys", "releases", "journal"])
def test_state_that_is_a_link_is_refused(name: str, root: Path, tmp_path: Path) -> None:
    tracked(root)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / ".dawsos").mkdir()
    (root / ".dawsos" / name).symlink_to(elsewhere)
    tools = open_tools(find_project(root))
    with pytest.raises(BadInput, match=f"{name} is a link"):
        tools.keyring()
    tools.journal.close()


def test_a_new_home_is_its_owner_s_alone_and_an_older_one_keeps_its_mode(root: Path) -> None:
    """A database that an older version started runs as another user, below a home that is open."""
    open_tools(find_project(root)).journal.close()
    assert stat.S_IMODE((root / ".dawsos").stat().st_mode) == 0o700
    (root / ".dawsos").chmod(0o755)
    open_tools(find_project(root)).journal.close()
    assert stat.S_IMODE((root / ".dawsos").stat().st_mode) == 0o755
