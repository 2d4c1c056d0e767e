"""The lock of an environment's files: a process that changes one holds it from reading the file to writing it.

Several processes write there: a ship, a rollback, a drill, ``dawsos down``, and the supervisor when a lease has ended.  The lock
is held for a short write, never while a process waits for another one or for Envoy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

from dawsos.adapters.locks import FileLock, owner_of
from dawsos.errors import OwnedElsewhere
from dawsos.platforms.local.state import Desired, read_desired, write_desired

PATIENT = 10.0
# Traffic must be on the stable release within a second of the decision: a process that moves it there waits no longer.
URGENT = 0.3
SUPERVISOR_LOCK = "supervisor.lock"


def supervisor_runs(folder: Path) -> bool:
    """Return whether a live supervisor holds its lock in the environment ``folder``."""
    return owner_of(folder / SUPERVISOR_LOCK) is not None


@contextmanager
def locked(folder: Path, within: float = PATIENT, *, or_without: bool = False) -> Iterator[None]:
    """Hold the lock of the environment ``folder`` while the body runs.

    Raises OwnedElsewhere with the pid of the holder when the lock is not free ``within`` seconds.  With ``or_without`` the body
    runs without the lock then: a stopped holder must not keep traffic from the stable release.
    """
    with FileLock(folder / "state.lock") as lock:
        if not lock.take(within) and not or_without:
            pid = lock.holder
            raise OwnedElsewhere(
                f"the environment {folder.name} is being changed by the process {pid}, which does not finish",
                fix=f"see what it does, or end it: kill -9 {pid}",
            )
        yield


@contextmanager
def changing(folder: Path) -> Iterator[Desired]:
    """Yield what should run, read under the lock; if the body changes it, it is written at the end.

    Raises InfrastructureError when it cannot be read: writing would then stop everything that runs.
    """
    with locked(folder):
        desired = read_desired(folder)
        before = deepcopy(desired)
        yield desired
        if desired != before:
            write_desired(folder, desired)
