"""Brings up a cluster of the project's own and takes it down again, whatever becomes of the tests.

Started as a script (``python cluster_keeper.py SCRIPT``) with the variables of deploy/cluster/cluster.  It writes ``up`` or what went
wrong on standard output, and ends the cluster when standard input closes or TERM comes: also when the tests were killed, and while
the reaper of the check sends TERM to every process of the tree.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
from types import FrameType
from typing import NoReturn

_STEPS = ("sweep", "get", "up")


class _Ended(Exception):
    """The cluster is not wanted any more."""


def main(script: str) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = 1
    try:
        problem = next((told for step in _STEPS if (told := _run(script, step))), None)
        print(problem or "up", flush=True)
        if problem is None:
            code = 0
            os.read(0, 1)
    except _Ended:
        pass
    finally:
        # Children inherit this, so that the reaper's TERM does not end the clean-up.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        code |= subprocess.run([script, "down"], stdin=subprocess.DEVNULL, stdout=2, check=False).returncode
    return code


def _run(script: str, step: str) -> str | None:
    """Return what ``step`` said when it failed; raises _Ended when standard input closes before it is done."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [script, step], stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
        try:
            done = os.pidfd_open(process.pid)
            if 0 in select.select([0, done], [], [])[0]:
                raise _Ended
            os.close(done)
            if process.wait() == 0:
                return None
            said.seek(0)
            return f"cluster {step}: {said.read().decode(errors='replace').strip()[-1500:]}".replace("\n", " | ")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Ended


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
