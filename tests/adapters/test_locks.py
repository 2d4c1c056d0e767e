"""One live owner, whose lock dies with it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dawsos.adapters.locks import owned, owner_of
from dawsos.errors import OwnedElsewhere
from waiting import asked_by_many

_HOLD = """
import sys, time
from pathlib import Path
from dawsos.adapters.locks import owned
with owned(Path(sys.argv[1]), "run x"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_owner_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    lock = tmp_path / "owner.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(lock)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "src"}
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(OwnedElsewhere, match=f"live process {holder.pid}"), owned(lock, "run x"):
            pass
        assert owner_of(lock) == holder.pid
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
        with owned(lock, "run x"):
            assert owner_of(lock) == os.getpid()
        assert owner_of(lock) is None
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout:
            holder.stdout.close()


def test_who_only_asks_is_never_taken_for_the_owner(tmp_path: Path) -> None:
    lock = tmp_path / "owner.lock"
    with owned(lock, "run x"):
        pass
    assert asked_by_many(lambda: owner_of(lock)) == {None}


def test_an_owner_is_not_turned_away_by_somebody_who_only_asks(tmp_path: Path) -> None:
    lock = tmp_path / "owner.lock"
    asked = lock.open("w")
    fcntl.flock(asked, fcntl.LOCK_SH)
    asker = threading.Timer(0.05, asked.close)
    asker.start()
    with owned(lock, "run x"):
        assert owner_of(lock) == os.getpid()
    asker.join()
