"""One live owner: a file lock that the operating system drops when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dawsos.errors import OwnedElsewhere

_TRIES = 10
_PAUSE = 0.02


@contextmanager
def owned(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file ``path`` while the body runs; raises OwnedElsewhere naming the pid of the live owner."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            _lock(descriptor)
        except OSError as error:
            pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise OwnedElsewhere(
                f"{what} is owned by the live process {pid}", fix=f"wait for it, or stop it first: kill {pid}"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Take the lock; raises OSError when another has it for longer than ``owner_of`` holds it to see whether it is free."""
    for turn in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if turn == _TRIES - 1:
                raise
            time.sleep(_PAUSE)
        else:
            return


def owner_of(path: Path) -> int | None:
    """Return the pid that holds the lock file now, None when nobody does."""
    if not path.exists():
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        # Shared, so that two who ask at once do not take each other for the owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        text = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(descriptor)
    return None
