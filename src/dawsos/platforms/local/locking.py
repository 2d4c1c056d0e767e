"""One lock over the files of an environment: whoever reads one to write it again holds it from the reading to the writing.

Several processes write there: a ship, a rollback, a drill, ``dawsos down``, and the supervisor when a lease has run out.
The lock is held for a small write, never while somebody waits for a process or for Envoy.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

from dawsos.errors import InfrastructureError, OwnedElsewhere
from dawsos.platforms.local.state import Desired, told_to_run, write_desired

PATIENT = 10.0
# Traffic must be on the stable release within a second of the decision: whoever moves it there waits no longer than this.
URGENT = 0.3
_PAUSE = 0.005


@contextmanager
def locked(folder: Path, within: float = PATIENT, *, or_without: bool = False) -> Iterator[None]:
    """Hold the lock of the environment ``folder`` while the body runs.

    Raises OwnedElsewhere, naming the pid of the holder, when it does not get free ``within`` seconds.  With ``or_without``
    the body runs all the same then: a holder who was stopped must not keep traffic from going to the stable release.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "state.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if _taken(descriptor, within):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        elif not or_without:
            pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise OwnedElsewhere(
                f"the environment {folder.name} is being changed by the process {pid}, which does not get on",
                fix=f"see what it does, or end it: kill -9 {pid}",
            )
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int, within: float) -> bool:
    deadline = time.monotonic() + within
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)
        else:
            return True


@contextmanager
def changing(folder: Path) -> Iterator[Desired]:
    """Give what should run, read under the lock, to be changed; it is written at the end of the body when it was.

    Raises InfrastructureError when it cannot be read: what is written then would stop everything that runs.
    """
    with locked(folder):
        desired = told_to_run(folder)
        if desired is None:
            raise InfrastructureError(
                f"{folder / 'desired.json'} cannot be read",
                fix="check the disk, the rights and the limit of open files",
            )
        before = deepcopy(desired)
        yield desired
        if desired != before:
            write_desired(folder, desired)
