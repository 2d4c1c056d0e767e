"""Git on real repositories: a checkout that holds exactly the commit, hashes that see what is not committed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dawsos.adapters import git
from dawsos.adapters.identity import IDENTITY_VARIABLES
from dawsos.errors import BadInput


def run(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with two files, one of them executable, and a folder that it ignores."""
    root = tmp_path / "project"
    root.mkdir()
    run(root, "init", "--quiet", "--initial-branch=main")
    (root / ".gitignore").write_text(".dawsos/\n")
    (root / "one.py").write_text("1\n")
    (root / "sub").mkdir()
    (root / "sub" / "two.sh").write_text("#!/bin/sh\n")
    (root / "sub" / "two.sh").chmod(0o755)
    run(root, "add", "--all")
    run(root, "commit", "--quiet", "-m", "first")
    run(root, "tag", "v1")
    return root


def test_a_commit_is_described(project: Path) -> None:
    commit = git.commit(project)
    assert (commit.sha, commit.subject, commit.author, commit.ref) == (
        run(project, "rev-parse", "HEAD"),
        "first",
        "Test",
        "main",
    )
    assert commit.time > 0


def test_what_git_tracks_below_a_folder_is_told(project: Path, tmp_path: Path) -> None:
    (project / ".dawsos" / "keys").mkdir(parents=True)
    (project / ".dawsos" / "keys" / "a.pub").touch()
    assert git.tracked_below(project, project / ".dawsos") == ()
    run(project, "add", "--force", ".dawsos/keys/a.pub")
    assert git.tracked_below(project, project / ".dawsos") == (".dawsos/keys/a.pub",)
    assert git.tracked_below(project, project / "sub") == ("sub/two.sh",)
    assert git.tracked_below(project, project / "s*") == ()
    (project / "home").symlink_to("sub")
    run(project, "add", "home")
    assert git.tracked_below(project, project / "home") == ("home",)
    assert git.tracked_below(tmp_path, tmp_path / "home") == ()


def test_outside_a_repository_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="git log failed"):
        git.commit(tmp_path)


def test_a_hook_s_variables_do_not_lead_astray(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert git.commit(project).subject == "first"


def test_a_filter_of_git_s_gets_no_secret_of_the_caller(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in (*IDENTITY_VARIABLES, "NPM_TOKEN", "UNDECLARED"):
        monkeypatch.setenv(name, "for-the-test")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    program = tmp_path / "git"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path / 'seen'}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    git.dirty_files(project)
    seen = (tmp_path / "seen").read_text()
    assert "LC_ALL=C.UTF-8" in seen
    assert "for-the-test" not in seen


def test_hashes_of_the_working_tree_are_those_of_the_commit_to_come(project: Path) -> None:
    before = git.worktree_hashes(project)
    assert before == git.tree_hashes(project, "HEAD")
    (project / "one.py").write_text("2\n")
    (project / "new.py").write_text("3\n")
    (project / "sub" / "two.sh").unlink()
    (project / ".dawsos").mkdir()
    (project / ".dawsos" / "ignored").write_text("4\n")
    dirty = git.worktree_hashes(project)
    assert set(dirty) == {".gitignore", "one.py", "new.py"}
    assert sorted(git.dirty_files(project)) == ["new.py", "one.py", "sub/two.sh"]
    run(project, "add", "--all")
    run(project, "commit", "--quiet", "-m", "all of it")
    assert git.tree_hashes(project, "HEAD") == dirty


@pytest.mark.parametrize("name", ['"quoted".py', "two\nlines.py", "back\\slash.py", "plain.py"])
def test_a_file_is_hashed_whatever_its_name_is(name: str, project: Path) -> None:
    (project / name).write_text("1\n")
    found = git.worktree_hashes(project)
    assert found[name] == found["one.py"]


def test_a_commit_is_described_where_git_is_told_to_show_signatures(project: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (tmp_path / "signers").write_text(f"test@example.org {key.with_suffix('.pub').read_text()}")
    for name, value in (
        ("gpg.format", "ssh"), ("user.signingkey", str(key)), ("log.showSignature", "true"),
        ("gpg.ssh.allowedSignersFile", str(tmp_path / "signers")),
    ):  # fmt: skip
        run(project, "config", name, value)
    run(project, "commit", "--quiet", "--allow-empty", "-S", "-m", "signed")
    assert git.commit(project).subject == "signed"
    assert git.commit(project).sha == run(project, "rev-parse", "HEAD")


def test_a_symbolic_link_is_hashed_by_its_target_s_name(project: Path) -> None:
    """Led elsewhere it is another input, whether a folder, a file or nothing lies there."""
    for name in ("here", "there"):
        (project / name).mkdir()
        (project / name / "data").write_text("same\n")
    run(project, "add", "--all")
    run(project, "commit", "--quiet", "-m", "folders")
    seen = []
    for target in ("here", "there", "here/data", "there/data", "./nowhere"):
        (project / "link").unlink(missing_ok=True)
        (project / "link").symlink_to(target)
        seen.append(git.worktree_hashes(project))
    assert len({hashes["link"] for hashes in seen}) == len(seen)
    run(project, "add", "--all")
    run(project, "commit", "--quiet", "-m", "link")
    assert seen[-1] == git.tree_hashes(project, "HEAD")


def test_a_commit_is_tagged_once(project: Path) -> None:
    sha = git.commit(project).sha
    run(project, "config", "tag.gpgSign", "true")
    assert git.tag(project, "rollback-20260101-0000", sha) is True
    assert run(project, "rev-parse", "rollback-20260101-0000") == sha
    assert git.tag(project, "rollback-20260101-0000", sha) is False
    with pytest.raises(BadInput):
        git.tag(project, "rollback-x", "f" * 40)


@pytest.mark.parametrize("name", ["core.fsmonitor", "diff.external", "core.hooksPath"])
def test_a_program_that_a_step_wrote_into_the_configuration_is_not_run(
    name: str, project: Path, tmp_path: Path
) -> None:
    hostile = tmp_path / "hooks"
    hostile.mkdir()
    for program in ("monitor", "post-checkout", "reference-transaction", "post-index-change"):
        (hostile / program).write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
        (hostile / program).chmod(0o755)
    run(project, "config", name, str(hostile if "hooks" in name else hostile / "monitor"))
    (project / "one.py").write_text("altered\n")
    sha = git.commit(project).sha
    git.dirty_files(project)
    list(git.added_lines(project, ""))
    git.tag(project, "v2", sha)
    assert not (tmp_path / "ran").exists()


def test_a_git_that_fails_is_named_by_its_command(project: Path) -> None:
    with pytest.raises(BadInput, match="git cat-file failed"):
        git.call(project, "-c", "a.b=c", "--no-replace-objects", "cat-file", "commit", "0" * 40)
