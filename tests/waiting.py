"""Waiting for a condition with a deadline, and what became of a process."""

from __future__ import annotations

import threading
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


def asked_by_many(question: Callable[[], object]) -> set[object]:
    """Return the different answers that four threads get, each asking two thousand times."""
    answers: list[object] = []

    def ask() -> None:
        answers.extend(question() for _ in range(2000))

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(answers) == 8000
    return set(answers)
