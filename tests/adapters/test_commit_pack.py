"""A commit travels with its files and without its history, and what was altered on the way is not taken for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dawsos.adapters import git, git_checkout
from dawsos.adapters.commit_pack import content, packed, unpack
from dawsos.errors import BadInput


def run(folder: Path, *words: str) -> None:
    own = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    subprocess.run(["git", *own, *words], cwd=folder, check=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "below").mkdir(parents=True)
    run(folder, "init", "--quiet")
    for text in ("one", "two"):
        (folder / "below" / "name.txt").write_text(text)
        (folder / "bytes").write_bytes(bytes(range(256)))
        run(folder, "add", ".")
        run(folder, "commit", "--quiet", "-m", text)
    return folder


def test_the_files_of_the_commit_come_back_without_its_history(source: Path, tmp_path: Path) -> None:
    sha = git.commit(source).sha
    target = tmp_path / "target"
    unpack(target, packed(source, sha), sha)
    assert git.commit(target, sha).subject == "two"
    assert git.tree_hashes(target, sha) == git.tree_hashes(source, sha)
    assert (target / "bytes").read_bytes() == bytes(range(256))
    assert subprocess.check_output(["git", "rev-list", "--count", "HEAD"], cwd=target).strip() == b"1"
    # What a ship does next with it.
    assert git_checkout.changed_files(git_checkout.checkout(target, sha, tmp_path / "checkout"), sha) == ()


def test_an_altered_pack_and_another_commit_are_refused(source: Path, tmp_path: Path) -> None:
    sha = git.commit(source).sha
    pack = bytearray(packed(source, sha))
    with pytest.raises(BadInput):
        unpack(tmp_path / "other", bytes(pack), "1" * 40)
    pack[len(pack) // 2] ^= 1
    with pytest.raises(BadInput, match="index-pack failed"):
        unpack(tmp_path / "altered", bytes(pack), sha)


def test_a_file_is_read_as_it_is_in_the_commit(source: Path) -> None:
    first = subprocess.check_output(["git", "rev-parse", "HEAD~1"], cwd=source, text=True).strip()
    assert content(source, first, "below/name.txt") == "one"
    assert content(source / "below", first, "name.txt") == "one"
    with pytest.raises(BadInput):
        content(source, first, "nothing")
