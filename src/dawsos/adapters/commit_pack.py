"""One commit with its files, and nothing of its history, as bytes: taken out of a repository, and made one again elsewhere."""

from __future__ import annotations

from pathlib import Path

from dawsos.adapters.git import call

# The length of the name of a commit in a repository that uses SHA-1.
_SHA1 = 40
# What git writes is text for whoever calls it; so any byte comes back as it was.
_BYTES = "surrogateescape"


def packed(root: Path, sha: str) -> bytes:
    """Return commit ``sha`` with all of its files as a pack of git's; raises BadInput."""
    objects = call(root, "rev-list", "--objects", "--no-walk", "--no-object-names", sha)
    return call(root, "pack-objects", "--stdout", "-q", text_input=objects).encode(errors=_BYTES)


def unpack(folder: Path, pack: bytes, sha: str) -> None:
    """Make ``folder`` a repository with commit ``sha``, checked out, of what ``packed`` returned; raises BadInput."""
    folder.mkdir(parents=True, exist_ok=True)
    kind = "sha256" if len(sha) > _SHA1 else "sha1"
    call(folder, "init", "--quiet", "--template=", f"--object-format={kind}")
    # Its parents are not there, and git must not look for them.
    (folder / ".git" / "shallow").write_text(f"{sha}\n")
    # git names each object by the hash of its content: what was altered on its way has another name.
    call(folder, "index-pack", "--stdin", "--strict", text_input=pack.decode(errors=_BYTES))
    call(folder, "-c", "core.hooksPath=/dev/null", "checkout", "--quiet", "--detach", sha)


def content(root: Path, sha: str, path: str) -> str:
    """Return a text file below ``root`` as it is in commit ``sha``; raises BadInput when it is not there."""
    return call(root, "show", f"{sha}:./{path}")
