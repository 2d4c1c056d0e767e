"""One file lock for everything that only one process may do at a time.

The operating system drops the lock when its holder dies, however it dies.  The holder writes its pid into the file, so that a
refused process can name it.  A process that only asks whether the lock is held tries it shared, so that two such processes do not
take each other for the holder; a process that takes the lock therefore tries for a moment before it gives up.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from dawsos.errors import OwnedElsewhere

# Longer than ``owner_of`` holds the lock to see whether it is free.
A_MOMENT = 0.2
_PAUSE = 0.005


class FileLock:
    """The lock of the file ``path``, which is made when missing; a context manager that releases it.

    It is not taken before ``take`` says so.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Who may read a file may lock it: another user could keep everybody waiting.
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with contextlib.suppress(PermissionError):
            os.fchmod(self._descriptor, 0o600)

    def take(self, within: float = A_MOMENT) -> bool:
        """Take the lock for this process alone; return False when another still has it after ``within`` seconds.

        It blocks the thread for that long.  In an event loop: ``while not lock.take(0): await asyncio.sleep(...)``.
        """
        if not exclusive(self._descriptor, within):
            return False
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)
        return True

    @property
    def holder(self) -> str:
        """The pid of the process that has the lock, ``unknown`` when the last one that left its pid is dead."""
        return str(_pid(self._descriptor) or "unknown")

    def __enter__(self) -> FileLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def exclusive(descriptor: int, within: float = A_MOMENT) -> bool:
    """Lock the open file or folder ``descriptor``; return False when another still has it after ``within`` seconds.

    Raises OSError where the file system has no locks.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)
        else:
            return True


@contextmanager
def owned(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file ``path`` while the body runs; raises OwnedElsewhere naming the pid of the live owner of ``what``."""
    with FileLock(path) as lock:
        if not lock.take():
            pid = lock.holder
            if pid == "unknown":
                raise OwnedElsewhere(
                    f"{what} is locked by a process that left no pid in {path}",
                    fix=f"wait for it; lslocks and fuser {path} tell which one it is",
                )
            raise OwnedElsewhere(
                f"{what} is owned by the live process {pid}", fix=f"wait for it, or stop it first: kill {pid}"
            )
        yield


def owner_of(path: Path) -> int | None:
    """Return the pid that holds the lock file now, 0 when it left no pid, None when nobody holds it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid(descriptor)
    finally:
        os.close(descriptor)
    return None


def _pid(descriptor: int) -> int:
    text = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
    pid = int(text) if text.isascii() and text.isdigit() else 0
    return pid if pid and _lives(pid) else 0


def _lives(pid: int) -> bool:
    """Return whether there is such a process: a file keeps the pid of a dead one while somebody else holds the lock."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True
