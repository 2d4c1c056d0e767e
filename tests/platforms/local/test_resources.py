"""What a deployment's processes use, and how many of them ended by themselves: real processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from dawsos.platforms.contract import ProcessStatus
from dawsos.platforms.local.resources import Deaths, used

HOG = """
import subprocess, sys, time
kept = bytearray(30_000_000)
child = subprocess.Popen([sys.executable, "-c", "kept = bytearray(60_000_000); print('ready', flush=True); input()"])
end = time.process_time() + 0.3
while time.process_time() < end:
    pass
child.wait()
"""


@pytest.fixture
def hog() -> Iterator[int]:
    """A process with 30 MB that used 0.3 s, whose child has 60 MB; both are there."""
    with subprocess.Popen(
        [sys.executable, "-c", HOG], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid
        assert process.stdin is not None
        process.stdin.close()


def status(name: str, pid: int, *restarts: float, group: str = "d1") -> ProcessStatus:
    return ProcessStatus(name, group, pid, "ready", restarts)


def test_children_count_and_workers_are_no_replicas(hog: int) -> None:
    alone = used([status("d1.0", hog)], "d1")
    assert alone is not None
    assert (alone.replicas, alone.limit) == (1, None)
    assert alone.memory > 90e6
    twice = used([status("d1.0", hog), status("d1.worker", hog), status("d0.0", hog, group="d0")], "d1")
    assert twice is not None
    assert (twice.replicas, twice.memory > 1.9 * alone.memory) == (1, True)


def test_processor_time_is_counted(hog: int) -> None:
    found = used([status("d1.0", hog)], "d1")
    while found is not None and found.cpu < 0.3:
        found = used([status("d1.0", hog)], "d1")
    assert found is not None


def test_what_cannot_be_read_is_not_a_zero() -> None:
    assert used([], "d1") is None
    assert used([status("d1.0", 0), status("d1.1", 2**22 - 1)], "d1") is None


def test_deaths_are_those_since_the_last_look() -> None:
    deaths = Deaths()
    before = [status("d1.0", 1, 10.0), status("d1.1", 2)]
    assert deaths.count(before, "d1") is None
    assert deaths.count(before, "d1") == 0
    after = [status("d1.0", 3, 10.0, 12.0), status("d1.1", 4, 12.5), status("d0.0", 5, 13.0, group="d0")]
    assert deaths.count(after, "d1") == 2
    assert deaths.count(after, "d1") == 0
    assert deaths.count([status("d1.0", 3, 12.0)], "d1") == 0
    assert deaths.count(after, "d0") is None
