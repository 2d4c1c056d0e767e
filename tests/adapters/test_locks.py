"""One live owner, whose lock dies with it."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from dawsos.adapters.locks import FileLock, exclusive, owned, owner_of
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


def test_a_lock_is_waited_for_until_its_deadline_and_its_holder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.lock"
    with ExitStack() as stack, FileLock(path) as second:
        assert stack.enter_context(FileLock(path)).take(0)
        began = time.monotonic()
        assert not second.take(0.1)
        assert 0.1 <= time.monotonic() - began < 5
        assert second.holder == str(os.getpid())
        release = threading.Timer(0.05, stack.close)
        release.start()
        assert second.take(10)
        release.join()
    assert owner_of(path) is None


def test_a_lock_that_is_not_taken_is_held_by_nobody(tmp_path: Path) -> None:
    with FileLock(tmp_path / "x.lock") as lock:
        assert owner_of(tmp_path / "x.lock") is None
        assert lock.holder == "unknown"
    assert owner_of(tmp_path / "no such folder" / "x.lock") is None


def test_a_holder_that_left_no_pid_is_a_holder(tmp_path: Path) -> None:
    with (tmp_path / "x.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert owner_of(tmp_path / "x.lock") == 0


def test_what_cannot_be_locked_is_not_taken_for_locked(tmp_path: Path) -> None:
    """A file system without locks must not look like an owner that never ends."""
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    with pytest.raises(OSError, match="Bad file descriptor"):
        exclusive(writer, 5)


def test_a_folder_can_be_locked(tmp_path: Path) -> None:
    first, second = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    try:
        assert exclusive(first, 0)
        assert not exclusive(second, 0)
    finally:
        os.close(first)
        os.close(second)


def test_another_user_may_not_lock_the_file(tmp_path: Path) -> None:
    for made in ("new", "old"):
        path = tmp_path / made
        if made == "old":
            path.touch(mode=0o644)
        with FileLock(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_lock_is_not_made_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="lock"):
        FileLock(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()


def test_a_dead_process_is_not_named_as_the_owner(tmp_path: Path) -> None:
    """Who reads the advice to end it may end another process that has got its pid by then."""
    lock = tmp_path / "owner.lock"
    dead = subprocess.Popen(["true"])
    dead.wait()
    lock.write_text(str(dead.pid))
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OwnedElsewhere, match="left no pid") as refused, owned(lock, "run x"):
            pass
    assert "kill" not in refused.value.fix
