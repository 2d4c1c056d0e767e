"""SHA-256 of files: what evidence, caches and statements are compared by."""

from __future__ import annotations

import hashlib
from pathlib import Path


def sha256(content: bytes) -> str:
    """Return the SHA-256 of ``content`` in hex."""
    return hashlib.sha256(content).hexdigest()


def tree_digests(folder: Path) -> dict[str, str]:
    """Return relative path -> SHA-256 of every file below ``folder``; of a symbolic link it is that of its target's name.

    A file that vanishes meanwhile is left out: it is not evidence of anything.
    """
    digests = {}
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_symlink():
                digests[path.relative_to(folder).as_posix()] = sha256(b"link " + str(path.readlink()).encode())
            elif path.is_file():
                digests[path.relative_to(folder).as_posix()] = sha256(path.read_bytes())
        except FileNotFoundError:
            continue
    return digests
