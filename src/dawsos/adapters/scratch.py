"""Temporary folders: their owner removes them at the end; if it was killed, the next run does.

The owner holds a lock on the folder itself.  The operating system drops the lock when the owner dies, and the lock stays with a
folder that is renamed to its final place.
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

# Only folders with this suffix are removed, because only they have a lock.
OWNED = ".owned"
# A folder is made a moment before it is locked: a younger one is never taken for abandoned (seconds).
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
    """Remove the folders of these (parent, glob) whose owner is gone; call ``before`` with each; return them.

    A folder that cannot be removed stays: a run must not fail because of what another one left behind.
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
    """Return a descriptor that holds the lock of one of this tool's folders whose owner is gone, None when there is none."""
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
