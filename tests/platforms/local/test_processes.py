"""Processes that outlive whoever started them, and are never mistaken for a later one with the same pid."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dawsos.model.process import ProcessSpec
from dawsos.platforms.local.processes import (
    Handle,
    alive,
    kill_tree,
    moved,
    read_handle,
    send,
    spawn,
    spec_digest,
    start_time,
    stop,
)
from waiting import is_gone, pids_in, wait_until


def spec(folder: Path, script: str) -> ProcessSpec:
    return ProcessSpec(
        "p", "g", ("/bin/sh", "-c", script), str(folder), {"PATH": "/usr/bin:/bin"}, log=str(folder / "log")
    )


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Handle]]:
    """What a test starts ends with it."""
    handles: list[Handle] = []
    yield handles
    for handle in handles:
        kill_tree(handle)


def begin(folder: Path, started: list[Handle], script: str) -> Handle:
    handle = spawn(spec(folder, script), folder / "p.json")
    started.append(handle)
    return handle


def test_a_process_is_nobody_s_child_and_is_found_again(tmp_path: Path, started: list[Handle]) -> None:
    handle = begin(tmp_path, started, "echo $$ > one.pid; exec sleep 60")
    assert pids_in(tmp_path, 1) == [handle.pid]
    assert read_handle(tmp_path / "p.json") == handle
    assert alive(handle)
    assert os.getpgid(handle.pid) == handle.pid
    with pytest.raises(ChildProcessError):
        os.waitpid(handle.pid, os.WNOHANG)


def test_a_process_hears_the_signals_that_its_starter_was_told_to_ignore(tmp_path: Path, started: list[Handle]) -> None:
    """A shell that starts a ship in the background has it ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        script = "trap 'echo bye; exit 0' INT; echo $$ > one.pid; while true; do sleep 0.01; done"
        handle = begin(tmp_path, started, script)
    finally:
        signal.signal(signal.SIGINT, before)
    pids_in(tmp_path, 1)
    send(handle, "SIGINT")
    wait_until(lambda: is_gone(handle.pid))
    assert (tmp_path / "log").read_text() == "bye\n"


def test_an_orderly_end(tmp_path: Path, started: list[Handle]) -> None:
    handle = begin(
        tmp_path, started, "trap 'echo bye; exit 0' TERM; echo $$ > one.pid; while true; do sleep 0.01; done"
    )
    pids_in(tmp_path, 1)
    stop(handle, "SIGTERM", 10.0)
    assert not alive(handle)
    assert "bye" in (tmp_path / "log").read_text()


def test_what_is_deaf_is_ended_by_force_with_its_children(tmp_path: Path, started: list[Handle]) -> None:
    child = "setsid sh -c 'trap \"\" TERM; echo $$ > two.pid; sleep 60; sleep 60'"
    script = f"trap '' TERM; echo $$ > one.pid; {child} & sleep 60; sleep 60"
    handle = begin(tmp_path, started, script)
    pids = pids_in(tmp_path, 2)
    stop(handle, "SIGTERM", 0.1)
    wait_until(lambda: all(map(is_gone, pids)))


def test_another_process_with_its_pid_is_not_it(tmp_path: Path, started: list[Handle]) -> None:
    handle = begin(tmp_path, started, "exec sleep 60")
    other = replace(handle, started="another time")
    assert not alive(other)
    send(other, "SIGKILL")
    kill_tree(other)
    stop(other, "SIGKILL", 0.1)
    assert alive(handle)


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        spawn(replace(spec(tmp_path, ""), argv=("/no/such/program",)), tmp_path / "p.json")


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"pid": 1}'])
def test_a_pid_file_that_says_nothing_is_none(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "p.json").write_text(text)
    assert read_handle(tmp_path / "p.json") is None


def test_nobody_has_no_start_time() -> None:
    assert start_time(2**22 + 1) == ""
    assert start_time(os.getpid()) == start_time(os.getpid()) != ""


def test_a_changed_spec_is_noticed(tmp_path: Path) -> None:
    one = spec(tmp_path, "true")
    assert spec_digest(one) == spec_digest(spec(tmp_path, "true"))
    assert spec_digest(one) != spec_digest(replace(one, env={"A": "1"}))


@pytest.mark.parametrize("text", ["", "[]", '{"pid": 1}', '{"pid": "1", "started": "2", "digest": ""}'])
def test_a_pid_file_of_another_shape_has_no_handle(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text(text)
    assert read_handle(tmp_path / "p.json") is None


def test_a_pid_file_has_a_version_and_may_have_keys_that_are_not_known(tmp_path: Path, started: list[Handle]) -> None:
    handle = begin(tmp_path, started, "exec sleep 60")
    written = json.loads((tmp_path / "p.json").read_text())
    assert written["version"] == 1
    (tmp_path / "p.json").write_text(json.dumps({**written, "version": 2, "cgroup": "x"}))
    assert read_handle(tmp_path / "p.json") == handle
    # As commit 9091e4c wrote it.
    (tmp_path / "p.json").write_text(json.dumps({key: written[key] for key in ("pid", "started", "digest")}))
    assert read_handle(tmp_path / "p.json") == handle


def test_a_signal_that_is_not_known_here_asks_for_an_end(tmp_path: Path, started: list[Handle]) -> None:
    handle = begin(tmp_path, started, "exec sleep 60")
    send(handle, "SIGNEW")
    wait_until(lambda: not alive(handle))


def sleeper(program: Path, seconds: str = "60") -> ProcessSpec:
    """Return a process whose program is a copy of ``sleep``, as another version of a tool has it in its own folder."""
    program.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy("/bin/sleep", program)
    return ProcessSpec("p", "g", (str(program), seconds), "/", {"PATH": "/usr/bin:/bin"}, log="/dev/null")


def test_a_process_whose_program_lies_elsewhere_now_is_known_by_its_new_spec(
    tmp_path: Path, started: list[Handle]
) -> None:
    pid_file, now = tmp_path / "p.json", sleeper(tmp_path / "new" / "bin" / "sleep")
    handle = spawn(sleeper(tmp_path / "old" / "bin" / "sleep"), pid_file)
    started.append(handle)
    found = moved(handle, now, pid_file)
    assert found == replace(handle, digest=spec_digest(now))
    assert read_handle(pid_file) == found
    assert alive(found)


@pytest.mark.parametrize("what", ["arguments", "content", "gone before", "not there now", "a virtual environment"])
def test_a_process_that_differs_otherwise_is_another(tmp_path: Path, started: list[Handle], what: str) -> None:
    pid_file = tmp_path / "p.json"
    before, now = (tmp_path / name / "bin" / "sleep" for name in ("old", "new"))
    handle = spawn(sleeper(before), pid_file)
    started.append(handle)
    wanted = sleeper(now, "61" if what == "arguments" else "60")
    match what:
        case "content":
            now.write_bytes(now.read_bytes()[:-1] + b"x")
        case "gone before":
            before.unlink()
        case "not there now":
            now.unlink()
        case "a virtual environment":
            (now.parent.parent / "pyvenv.cfg").touch()
    assert moved(handle, wanted, pid_file) is None
    assert read_handle(pid_file) == handle


def test_a_process_that_has_ended_did_not_move(tmp_path: Path, started: list[Handle]) -> None:
    pid_file = tmp_path / "p.json"
    handle = spawn(sleeper(tmp_path / "old" / "bin" / "sleep"), pid_file)
    kill_tree(handle)
    wait_until(lambda: is_gone(handle.pid))
    assert moved(handle, sleeper(tmp_path / "new" / "bin" / "sleep"), pid_file) is None


def test_what_a_shell_leaves_behind_ends_with_it(tmp_path: Path, started: list[Handle]) -> None:
    """The shell gets the signal, and its child would keep the port."""
    handle = begin(tmp_path, started, "sleep 60 & echo $! > one.pid; wait")
    (child,) = pids_in(tmp_path, 1)
    stop(handle, "SIGTERM", 10.0)
    wait_until(lambda: is_gone(child))
