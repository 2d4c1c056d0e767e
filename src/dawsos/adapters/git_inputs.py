"""The content of every file of a working tree or a checkout, also where git's own hash does not tell it.

a submodule     its files, under the names that a step finds them by, with what is changed or new in them
a link          what it leads to, through further links; the files of a folder also under the names behind the link
Git LFS         whether the content lies there, or only the pointer that git keeps
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from dawsos.adapters import git
from dawsos.adapters.digests import sha256
from dawsos.model.plan import ABSENT, POINTER, UNSURE

Hashes = dict[str, str]
_LFS = b"version https://git-lfs.github.com/spec/"
_LONGEST_POINTER = 1024
# As many links in a row as Linux follows.
_LINKS = 40
# Git's hash of a folder that git has not.
_ELSEWHERE = "elsewhere"


def worktree_inputs(root: Path) -> Hashes:
    """Return path -> what decides the content of every file in the working tree ``root``, dirty and untracked ones as they are.

    What cannot be known begins with ``UNSURE``.
    """
    return _followed(root, _worktree)


def commit_inputs(root: Path, sha: str) -> Hashes:
    """Return the same of every file of commit ``sha``; ``root`` is (in) a checkout of it."""
    return _followed(root, lambda folder: _with_contents(folder, git.tree_hashes(folder, sha), _commit))


def _worktree(root: Path) -> Hashes:
    return _with_contents(root, git.worktree_hashes(root), _worktree)


def _commit(root: Path) -> Hashes:
    """Return the files of the commit that a submodule's checkout is at."""
    return _with_contents(root, git.tree_hashes(root, "HEAD"), _commit)


def _with_contents(root: Path, hashes: Hashes, below: Callable[[Path], Hashes]) -> Hashes:
    """Return ``hashes`` with the files of the submodules, read by ``below``, and with what lies there of Git LFS."""
    found = dict(hashes)
    for path in _lfs(root, hashes):
        found[path] += POINTER if _is_pointer(root / path) else ":content"
    for path in [path for path, value in hashes.items() if value.startswith(git.GITLINK)]:
        if not git.is_repository(root / path):
            found[path] += ABSENT
        elif hashes[path] == f"{git.GITLINK}:":
            found[path] = f"{UNSURE}{path} is a repository without a commit"
        else:
            inner = {f"{path}/{name}": value for name, value in below(root / path).items()}
            found |= inner
            found[path] += f":{_digest(inner)}"
    return found


def _digest(values: Mapping[str, str]) -> str:
    return sha256("\0".join(f"{name}\0{values[name]}" for name in sorted(values)).encode(errors="surrogateescape"))


def _lfs(root: Path, hashes: Hashes) -> list[str]:
    """Return the paths that Git LFS keeps; git is asked only where an attribute's file speaks of it."""
    own = [root / path for path in hashes if path.rpartition("/")[2] == ".gitattributes"]
    above = [root.joinpath(*[".."] * up, ".gitattributes") for up in range(1, git.below_top(root).count("/") + 1)]
    if not any(_speaks_of_lfs(path) for path in (*own, *above)):
        return []
    asked = "".join(f"{path}\0" for path in hashes)
    fields = git.call(root, "check-attr", "-z", "--stdin", "filter", text_input=asked).split("\0")
    return [path for path, value in zip(fields[::3], fields[2::3], strict=False) if value == "lfs"]


def _speaks_of_lfs(attributes: Path) -> bool:
    try:
        return b"lfs" in attributes.read_bytes()
    except OSError:
        return False


def _is_pointer(path: Path) -> bool:
    try:
        return path.stat().st_size <= _LONGEST_POINTER and path.read_bytes().startswith(_LFS)
    except OSError:
        return False


def _followed(root: Path, read: Callable[[Path], Hashes]) -> Hashes:
    """Return the files of ``root``, which ``read`` reads, with what their links lead to."""
    own = read(root)
    if not any(value.startswith(git.LINK) for value in own.values()):
        return own
    prefix, top = git.below_top(root), Path(git.top(root))
    # A link may lead out of the project's folder, and not out of its repository.
    entries = read(top) if prefix else own
    links = _Links(entries, top)
    found = dict(own)
    for path, value in own.items():
        if value.startswith(git.LINK):
            found[path], behind = links.followed(prefix + path)
            found.update({f"{path}/{name}": inner for name, inner in behind.items()})
    return found


class _Links:
    """The links among ``entries`` (name from the top of the repository -> hash), which lie on disk below ``top``."""

    def __init__(self, entries: Hashes, top: Path) -> None:
        self._entries = entries
        self._top = top.resolve()
        self._folders = {name[:end] for name in entries for end in _slashes(name)} | {""}

    def followed(self, name: str) -> tuple[str, Hashes]:
        """Return what decides the content behind the link ``name``, and the files behind it when it leads to a folder."""
        reached: Hashes = {}
        todo = [name]
        while todo:
            one = todo.pop()
            if one in reached:
                continue
            reached[one] = self._entries[one]
            if reached[one].startswith(git.LINK):
                target, fact = self._target(one)
                reached[f"{one} leads"] = fact
                todo += [target] if target in self._entries else self._below(target)
        unsure = next((value for value in reached.values() if value.startswith(UNSURE)), "")
        target, _ = self._target(name)
        behind = {inner[len(target) + 1 if target else 0 :]: self._entries[inner] for inner in self._below(target)}
        return unsure or f"{self._entries[name]}:{_digest(reached)}", behind

    def _below(self, folder: str | None) -> list[str]:
        if folder is None or folder not in self._folders:
            return []
        return [name for name in self._entries if not folder or name.startswith(f"{folder}/")]

    def _target(self, name: str) -> tuple[str | None, str]:
        """Return the name that a link leads to, None when it is none of the repository's, and what is known of its content."""
        done: list[str] = []
        todo = name.split("/")
        followed = 0
        while todo:
            part = todo.pop(0)
            if part in ("", "."):
                continue
            if part == "..":
                if not done:
                    return None, self._outside(name)
                done.pop()
                continue
            here = "/".join([*done, part])
            if not self._entries.get(here, "").startswith(git.LINK):
                done.append(part)
                continue
            followed += 1
            if followed > _LINKS:
                return None, "a circle"
            target = os.readlink(self._top / here)  # noqa: PTH115 - a Path would tidy the name
            if target.startswith("/"):
                if not Path(target).is_relative_to(self._top):
                    return None, self._outside(name)
                done, target = [], str(Path(target).relative_to(self._top))
            todo = [*target.split("/"), *todo]
        found = "/".join(done)
        if found in self._entries or found in self._folders:
            return found, found
        return None, self._unknown_to_git(name, found)

    def _unknown_to_git(self, name: str, target: str) -> str:
        if not (self._top / target).exists():
            return "nothing"
        return f"{UNSURE}{name} leads to {target}, which git does not know"

    def _outside(self, name: str) -> str:
        """Return the content of a file outside of the repository; of a folder there it is not known."""
        path = self._top / name
        if path.is_dir():
            return f"{UNSURE}{name} leads to a folder outside of the repository"
        try:
            if not path.is_file():
                return "something else" if path.exists() else "nothing"
            with path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            return f"{UNSURE}{name} cannot be read: {error.strerror}"


def _slashes(name: str) -> Iterator[int]:
    return (index for index, letter in enumerate(name) if letter == "/")
