"""The lines that commits add: with path and number, also those of a file that is gone again."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.adapters.git import added_lines, below_top, commits, tracked_files
from e2e.clone import git

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    return tmp_path


def commit(repository: Path, message: str = "m") -> str:
    git(repository, "add", "--all")
    git(repository, *IDENTITY, "commit", "--quiet", "-m", message)
    return git(repository, "rev-parse", "HEAD").strip()


def test_each_added_line_has_its_commit_path_and_number(repository: Path) -> None:
    (repository / "a b.txt").write_text("one\ntwo\n")
    first = commit(repository)
    (repository / "a b.txt").write_text("one\n1.5\ntwo\n++ three\n")
    (repository / "ü.txt").write_text("-- x\n@@ -1 +9 @@\n")
    second = commit(repository, "+++ b/other.txt")
    found = list(added_lines(repository, ""))
    assert [line for line in found if line[0] == first] == [(first, "a b.txt", 1, "one"), (first, "a b.txt", 2, "two")]
    assert [line[1:] for line in found if line[0] == second] == [
        ("a b.txt", 2, "1.5"), ("a b.txt", 4, "++ three"), ("ü.txt", 1, "-- x"), ("ü.txt", 2, "@@ -1 +9 @@"),
    ]  # fmt: skip


def test_a_line_that_is_gone_again_was_added_all_the_same(repository: Path) -> None:
    (repository / "keys.py").write_text("KEY = 1\n")
    leak = commit(repository)
    (repository / "keys.py").unlink()
    (repository / "other.py").write_text("x = 1\n")
    gone = commit(repository)
    assert (leak, "keys.py", 1, "KEY = 1") in list(added_lines(repository, ""))
    assert [line[3] for line in added_lines(repository, leak)] == ["x = 1"]
    assert commits(repository, "") == [leak, gone]
    assert commits(repository, leak) == [gone]
    assert [path.name for path in tracked_files(repository)] == ["other.py"]


def test_a_folder_knows_where_it_lies_in_its_repository(repository: Path) -> None:
    (repository / "sub" / "deep").mkdir(parents=True)
    assert below_top(repository) == ""
    assert below_top(repository / "sub" / "deep") == "sub/deep/"
