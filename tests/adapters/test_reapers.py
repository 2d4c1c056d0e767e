"""The server of reapers: started once, replaced when it was killed, gone with its process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dawsos.adapters.reapers import Reapers
from dawsos.model.process import Command
from waiting import is_gone, wait_until


@pytest.fixture
def reapers() -> Iterator[Reapers]:
    found = Reapers()
    yield found
    found.stop()


def command(*argv: str, env: dict[str, str] | None = None, cwd: str = "/") -> Command:
    return Command(argv, cwd, {"PATH": "/usr/bin:/bin"} if env is None else env, "", 10.0)


def answer(reapers: Reapers, wanted: Command) -> tuple[int, str, bytes]:
    """Run ``wanted`` and return the reaper's pid, what it says of the end, and the output."""
    lifeline, ours = os.pipe()
    output, output_end = os.pipe()
    status, status_end = os.pipe()
    try:
        reapers.ask(wanted, lifeline, output_end, status_end)
    finally:
        for number in (lifeline, output_end, status_end):
            os.close(number)
    with os.fdopen(output, "rb") as stream, os.fdopen(status, "rb") as ended:
        said = stream.read()
        pid, _, words = ended.read().decode().partition("\n")
    os.close(ours)
    return int(pid), words, said


def servers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "--serve" in child.cmdline()]


def test_each_command_has_a_guard_of_its_own_from_one_server(reapers: Reapers) -> None:
    known = {server.pid for server in servers()}
    first, code, said = answer(reapers, command("sh", "-c", "echo one; exit 3"))
    second, *_ = answer(reapers, command("true"))
    assert (code, said) == ("exit 3", b"one\n")
    assert first != second
    assert len({server.pid for server in servers()} - known) == 1


def test_the_environment_is_the_command_s_own_whatever_bytes_it_holds(reapers: Reapers) -> None:
    env = {
        "PATH": "/usr/bin:/bin",
        "EMPTY": "",
        "PAIR": "a=b\nc",
        "UMLAUT": "\u00e4",
        "BYTES": os.fsdecode(b"\xff\xfe"),
    }
    _, code, said = answer(reapers, command("env", "-0", env=env))
    assert code == "exit 0"
    assert sorted(said.rstrip(b"\0").split(b"\0")) == sorted(
        os.fsencode(f"{name}={word}") for name, word in env.items()
    )


def test_the_command_runs_in_its_folder_and_finds_no_descriptor_of_the_guard_s(
    reapers: Reapers, tmp_path: Path
) -> None:
    _, code, said = answer(
        reapers, command("sh", "-c", "pwd; cd /proc/self/fd 2>/dev/null && echo *", cwd=str(tmp_path))
    )
    assert code == "exit 0"
    where, *rest = said.decode().splitlines()
    assert where == str(tmp_path)
    assert rest in ([], ["0 1 2"], ["0 1 10 2", "0 1 2"], ["0 1 2 3"])


def test_a_long_request_arrives_whole(reapers: Reapers) -> None:
    env = {"PATH": "/usr/bin:/bin", **{f"LONG{number}": "x" * 100_000 for number in range(10)}}
    _, code, said = answer(reapers, command("sh", "-c", "echo $LONG0$LONG9 | wc -c", env=env))
    assert (code, said.strip()) == ("exit 0", b"200001")


def test_a_nul_character_is_refused_before_anything_starts(reapers: Reapers) -> None:
    with pytest.raises(OSError, match="NUL"):
        answer(reapers, command("echo", "a\0b"))


def test_a_server_that_was_killed_is_replaced(reapers: Reapers) -> None:
    known = {server.pid for server in servers()}
    answer(reapers, command("true"))
    (server,) = (server for server in servers() if server.pid not in known)
    server.kill()
    server.wait(10)
    _, code, _ = answer(reapers, command("sh", "-c", "exit 4"))
    assert code == "exit 4"


def test_a_guard_outlives_its_server_and_still_ends_its_command(reapers: Reapers, tmp_path: Path) -> None:
    known = {server.pid for server in servers()}
    lifeline, ours = os.pipe()
    status, status_end = os.pipe()
    null = os.open(os.devnull, os.O_WRONLY)
    reapers.ask(
        command("sh", "-c", f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; sleep 60"),
        lifeline,
        null,
        status_end,
    )
    for number in (lifeline, status_end, null):
        os.close(number)
    wait_until((tmp_path / "pid").exists)
    pid = int((tmp_path / "pid").read_text())
    (server,) = (server for server in servers() if server.pid not in known)
    server.kill()
    server.wait(10)
    assert not is_gone(pid)
    os.close(ours)
    with os.fdopen(status, "rb") as ended:
        assert ended.read().decode().endswith("exit 143")
    wait_until(lambda: is_gone(pid))


_CALLER = """
import os, sys
from dawsos.adapters.reapers import reapers
reapers().start()
print("started", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", [None, signal.SIGKILL])
def test_the_server_is_gone_with_its_caller(number: int | None) -> None:
    argv = [sys.executable, "-c", _CALLER]
    env = {**os.environ, "PYTHONPATH": "src"}
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (server,) = psutil.Process(process.pid).children()
        if number is not None:
            process.send_signal(number)
        else:
            assert process.stdin is not None
            process.stdin.close()
        process.wait(20)
    if number is None:
        # An ordinary end waits for it.
        assert is_gone(server.pid)
    wait_until(lambda: is_gone(server.pid))


def test_the_server_knows_nothing_of_our_environment(reapers: Reapers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAK", "yes")
    known = {server.pid for server in servers()}
    reapers.start()
    (server,) = (server for server in servers() if server.pid not in known)
    wait_until(lambda: "--serve" in server.cmdline())
    assert "LEAK" not in server.environ()


def test_a_request_that_is_cut_off_ends_the_server() -> None:
    from dawsos.adapters.reapers import REAPER

    ours, theirs = socket.socketpair()
    with (
        ours,
        theirs,
        subprocess.Popen([sys.executable, "-I", "-S", str(REAPER), "--serve"], stdin=theirs.fileno()) as process,
    ):
        theirs.close()
        null = os.open(os.devnull, os.O_RDWR)
        socket.send_fds(ours, [(100).to_bytes(8, "big")], [null, null, null])
        ours.sendall(b"half of it")
        ours.close()
        assert process.wait(20) == 0
        os.close(null)
