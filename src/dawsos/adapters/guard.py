"""Runs one command and makes sure that nothing of it is left: not when it ends, not when the caller dies.

Started as a script (``python -I guard.py GRACE USER -- ARGV``; USER is ``UID:GID`` or ``-``), with the standard
library only, so that the environment given to the command cannot break it.  Standard input is a pipe that the caller
keeps open: when it closes, because the caller wants an end or was killed, the whole process tree gets TERM and, after
GRACE seconds, KILL.  The guard makes itself the subreaper of its descendants (Linux), so a grandchild that became a
daemon is found as well.  It exits with the command's own exit code, 128 + N for signal N, 127 when the command could
not be started.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
_POLL = 0.02


def _become_subreaper() -> None:
    # Other systems have no such call; there the process group is all that can be reached.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _parents() -> dict[int, int]:
    """Return pid -> parent pid of every process that can be seen."""
    found: dict[int, int] = {}
    if os.path.isdir("/proc/self"):  # noqa: PTH112 - keep the start of this script short
        for name in os.listdir("/proc"):  # noqa: PTH208
            if name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat") as stream:  # noqa: PTH123
                    fields = stream.read().rpartition(")")[2].split()
                    if fields[0] != "Z":
                        found[int(name)] = int(fields[1])
    else:
        listing = subprocess.run(["/bin/ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=False)
        for line in listing.stdout.splitlines():
            pid, parent = line.split()
            found[int(pid)] = int(parent)
    return found


def _descendants() -> list[int]:
    parents = _parents()
    tree = {os.getpid()}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in tree and pid not in tree}
        grown = bool(more)
        tree |= more
    return sorted(tree - {os.getpid()})


def _signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _reap_adopted(child: int) -> None:
    """Reap what became ours by the death of its parent, but not ``child``, whose exit code is asked for elsewhere.

    A zombie still has its pid: a database that was killed and is started again would find its old self alive.
    """
    with contextlib.suppress(ChildProcessError, AttributeError):
        while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and found.si_pid != child:
            os.waitpid(found.si_pid, os.WNOHANG)


def _end_tree(grace: float) -> None:
    """TERM, wait up to ``grace`` seconds, then KILL until nothing is left."""
    _signal_all(_descendants(), signal.SIGTERM)
    deadline = time.monotonic() + grace
    while _descendants() and time.monotonic() < deadline:
        _reap()
        time.sleep(_POLL)
    for _ in range(100):
        left = _descendants()
        if not left:
            return
        _signal_all(left, signal.SIGKILL)
        _reap()
        time.sleep(_POLL)


def _watch(child: subprocess.Popen[bytes], grace: float) -> int:
    """Wait for the command's end or the caller's; return the command's exit code."""
    poller = select.poll()
    poller.register(0, select.POLLIN | select.POLLHUP)
    while True:
        code = child.poll()
        if code is not None:
            _end_tree(grace)
            return code
        _reap_adopted(child.pid)
        if poller.poll(_POLL * 1000) and not os.read(0, 4096):
            with contextlib.suppress(OSError):
                os.kill(child.pid, signal.SIGTERM)
            deadline = time.monotonic() + grace
            while child.poll() is None and time.monotonic() < deadline:
                _signal_all(_descendants(), signal.SIGTERM)
                time.sleep(_POLL)
            _end_tree(0 if child.poll() is None else grace)
            return child.wait()


def main(arguments: list[str]) -> int:
    """Run ``arguments`` = [GRACE, USER, "--", *argv] and return the exit code."""
    grace = float(arguments[0])
    # A terminal's Ctrl-C goes to the caller, who then closes the pipe; the guard must live to clean up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _become_subreaper()
    try:
        child = subprocess.Popen(
            arguments[3:],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_defaults,
            **_identity(arguments[1]),
        )
    except OSError as error:
        print(f"cannot start {arguments[3]}: {error}", file=sys.stderr)
        return 127
    # What is left of the tree must not keep the caller's log pipe open, but the guard itself must close it last.
    code = _watch(child, grace)
    return code if code >= 0 else 128 - code


def _identity(user: str) -> dict[str, Any]:
    if user == "-":
        return {}
    uid, gid = user.split(":")
    return {"user": int(uid), "group": int(gid), "extra_groups": []}


def _defaults() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
