"""The reaper as a program: exit codes, the lifeline, nothing of the command left."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from dawsos.adapters.reapers import under_reaper
from waiting import is_gone, pids_in, wait_until


def reaper(*argv: str, grace: float = 0.1, folder: Path | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        under_reaper(argv, grace), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder
    )


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
)
def test_it_ends_with_the_command_s_own_code(script: str, code: int) -> None:
    with reaper("/bin/sh", "-c", script) as process:
        assert process.wait(20) == code


def test_a_command_that_cannot_be_started_is_127() -> None:
    with reaper("/no/such/program") as process:
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 127
    assert b"cannot start /no/such/program" in out


def test_closing_the_lifeline_ends_the_command(tmp_path: Path) -> None:
    with reaper("/bin/sh", "-c", "echo $$ > one.pid; sleep 60; sleep 60", folder=tmp_path) as process:
        (pid,) = pids_in(tmp_path, 1)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(20)
    assert is_gone(pid)


def test_what_is_written_to_the_lifeline_does_not_end_it(tmp_path: Path) -> None:
    with reaper("/bin/sh", "-c", "while [ ! -f stop ]; do sleep 0.01; done; exit 5", folder=tmp_path) as process:
        assert process.stdin is not None
        process.stdin.write(b"x" * 10)
        process.stdin.flush()
        (tmp_path / "stop").touch()
        assert process.wait(20) == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_lives_through_the_signals_that_a_terminal_sends(number: int, tmp_path: Path) -> None:
    """It must live to clean up; the caller hears the signal too, and closes the lifeline."""
    script = "echo $$ > one.pid; while [ ! -f stop ]; do sleep 0.01; done; exit 5"
    with reaper("/bin/sh", "-c", script, folder=tmp_path) as process:
        pids_in(tmp_path, 1)
        process.send_signal(number)
        (tmp_path / "stop").touch()
        assert process.wait(20) == 5


def test_the_command_does_not_inherit_the_guard_s_deafness(tmp_path: Path) -> None:
    with reaper("/bin/sh", "-c", "echo $$ > one.pid; sleep 60", folder=tmp_path) as process:
        (pid,) = pids_in(tmp_path, 1)
        os.killpg(pid, signal.SIGTERM)
        assert process.wait(20) == 143
        wait_until(lambda: is_gone(pid))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_command_may_run_as_another_user() -> None:
    argv = under_reaper(("/usr/bin/id", "-u"), 0.1, (65534, 65534))
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.wait(20) == 0
        assert process.stdout is not None
        assert process.stdout.read() == b"65534\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_command_found_by_its_name_runs_as_another_user() -> None:
    process = subprocess.Popen(
        under_reaper(("id", "-u"), 0.1, (65534, 65534)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with process:
        assert process.stdout is not None
        assert (process.stdout.read(), process.wait(20)) == (b"65534\n", 0)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="adoption is a matter of Linux")
def test_an_orphan_that_is_killed_leaves_no_zombie_with_its_pid(tmp_path: Path) -> None:
    """The reaper is the parent of what its command leaves orphaned, and a parent reaps."""
    note = tmp_path / "orphan.pid"
    script = (
        f"(sleep 60 & echo $! > {note}.new; mv {note}.new {note}); while [ -f {note} ]; do sleep 0.05; done; exit 3"
    )
    with reaper("/bin/sh", "-c", script) as process:
        wait_until(note.exists)
        orphan = int(note.read_text())
        os.kill(orphan, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{orphan}").exists())
        note.unlink()
        assert process.wait(20) == 3
