"""Folders that are gone with who made them; and those of a process that was killed, which the next run removes.

Whoever works in such a folder holds a lock on the folder itself, which the operating system drops when he dies, however
he dies, and which stays with a folder that is renamed to where it is kept.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dawsos.adapters.locks import exclusive

# Only what has this end is ever removed, because only that has a lock.
OWNED = ".owned"
# Between making a folder and locking it lies an instant, in which nobody may take it for left over.
_YOUNG = 60.0


@contextmanager
def owned_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Give a new private folder below ``parent``, which is removed at the end unless it was renamed."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=OWNED, dir=parent))
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        exclusive(descriptor)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def sweep(patterns: Iterable[tuple[Path, str]], before: Callable[[Path], None] = lambda _folder: None) -> list[Path]:
    """Remove the folders of these (parent, glob) whose owner is gone, ``before`` is told of each; return them.

    What cannot be removed stays: no run must fail because of what another left.
    """
    removed = []
    for parent, pattern in patterns:
        for folder in parent.glob(pattern + OWNED):
            descriptor = _abandoned(folder)
            if descriptor is None:
                continue
            try:
                before(folder)
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
            finally:
                os.close(descriptor)
    return removed


def _abandoned(folder: Path) -> int | None:
    """Return a descriptor that holds the lock of a folder of ours that nobody works in any more, None when there is none."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        facts = os.fstat(descriptor)
        if facts.st_uid == os.geteuid() and time.time() - facts.st_mtime > _YOUNG and exclusive(descriptor, 0):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
