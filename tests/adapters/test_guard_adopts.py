"""The guard is the parent of what its command leaves orphaned, and a parent reaps."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dawsos.adapters.process import guarded


def _until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="adoption is a matter of Linux")
def test_an_orphan_that_is_killed_leaves_no_zombie_with_its_pid(tmp_path: Path) -> None:
    note = tmp_path / "orphan.pid"
    script = (
        f"(sleep 60 & echo $! > {note}.new; mv {note}.new {note}); while [ -f {note} ]; do sleep 0.05; done; exit 3"
    )
    with subprocess.Popen(guarded(("/bin/sh", "-c", script), 0.1), stdin=subprocess.PIPE) as process:
        assert _until(note.exists)
        orphan = int(note.read_text())
        os.kill(orphan, signal.SIGKILL)
        assert _until(lambda: not Path(f"/proc/{orphan}").exists())
        note.unlink()
        assert process.wait(20) == 3
