"""A command with memory that grows: it runs as it would, and the memory is real, bounded, and gone with it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import psutil
import pytest

from dawsos.platforms.local.growing import BYTES_A_SECOND, growing, main
from waiting import wait_until

MB = 1_000_000
SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")


def memory(process: subprocess.Popen[bytes]) -> int:
    return int(psutil.Process(process.pid).memory_info().rss)


def grown(*words: str) -> tuple[str, ...]:
    """Return a command that grows by 40 MB a second to 60 MB at most."""
    made = growing(words)
    place = made.index(str(BYTES_A_SECOND))
    return (*made[:place], str(40 * MB), str(60 * MB), *made[place + 2 :])


def test_its_memory_grows_to_the_most_and_ends_with_it() -> None:
    process = subprocess.Popen(grown(*SLEEPER))
    try:
        before = memory(process)
        wait_until(lambda: memory(process) > before + 55 * MB)
        (child,) = psutil.Process(process.pid).children()
        began = time.monotonic()
        # Twice as long as it would take to grow by as much again.
        while time.monotonic() < began + 1.0:
            assert memory(process) < before + 80 * MB
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM % 256
    assert not child.is_running()


@pytest.mark.parametrize("status", [0, 3])
def test_it_ends_as_the_command_ends(status: int) -> None:
    assert main(1, 1, (sys.executable, "-c", f"raise SystemExit({status})")) == status
