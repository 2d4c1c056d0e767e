"""A cluster of the tests' own leaves nothing, whatever becomes of who wanted it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from support.own_cluster import ROOT, SCRIPT, reason_against

REAPER = ROOT / "src" / "dawsos" / "adapters" / "reaper.py"
# Stands for a session of tests that uses a cluster and is in the middle of something.
SESSION = """
import sys, time
sys.path[:0] = [{src!r}, {tests!r}]
from support.own_cluster import own_cluster
with own_cluster() as cluster:
    print((cluster.kubeconfig.parent / "env").read_text(), flush=True)
    print("ready", flush=True)
    time.sleep(600)
"""


def killed(session: subprocess.Popen[str]) -> None:
    """Kill the tests themselves; only the closed pipe tells."""
    for child in psutil.Process(session.pid).children(recursive=True):
        if "own_cluster" in " ".join(child.cmdline()):
            child.kill()


def ended(session: subprocess.Popen[str]) -> None:
    """What scripts/check.py does when time is up, or when it is killed itself: the reaper sends TERM to all, and KILL."""
    assert session.stdin is not None
    session.stdin.close()


def interrupted(session: subprocess.Popen[str]) -> None:
    """Ctrl-C reaches the tests."""
    for child in psutil.Process(session.pid).children(recursive=True):
        if "own_cluster" in " ".join(child.cmdline()):
            child.send_signal(signal.SIGINT)


@pytest.mark.parametrize("end", [killed, ended, interrupted], ids=lambda end: end.__name__)
def test_nothing_is_left(end: Callable[[subprocess.Popen[str]], None]) -> None:
    against = reason_against()
    if against:
        pytest.skip(f"no cluster: {against}")
    code = SESSION.format(src=str(ROOT / "src"), tests=str(ROOT / "tests"))
    session = subprocess.Popen(
        [sys.executable, "-I", "-S", str(REAPER), "30", "-", "--", sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert session.stdout is not None
    told = ""
    for line in session.stdout:
        if line == "ready\n":
            break
        told += line
    assert "NODE=" in told, told
    node = told.partition("NODE=")[2].split()[0]
    run = _run_of(node)
    assert left(node, run)
    end(session)
    if session.stdin is not None:
        session.stdin.close()
    session.wait(60)
    session.stdout.close()
    deadline = time.monotonic() + 20
    while left(node, run) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left(node, run) == []


def _run_of(node: str) -> Path:
    folder = ROOT / ".dawsos" / "tool" / "cluster" / "runs"
    return next(file.parent for file in folder.glob("*/env") if f"NODE={node} " in file.read_text())


def left(node: str, run: Path) -> list[str]:
    """Return what is on this machine of a node: processes, cgroups, its link with the routes, mounts, its folder."""
    found = [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/{node}")]
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    found += [line for line in links.splitlines() if f"v{node}@" in line or f"p{node}@" in line]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(run) in line]
    for process in psutil.process_iter():
        try:
            if str(run) in " ".join(process.cmdline()) and process.pid != os.getpid():
                found.append(f"{process.pid} {process.cmdline()[:3]}")
        except psutil.Error:
            pass
    return found + ([str(run)] if (run / "env").exists() else [])


def test_its_script_says_what_it_does() -> None:
    told = subprocess.run([str(SCRIPT)], capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "deploy/cluster/cluster up" in told.stdout
