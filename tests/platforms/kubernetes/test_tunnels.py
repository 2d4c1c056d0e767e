"""Tunnels by kubectl: a program that behaves as kubectl does is run for real, and its end is seen."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import dawsos
from dawsos.adapters.clock import SystemClock
from dawsos.errors import InfrastructureError
from dawsos.platforms.kubernetes.tunnels import Tunnels
from waiting import is_gone, wait_until

pytestmark = pytest.mark.e2e  # runs processes

FORWARDS = """#!/bin/sh
echo $$ >> "$PIDS"
echo "Forwarding from 127.0.0.1:40123 -> 5432"
exec sleep 600
"""
REFUSES = """#!/bin/sh
echo "error: services \\"none\\" not found" >&2
exit 1
"""


def tunnels(folder: Path, script: str) -> Tunnels:
    program = folder / "kubectl"
    program.write_text(script)
    program.chmod(0o755)
    env = {"PATH": os.environ["PATH"], "PIDS": str(folder / "pids")}
    return Tunnels((str(program),), env, folder / "home", SystemClock())


def pids(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def test_a_tunnel_is_opened_once_and_is_gone_when_it_is_closed(tmp_path: Path) -> None:
    made = tunnels(tmp_path, FORWARDS)
    # One event loop after another, as the stages of a run have them.
    assert [asyncio.run(made.open("postgres", 5432)) for _ in range(2)] == [40123, 40123]
    (pid,) = pids(tmp_path)
    assert psutil.pid_exists(pid)
    made.close()
    made.close()
    assert is_gone(pid)


def test_a_tunnel_that_has_ended_is_opened_again(tmp_path: Path) -> None:
    made = tunnels(tmp_path, FORWARDS)
    asyncio.run(made.open("postgres", 5432))
    (pid,) = pids(tmp_path)
    os.kill(pid, 9)
    wait_until(lambda: is_gone(pid))
    wait_until(lambda: made._open["postgres", 5432].process.poll() is not None)
    try:
        assert asyncio.run(made.open("postgres", 5432)) == 40123
        assert len(pids(tmp_path)) == 2
    finally:
        made.close()


def test_a_tunnel_ends_when_the_tool_is_killed(tmp_path: Path) -> None:
    tunnels(tmp_path, FORWARDS)
    code = (
        "import asyncio, pathlib, sys; sys.path[:0] = sys.argv[2:]; folder = pathlib.Path(sys.argv[1]);"
        "from dawsos.adapters.clock import SystemClock; from dawsos.platforms.kubernetes.tunnels import Tunnels;"
        "made = Tunnels((str(folder / 'kubectl'),), {'PATH': '/usr/bin:/bin', 'PIDS': str(folder / 'pids')}, folder, SystemClock());"
        "asyncio.run(made.open('postgres', 5432)); print('open', flush=True); sys.stdin.read()"
    )
    source = str(Path(dawsos.__file__).parent.parent)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), source], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as tool:
        assert tool.stdout is not None
        assert tool.stdout.readline() == b"open\n"
        tool.kill()
    (pid,) = pids(tmp_path)
    wait_until(lambda: is_gone(pid))


def test_what_kubectl_says_is_the_error(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match='none:80 failed: error: services "none" not found'):
        asyncio.run(tunnels(tmp_path, REFUSES).open("none", 80))


def test_a_tunnel_leads_to_a_service_or_to_one_pod(tmp_path: Path) -> None:
    told = 'echo "$@" >> "$PIDS.argv"\n'
    made = tunnels(tmp_path, FORWARDS.replace('echo $$ >> "$PIDS"\n', told))
    for target in ("postgres", "pod/backend-1"):
        assert asyncio.run(made.open(target, 8000)) == 40123
    made.close()
    lines = (tmp_path / "pids.argv").read_text().splitlines()
    assert [line.split()[-2] for line in lines] == ["service/postgres", "pod/backend-1"]
