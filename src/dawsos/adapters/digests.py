"""SHA-256 digests of files, by which evidence, caches and statements are compared."""

from __future__ import annotations

import hashlib
from pathlib import Path


def sha256(content: bytes) -> str:
    """Return the SHA-256 of ``content`` in hex."""
    return hashlib.sha256(content).hexdigest()


def storable(text: str) -> str:
    """Return ``text`` with what UTF-8 cannot hold as escapes: bytes of a file's name in another encoding, half a character."""
    return text.encode(errors="backslashreplace").decode()


def tree_digests(folder: Path) -> dict[str, str]:
    """Return relative path -> SHA-256 of every file below ``folder``; of a symbolic link it is that of its target's name.

    The names are ``storable``, for they go into the journal.

    A file that vanishes meanwhile is left out: it is not evidence of anything.
    """
    digests = {}
    for path in sorted(folder.rglob("*")):
        name = storable(path.relative_to(folder).as_posix())
        try:
            if path.is_symlink():
                digests[name] = sha256(b"link " + str(path.readlink()).encode(errors="surrogateescape"))
            elif path.is_file():
                digests[name] = sha256(path.read_bytes())
        except FileNotFoundError:
            continue
    return digests
