"""The inputs of stages on real repositories: submodules, links and Git LFS are what they lead to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from adapters.test_git import run
from adapters.test_git_checkout import checked_out
from dawsos.adapters import git, git_checkout
from dawsos.adapters.git_inputs import commit_inputs, worktree_inputs
from dawsos.model.plan import ABSENT, POINTER, UNSURE

# Then a clone fetches the content by itself, and the tests are about one that has not.
LFS_EVERYWHERE = bool(
    subprocess.run(["git", "config", "--get", "filter.lfs.clean"], cwd="/", capture_output=True, check=False).stdout
)


def repository(root: Path, **files: str) -> Path:
    root.mkdir(parents=True)
    run(root, "init", "--quiet", "--initial-branch=main")
    (root / ".gitignore").write_text(".dawsos/\nlocal/\n")
    for name, text in files.items():
        (root / name).write_text(text)
    return committed(root)


def committed(root: Path) -> Path:
    run(root, "add", "--all")
    run(root, "commit", "--quiet", "--allow-empty", "-m", "more")
    return root


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a submodule ``sub`` that has a file ``f`` and, within, a submodule ``deep`` with a file ``g``."""
    allowed = ("-c", "protocol.file.allow=always")
    deep = repository(tmp_path / "deep", g="one\n")
    library = repository(tmp_path / "library", f="good\n")
    run(library, *allowed, "submodule", "--quiet", "add", str(deep), "deep")
    committed(library)
    root = repository(tmp_path / "project", own="1\n")
    run(root, *allowed, "submodule", "--quiet", "add", str(library), "sub")
    run(root, *allowed, "submodule", "--quiet", "update", "--init", "--recursive")
    return committed(root)


def both(root: Path) -> dict[str, str]:
    """Return the inputs of the clean tree ``root``: a run sees in it what a ship sees in its checkout."""
    found = worktree_inputs(root)
    assert found == commit_inputs(checked_out(root), git.commit(root).sha)
    return found


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_the_files_of_submodules_are_inputs_and_a_ship_has_them(project: Path) -> None:
    before = both(project)
    assert {"sub", "sub/f", "sub/deep", "sub/deep/g"} < set(before)
    target = checked_out(project)
    assert (target / "sub" / "f").read_text() == "good\n"
    assert (target / "sub" / "deep" / "g").read_text() == "one\n"
    assert run(target, "status", "--porcelain") == ""
    (project / "sub" / "f").write_text("bad\n")
    committed(project / "sub")
    moved = worktree_inputs(project)
    assert changed(before, moved) == {"sub", "sub/f"}
    committed(project)
    assert both(project) == moved
    assert (checked_out(project) / "sub" / "f").read_text() == "bad\n"


@pytest.mark.parametrize("change", ["sub/f", "sub/new", "sub/deep/g", "sub/deep/new"])
def test_a_submodule_that_is_changed_and_not_committed_is_another_input(change: str, project: Path) -> None:
    before = worktree_inputs(project)
    # However a person has told git to show them.
    run(project, "config", "submodule.sub.ignore", "all")
    (project / change).write_text("dirt\n")
    inner = {"sub/deep"} if "deep" in change else set()
    assert changed(before, worktree_inputs(project)) == {"sub", change, *inner}


def test_a_submodule_that_was_not_fetched_is_not_one_that_was(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    run(tmp_path, "clone", "--quiet", str(project), str(copy))
    found = both(copy)
    assert found["sub"].endswith(ABSENT)
    assert "sub/f" not in found
    assert list((checked_out(copy) / "sub").iterdir()) == []
    run(copy, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive")
    assert both(copy) == both(project)
    assert (checked_out(copy) / "sub" / "deep" / "g").exists(), "also in a checkout that was made before"


def test_what_a_step_did_in_a_submodule_is_named_and_put_back(project: Path) -> None:
    root, sha = checked_out(project), git.commit(project).sha
    (root / "sub" / "f").write_text("changed\n")
    (root / "sub" / "deep" / "g").write_text("changed\n")
    (root / "sub" / "deep" / "left").touch()
    assert git_checkout.changed_files(root, sha) == ("sub",)
    git_checkout.put_back(root, sha)
    assert git_checkout.changed_files(root, sha) == ()
    assert (root / "sub" / "deep" / "g").read_text() == "one\n"
    assert (root / "sub" / "deep" / "left").exists()
    checked_out(project)
    assert not (root / "sub" / "deep" / "left").exists()


def test_a_repository_that_somebody_made_within_is_an_input(project: Path) -> None:
    repository(project / "inner", f="1\n")
    before = worktree_inputs(project)
    assert "inner/f" in before
    (project / "inner" / "f").write_text("2\n")
    assert changed(before, worktree_inputs(project)) == {"inner", "inner/f"}
    shutil.rmtree(project / "inner" / ".git")
    run(project / "inner", "init", "--quiet")
    assert worktree_inputs(project)["inner"].startswith(UNSURE)


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A repository with a folder ``data`` and links to it, to a file in it, and to one another."""
    root = repository(tmp_path / "linked", own="1\n")
    for name, text in {"data/one": "1\n", "data/more/two": "2\n"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "src").mkdir()
    for name, target in {
        "src/file": "../data/one", "src/folder": "../data", "src/twice": "file", "src/through": "folder/more/two",
        "src/all": "..", "src/nothing": "./nowhere", "src/circle": "circle", "src/absolute": f"{root}/data/one",
    }.items():  # fmt: skip
        (root / name).symlink_to(target)
    return committed(root)


@pytest.mark.parametrize(
    ("change", "links"),
    [
        ("data/one", {"file", "folder", "folder/one", "twice", "all", "all/data/one", "absolute"}),
        ("data/more/two", {"folder", "folder/more/two", "through", "all", "all/data/more/two"}),
        ("data/new", {"folder", "folder/new", "all", "all/data/new"}),
        ("own", {"all", "all/own"}),
        ("nowhere", {"all", "all/nowhere"}),
        ("src/nowhere", {"nothing", "all", "all/src/nowhere"}),
    ],
)
def test_a_link_is_what_it_leads_to(change: str, links: set[str], linked: Path) -> None:
    before = worktree_inputs(linked)
    (linked / change).write_text("changed\n")
    after = worktree_inputs(linked)
    found = {name.removeprefix("src/") for name in changed(before, after) - {change}}
    assert {name for name in found if not name.startswith("all/src/")} | links == found | links
    assert links <= found


def test_a_ship_sees_the_same_behind_links(linked: Path) -> None:
    (linked / "src" / "absolute").unlink()
    committed(linked)
    assert "src/folder/more/two" in both(linked)


def test_a_link_out_of_the_repository_is_its_file_and_a_folder_there_is_not_known(linked: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("1\n")
    (tmp_path / "folder").mkdir()
    (linked / "local").mkdir()
    (linked / "local" / "settings").write_text("1\n")
    for name, target in {
        "relative": "../outside", "absolute": str(tmp_path / "outside"), "folder": str(tmp_path / "folder"),
        "ignored": "local/settings", "device": "/dev/null", "gone": "/nowhere/at/all",
    }.items():  # fmt: skip
        (linked / name).symlink_to(target)
    before = worktree_inputs(linked)
    assert before["folder"] == f"{UNSURE}folder leads to a folder outside of the repository"
    assert before["ignored"] == f"{UNSURE}ignored leads to local/settings, which git does not know"
    (tmp_path / "outside").write_text("2\n")
    after = worktree_inputs(linked)
    assert {"relative", "absolute"} <= changed(before, after) <= {"relative", "absolute", "src/all"}


def test_a_link_out_of_a_project_that_is_a_folder_of_its_repository(tmp_path: Path) -> None:
    root = repository(tmp_path / "mono", shared="1\n")
    (root / "service").mkdir()
    (root / "service" / "settings").symlink_to("../shared")
    committed(root)
    before = both(root / "service")
    assert set(before) == {"settings"}
    (root / "shared").write_text("2\n")
    assert changed(before, worktree_inputs(root / "service")) == {"settings"}


@pytest.mark.skipif(
    shutil.which("git-lfs") is None or LFS_EVERYWHERE, reason="Git LFS is not there, or for every repository"
)
def test_of_git_lfs_the_content_is_the_input_and_a_ship_has_it(tmp_path: Path) -> None:
    root = repository(tmp_path / "large", own="1\n")
    run(root, "lfs", "install", "--local", "--skip-repo")
    run(root, "lfs", "track", "*.bin")
    (root / "data.bin").write_bytes(b"content\n")
    committed(root)
    assert git.call(root, "show", "HEAD:data.bin").startswith("version https://git-lfs")
    before = both(root)
    assert (checked_out(root) / "data.bin").read_bytes() == b"content\n"
    (root / "data.bin").write_bytes(b"changed\n")
    assert changed(before, worktree_inputs(root)) == {"data.bin"}
    committed(root)
    assert (checked_out(root) / "data.bin").read_bytes() == b"changed\n"
    copy = tmp_path / "copy"
    run(tmp_path, "clone", "--quiet", str(root), str(copy))
    pointer = both(copy)
    assert pointer["data.bin"].endswith(POINTER)
    assert changed(pointer, both(root)) == {"data.bin"}


def test_a_pointer_of_git_lfs_is_not_its_content(tmp_path: Path) -> None:
    """Also where Git LFS is not installed, and where the attribute is set above the project's folder."""
    root = repository(tmp_path / "large", own="1\n")
    (root / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (root / "service").mkdir()
    (root / "service" / "data.bin").write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 3\n"
    )
    committed(root)
    assert both(root)["service/data.bin"].endswith(POINTER)
    assert both(root / "service")["data.bin"].endswith(POINTER)
    (root / "service" / "data.bin").write_text("abc")
    assert worktree_inputs(root / "service")["data.bin"].endswith(":content")
