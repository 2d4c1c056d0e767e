"""Checkouts: the files of a commit, whatever a step did to them or to their repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from adapters.test_git import project, run
from dawsos.adapters import git, git_checkout
from dawsos.errors import BadInput, InfrastructureError

__all__ = ["project"]


def checked_out(root: Path, revision: str = "HEAD") -> Path:
    sha = git.commit(root, revision).sha
    return git_checkout.checkout(root, sha, root / ".dawsos" / "checkouts" / sha[:16])


def test_a_checkout_holds_the_commit_and_nothing_else(project: Path) -> None:
    (project / "one.py").write_text("changed\n")
    (project / "new.py").write_text("new\n")
    target = checked_out(project)
    files = {
        path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file() and ".git" not in path.parts
    }
    assert files == {".gitignore", "one.py", "sub/two.sh"}
    assert (target / "one.py").read_text() == "1\n"
    assert (target / "sub" / "two.sh").stat().st_mode & 0o111


def test_a_checkout_is_a_repository_of_its_own(project: Path) -> None:
    """Else a tool that obeys ignore files would find that the project ignores all of it, check nothing and pass."""
    target = checked_out(project)
    assert run(target, "rev-parse", "--show-toplevel") == str(target.resolve())
    assert run(target, "describe", "--tags") == "v1"
    assert run(target, "status", "--porcelain") == ""
    assert (
        subprocess.run(["git", "check-ignore", "one.py"], cwd=target, capture_output=True, check=False).returncode == 1
    )
    assert run(project, "status", "--porcelain") == ""


def test_a_checkout_of_a_commit_that_no_branch_has_any_more(project: Path) -> None:
    (project / "one.py").write_text("2\n")
    run(project, "commit", "--quiet", "-am", "second")
    lost = run(project, "rev-parse", "HEAD")
    run(project, "reset", "--quiet", "--hard", "HEAD~1")
    assert (checked_out(project, lost) / "one.py").read_text() == "2\n"


def test_a_checkout_of_a_shallow_clone(project: Path, tmp_path: Path) -> None:
    (project / "one.py").write_text("2\n")
    run(project, "commit", "--quiet", "-am", "second")
    shallow = tmp_path / "shallow"
    run(tmp_path, "clone", "--quiet", "--depth=1", f"file://{project}", str(shallow))
    target = checked_out(shallow)
    assert (target / "one.py").read_text() == "2\n"
    assert run(target, "log", "--format=%s") == "second"


def test_a_project_in_a_folder_of_its_repository(project: Path) -> None:
    folder = project / "sub"
    target = checked_out(folder)
    assert (target / "two.sh").is_file()
    assert set(git.tree_hashes(folder, "HEAD")) == {"two.sh"}
    assert checked_out(folder) == target


def test_a_checkout_that_somebody_changed_holds_the_commit_again(project: Path) -> None:
    """What an earlier run's step wrote over a source must not be built into a release that is named by the commit."""
    target = checked_out(project)
    (target / "one.py").write_text("changed by a step\n")
    (target / "sub" / "two.sh").unlink()
    assert checked_out(project) == target
    assert (target / "one.py").read_text() == "1\n"
    assert (target / "sub" / "two.sh").exists()


def test_what_a_step_changed_in_a_checkout_is_named_and_put_back(project: Path) -> None:
    root, sha = checked_out(project), git.commit(project).sha
    assert git_checkout.changed_files(root, sha) == ()
    (root / "sub" / "two.sh").chmod(0o644)
    (root / "one.py").write_text("2\n")
    (root / "new.py").write_text("3\n")
    assert git_checkout.changed_files(root, sha) == ("one.py", "sub/two.sh")
    run(root, "commit", "--quiet", "--all", "-m", "a step may even commit it")
    assert git_checkout.changed_files(root, sha) == ("one.py", "sub/two.sh")
    git_checkout.put_back(root, sha)
    assert (git_checkout.changed_files(root, sha), (root / "one.py").read_text()) == ((), "1\n")
    assert (root / "new.py").exists()


def test_what_an_earlier_run_left_in_a_checkout_does_not_reach_the_next(project: Path) -> None:
    """A wheel takes every file it finds: one that no commit has would be released."""
    (project / ".gitignore").write_text("cache/\n.dawsos/\n")
    run(project, "add", "--all")
    run(project, "commit", "--quiet", "-m", "ignore")
    root = checked_out(project)
    for name in ("sub/left.py", "left/deep/er.py", "cache/kept"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("left\n")
    run(root / "left", "init", "--quiet")
    sha = git.commit(project).sha
    assert git_checkout.untracked_files(root, sha, root / "sub") == ("sub/left.py",)
    assert git_checkout.checkout(project, sha, root, keep_untracked=True) == root
    assert (root / "sub" / "left.py").exists()
    assert checked_out(project) == root
    assert git_checkout.untracked_files(root, sha, root) == ()
    assert not (root / "left").exists()
    assert (root / "cache" / "kept").exists(), "what is ignored is the cache of a tool"


def test_what_a_person_ignores_everywhere_is_left_over_all_the_same(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ignored").write_text("*.local\n")
    (tmp_path / "config").write_text(f"[core]\n\texcludesFile = {tmp_path / 'ignored'}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    root, sha = checked_out(project), git.commit(project).sha
    (root / "settings.local").write_text("mine\n")
    assert git_checkout.untracked_files(root, sha, root) == ("settings.local",)
    checked_out(project)
    assert not (root / "settings.local").exists()


ASSUME = ("update-index", "--assume-unchanged", "one.py")
SKIP = ("update-index", "--skip-worktree", "one.py")


@pytest.mark.parametrize(
    "hidden", [ASSUME, SKIP, ("config", "core.worktree", "/nowhere"), ("config", "core.checkStat", "minimal")]
)
def test_a_file_that_git_was_told_to_call_unchanged_is_named_and_put_back(
    hidden: tuple[str, ...], project: Path
) -> None:
    root, sha = checked_out(project), git.commit(project).sha
    before = (root / "one.py").stat()
    run(root, *hidden)
    # Of the same size and time.
    (root / "one.py").write_text("2\n")
    os.utime(root / "one.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert git_checkout.changed_files(root, sha) == ("one.py",)
    git_checkout.put_back(root, sha)
    assert (root / "one.py").read_text() == "1\n"
    (root / "one.py").write_text("2\n")
    assert checked_out(project) == root
    assert (root / "one.py").read_text() == "1\n", "also by the next run"


def test_a_file_whose_content_a_filter_would_put_right_is_named(project: Path) -> None:
    """The filter gives git what the commit has; the file has something else."""
    root, sha = checked_out(project), git.commit(project).sha
    run(root, "config", "filter.evil.clean", "printf '1\\n'")
    (root / ".git" / "info").mkdir(exist_ok=True)
    (root / ".git" / "info" / "attributes").write_text("one.py filter=evil\n")
    (root / "one.py").write_text("2\n")
    assert git_checkout.changed_files(root, sha) == ("one.py",)


def test_another_commit_under_its_name_is_noticed(project: Path) -> None:
    """Git shows the replacement wherever it is asked for the commit, and nothing differs from that."""
    root, sha = checked_out(project), git.commit(project).sha
    (root / "one.py").write_text("2\n")
    run(root, "commit", "--quiet", "--all", "-m", "another")
    other = run(root, "rev-parse", "HEAD")
    run(root, "replace", sha, other)
    assert run(root, "show", f"{sha}:one.py") == "2"
    assert git_checkout.changed_files(root, sha) == ("one.py",)


def test_an_object_that_was_altered_on_disk_is_noticed(project: Path) -> None:
    """Git reads a loose object without a look at its hash."""
    root, sha = checked_out(project), git.commit(project).sha
    (root / "one.py").write_text("2\n")
    run(root, "commit", "--quiet", "--all", "-m", "another")
    tree, other = run(root, "rev-parse", f"{sha}^{{tree}}"), run(root, "rev-parse", "HEAD^{tree}")
    forged = project / ".git" / "objects" / tree[:2] / tree[2:]
    forged.chmod(0o644)
    forged.write_bytes((root / ".git" / "objects" / other[:2] / other[2:]).read_bytes())
    with pytest.raises((BadInput, InfrastructureError)):
        git_checkout.changed_files(root, sha)


def test_a_repository_that_a_step_made_within_does_not_hide_what_is_below_it(project: Path) -> None:
    root, sha = checked_out(project), git.commit(project).sha
    run(root / "sub", "init", "--quiet")
    (root / "sub" / "two.sh").write_text("exit 1\n")
    assert git_checkout.changed_files(root, sha) == ("sub/two.sh",)


@pytest.mark.parametrize("place", ["sub/.gitignore", ".git/info/exclude"])
def test_a_file_that_a_step_hid_from_git_is_named_and_gone_for_the_next_run(place: str, project: Path) -> None:
    root, sha = checked_out(project), git.commit(project).sha
    (root / place).parent.mkdir(exist_ok=True)
    (root / place).write_text("*\n")
    (root / "sub" / "evil.py").write_text("evil\n")
    assert git_checkout.untracked_files(root, sha, root / "sub", {"evil.py"}) == ("sub/evil.py",)
    assert checked_out(project) == root
    assert not (root / "sub" / "evil.py").exists()


def test_what_a_tool_ignores_in_its_own_cache_stays(project: Path) -> None:
    root = checked_out(project)
    (root / ".cache").mkdir()
    (root / ".cache" / ".gitignore").write_text("*\n")
    (root / ".cache" / "kept").write_text("kept\n")
    assert checked_out(project) == root
    assert (root / ".cache" / "kept").exists()


def test_the_files_of_a_commit_are_not_those_that_a_step_put_into_the_index(project: Path) -> None:
    root, sha = checked_out(project), git.commit(project).sha
    (root / "sub" / "evil.py").write_text("evil\n")
    run(root, "add", "--force", "sub/evil.py")
    assert git_checkout.committed_files(root, sha, root) == (".gitignore", "one.py", "sub/two.sh")
    assert git_checkout.committed_files(root, sha, root / "sub") == ("two.sh",)


def test_of_many_files_git_is_asked_once_which_are_ignored(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, sha = checked_out(project), git.commit(project).sha
    for number in range(20):
        (root / f"new{number}.py").touch()
    asked: list[tuple[str, ...]] = []
    original = git.call

    def call(where: Path, *arguments: str, text_input: str | None = None, accept: tuple[int, ...] = (0,)) -> str:
        asked.append(arguments)
        return original(where, *arguments, text_input=text_input, accept=accept)

    monkeypatch.setattr(git_checkout, "call", call)
    assert len(git_checkout.untracked_files(root, sha, root)) == 20
    assert sum("check-ignore" in arguments for arguments in asked) == 1
