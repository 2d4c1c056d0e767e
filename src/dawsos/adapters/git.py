"""Reads git: the commit, and the content hash of every file."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dawsos.errors import BadInput, InfrastructureError

# The modes of a symbolic link, and of another repository: a submodule, or one that somebody made within.
LINK, GITLINK = "120000", "160000"
_SETTINGS = (
    # A user's configuration may show signatures, and git would print them into the output that is read here.
    "-c", "log.showSignature=false",
    # A step can write into the repository's configuration: what it names there would run with the rights of the tool.
    "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "diff.external=",
)  # fmt: skip
# What git, and a filter such as that of Git LFS, need.
_VARIABLES = (
    "PATH", "HOME", "XDG_CONFIG_HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "SSH_AUTH_SOCK",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
)  # fmt: skip


@dataclass(frozen=True)
class Commit:
    """A commit; ``time`` is its committer time in seconds since the epoch."""

    sha: str
    subject: str
    author: str
    time: int
    ref: str


def call(root: Path, *arguments: str, text_input: str | None = None, accept: tuple[int, ...] = (0,)) -> str:
    """Return what ``git ARGUMENTS`` prints in ``root``.

    Raises BadInput when its exit status is none of ``accept``, InfrastructureError when there is no git.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *_SETTINGS, *arguments],
            capture_output=True,
            check=False,
            # A git hook that runs this tool sets variables of its own repository, and a step may have written a filter into the
            # configuration: it gets no secret of the caller.
            env={key: value for key, value in os.environ.items() if key in _VARIABLES or key.startswith("LC_")},
            input=None if text_input is None else text_input.encode(errors="surrogateescape"),
        )
    except FileNotFoundError as error:
        raise InfrastructureError("git is not installed", fix="install git") from error
    if done.returncode not in accept:
        message = done.stderr.decode(errors="replace").strip()
        raise BadInput(
            f"git {_verb(arguments)} failed in {root}: {message}", fix="run dawsos inside a git checkout with a commit"
        )
    return done.stdout.decode(errors="surrogateescape")


def _verb(arguments: tuple[str, ...]) -> str:
    """Return the command among ``arguments``, without the options of git itself."""
    rest = iter(arguments)
    for argument in rest:
        if argument in ("-c", "--git-dir", "--work-tree"):
            next(rest, "")
        elif not argument.startswith("-"):
            return argument
    return ""


def commit(root: Path, revision: str = "HEAD") -> Commit:
    """Return the commit that ``revision`` names; raises BadInput when there is none."""
    out = call(root, "log", "-1", "--format=%H%x00%s%x00%an%x00%ct", revision, "--")
    sha, subject, author, time = out.rstrip("\n").split("\0")
    ref = call(root, "rev-parse", "--abbrev-ref", revision).strip() if revision == "HEAD" else revision
    # A commit message may be in another encoding; the text is only shown, never compared.
    subject, author = (words.encode(errors="surrogateescape").decode(errors="replace") for words in (subject, author))
    return Commit(sha, subject, author, int(time), ref)


def author(root: Path) -> str:
    """Return the name of whoever would commit here, that of the last author where git was not told one."""
    try:
        return call(root, "config", "user.name").strip()
    except BadInput:
        return commit(root).author


def dirty_files(root: Path) -> tuple[str, ...]:
    """Return the paths that differ from HEAD, untracked ones included; that of another repository within ends with a slash."""
    out = call(
        root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=none",
        "--", ".",
    )  # fmt: skip
    return tuple(entry[3:] for entry in out.split("\0") if entry)


def tree_hashes(root: Path, sha: str) -> dict[str, str]:
    """Return path -> mode and blob hash of every file of commit ``sha`` below ``root``; of a submodule those of its commit."""
    hashes = {}
    for entry in call(root, "ls-tree", "-r", "-z", sha).split("\0"):
        if entry:
            meta, _, path = entry.partition("\t")
            mode, _, blob = meta.split()
            hashes[path] = f"{mode}:{blob}"
    return hashes


def worktree_hashes(root: Path) -> dict[str, str]:
    """Return path -> hash as ``tree_hashes`` would after committing everything: dirty and untracked files count as they are."""
    hashes = tree_hashes(root, "HEAD")
    # status names paths from the top of the repository, ls-tree from the folder it was asked in.
    prefix = below_top(root)
    dirty = [path.removeprefix(prefix).rstrip("/") for path in dirty_files(root)]
    # As git does: a symbolic link is hashed by the name of its target, not by the target's content.
    links = [path for path in dirty if (root / path).is_symlink()]
    present = [path for path in dirty if path not in links and (root / path).is_file()]
    for path in set(dirty) - set(present):
        hashes.pop(path, None)
        if path not in links and is_repository(root / path):
            hashes[path] = f"{GITLINK}:{_head(root / path)}"
    for path in links:
        target = os.readlink(root / path)  # noqa: PTH115 - a Path would tidy the name
        blob = call(root, "hash-object", "--stdin", text_input=target).strip()
        hashes[path] = f"{LINK}:{blob}"
    if present:
        # Git reads these names from the top of the repository, wherever it is called.
        lines = "".join(_path_line(prefix + path) for path in present)
        blobs = call(Path(top(root)), "hash-object", "--stdin-paths", text_input=lines).split()
        for path, blob in zip(present, blobs, strict=True):
            mode = "100755" if os.access(root / path, os.X_OK) else "100644"
            hashes[path] = f"{mode}:{blob}"
    return hashes


def is_repository(folder: Path) -> bool:
    """Return whether ``folder`` is the top of a repository: a submodule that was not fetched is an empty folder."""
    return (folder / ".git").exists()


def _head(root: Path) -> str:
    """Return the commit that is checked out in a repository, an empty text when there is none."""
    try:
        return call(root, "rev-parse", "--verify", "--quiet", "HEAD").strip()
    except BadInput:
        return ""


def _path_line(path: str) -> str:
    """Return ``path`` as a line of a list that git reads; git takes one that begins with a quote for a quoted one."""
    if path.startswith('"') or "\n" in path:
        path = '"' + path.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") + '"'
    return f"{path}\n"


def below_top(root: Path) -> str:
    """Return where ``root`` lies in its repository, as ``sub/folder/``; an empty text when it is the top."""
    return call(root, "rev-parse", "--show-prefix").strip()


def commits(root: Path, since: str) -> list[str]:
    """Return the commits of HEAD that ``since`` (a revision, or empty for the beginning) does not have, the oldest first."""
    span = f"{since}..HEAD" if since else "HEAD"
    return call(root, "rev-list", "--reverse", span, "--").split()


def added_lines(root: Path, since: str) -> Iterator[tuple[str, str, int, str]]:
    """Yield (commit, path, line number, text) of each line that a commit of ``since``..HEAD adds, also one removed later.

    Merges are compared with their first parent; paths are from the top of the repository.
    """
    span = f"{since}..HEAD" if since else "HEAD"
    out = call(
        root, "-c", "core.quotePath=false", "log", "--format=%x00%H", "--patch", "--unified=0",
        "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--diff-merges=first-parent", "--src-prefix=a/",
        "--dst-prefix=b/", span, "--",
    )  # fmt: skip
    commit, path, number, header = "", "", 0, True
    for line in out.split("\n"):
        if line.startswith("\0"):
            commit, header = line[1:], True
        elif line.startswith("diff --git "):
            path, header = "", True
        elif header and line.startswith("+++ "):
            path = line[4:].strip().strip('"').removeprefix("b/")
        elif line.startswith("@@ ") and (match := re.match(r"@@ -\S+ \+(\d+)", line)):
            number, header = int(match[1]), False
        elif not header and line.startswith("+"):
            yield commit, path, number, line[1:]
            number += 1


def tracked_files(root: Path) -> list[Path]:
    """Return the files below ``root`` that git tracks or would track, and that are there."""
    out = call(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    paths = (root / name for name in out.split("\0") if name)
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def source_files(folder: Path) -> Iterator[str]:
    """Yield the files and links below ``folder``, from it, that git tracks or would track, those of submodules too."""
    listed = call(
        folder, "-c", "core.excludesFile=/dev/null", "ls-files", "-z", "--cached", "--others", "--exclude-standard"
    )
    for name in sorted({*listed.split("\0")} - {""}):
        path = folder / name
        if path.is_symlink() or path.is_file():
            yield name
        elif is_repository(path) and not name.endswith("/"):
            yield from (f"{name}/{one}" for one in source_files(path))


def submodules(root: Path, sha: str) -> dict[str, str]:
    """Return path -> commit of every submodule of commit ``sha``, from the top of the repository."""
    found = call(root, "ls-tree", "-r", "-z", "--full-tree", sha).split("\0")
    entries = [entry.partition("\t") for entry in found if entry.startswith(GITLINK)]
    return {path: meta.split()[2] for meta, _, path in entries}


def tracked_below(root: Path, folder: Path) -> tuple[str, ...]:
    """Return the paths below ``folder``, or ``folder`` itself, that git tracks; none where there is no repository."""
    try:
        out = call(root, "--literal-pathspecs", "ls-files", "-z", "--", os.path.relpath(folder, root))
    except BadInput:
        return ()
    return tuple(path for path in out.split("\0") if path)


def top(root: Path) -> str:
    """Return the top folder of the repository."""
    return call(root, "rev-parse", "--show-toplevel").removesuffix("\n")


def tag(root: Path, name: str, sha: str) -> bool:
    """Tag a commit; return False when the repository has a tag of this name already.  Raises InfrastructureError."""
    if call(root, "tag", "--list", name).strip():
        return False
    call(root, "-c", "tag.gpgSign=false", "tag", name, sha)
    return True
