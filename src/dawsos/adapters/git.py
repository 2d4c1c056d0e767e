"""What git knows: the commit, the content hash of every file, and a checkout that nobody edits."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dawsos.errors import BadInput, InfrastructureError


@dataclass(frozen=True)
class Commit:
    """A commit; ``time`` is its committer time in seconds since the epoch."""

    sha: str
    subject: str
    author: str
    time: int
    ref: str


def _git(root: Path, *arguments: str, text_input: str | None = None) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            check=False,
            input=None if text_input is None else text_input.encode(),
        )
    except FileNotFoundError as error:
        raise InfrastructureError("git is not installed", fix="install git") from error
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip()
        raise BadInput(
            f"git {arguments[0]} failed in {root}: {message}", fix="run dawsos inside a git checkout with a commit"
        )
    return done.stdout.decode(errors="surrogateescape")


def commit(root: Path, revision: str = "HEAD") -> Commit:
    """Return the commit that ``revision`` names; raises BadInput when there is none."""
    out = _git(root, "log", "-1", "--format=%H%x00%s%x00%an%x00%ct", revision, "--")
    sha, subject, author, time = out.rstrip("\n").split("\0")
    ref = _git(root, "rev-parse", "--abbrev-ref", revision).strip() if revision == "HEAD" else revision
    return Commit(sha, subject, author, int(time), ref)


def dirty_files(root: Path) -> tuple[str, ...]:
    """Return the paths that differ from HEAD, untracked ones included."""
    out = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--", ".")
    return tuple(entry[3:] for entry in out.split("\0") if entry)


def tree_hashes(root: Path, sha: str) -> dict[str, str]:
    """Return path -> blob hash of every file of commit ``sha`` below ``root``."""
    hashes = {}
    for entry in _git(root, "ls-tree", "-r", "-z", sha).split("\0"):
        if entry:
            meta, _, path = entry.partition("\t")
            mode, _, blob = meta.split()
            hashes[path] = f"{mode}:{blob}"
    return hashes


def worktree_hashes(root: Path) -> dict[str, str]:
    """Return path -> hash as ``tree_hashes`` would after committing everything: dirty and untracked files count as they are."""
    hashes = tree_hashes(root, "HEAD")
    # status names paths from the top of the repository, ls-tree from the folder it was asked in.
    prefix = _git(root, "rev-parse", "--show-prefix").strip()
    dirty = [path.removeprefix(prefix) for path in dirty_files(root)]
    present = [path for path in dirty if (root / path).is_file()]
    for path in set(dirty) - set(present):
        hashes.pop(path, None)
    if present:
        blobs = _git(root, "hash-object", "--stdin-paths", text_input="\n".join(present) + "\n").split()
        for path, blob in zip(present, blobs, strict=True):
            mode = "100755" if os.access(root / path, os.X_OK) else "100644"
            hashes[path] = f"{mode}:{blob}"
    return hashes


def checkout(root: Path, sha: str, target: Path) -> Path:
    """Unpack commit ``sha`` into ``target`` (kept when it is there already) and return it."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=target.name + ".", dir=target.parent))
    try:
        with tempfile.TemporaryFile() as archive:
            done = subprocess.run(
                ["git", "-C", str(root), "archive", "--format=tar", sha],
                stdout=archive,
                stderr=subprocess.PIPE,
                check=False,
            )
            if done.returncode:
                raise InfrastructureError(
                    f"git archive {sha[:12]} failed: {done.stderr.decode(errors='replace').strip()}"
                )
            archive.seek(0)
            with tarfile.open(fileobj=archive) as tar:
                tar.extractall(temporary, filter="data")
        temporary.chmod(0o755)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return target
