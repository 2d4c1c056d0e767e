"""Waiting for a condition with a deadline, and what became of a process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil


def wait_until(condition: Callable[[], object], within: float = 20.0) -> None:
    """Return as soon as ``condition`` is true; fail when it is not so in time."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not so within {within:g} s"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Return whether the process has ended (a zombie has)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def pids_in(folder: Path, count: int) -> list[int]:
    """Return the pids that ``count`` processes wrote into ``folder``/*.pid, once all have."""

    def written() -> list[str]:
        return [text for path in sorted(folder.glob("*.pid")) if (text := path.read_text().strip())]

    wait_until(lambda: len(written()) == count)
    return [int(text) for text in written()]
