"""Runs one command and ends its whole process tree when the command ends or the caller dies.

Started as a script (``python -I reaper.py GRACE USER -- ARGV``; USER is ``UID:GID`` or ``-``), with the standard
library only, so that the environment given to the command cannot break it.  Standard input is a pipe that the caller
keeps open: when it closes, because the caller cancels the command or was killed, the whole process tree gets TERM and, after
GRACE seconds, KILL.  The reaper makes itself the subreaper of its descendants (Linux), so a grandchild that became a
daemon is found as well.  It exits with the command's own exit code, 128 + N for signal N, 127 when the command could
not be started.

``python -I reaper.py --serve`` forks a reaper for each request on the Unix socket that is its standard input, because
an interpreter takes longer to start than many a command to run; it ends when the socket closes.  A request is a length
(8 bytes, big endian) sent with three descriptors, the lifeline, the output and a pipe for the status, and then that
many bytes: GRACE, the working directory, the number of arguments, the arguments and ``NAME=VALUE`` for the environment,
separated by NUL.  The reaper answers on the status pipe with a line of its pid and then either ``exit CODE`` or why
nothing was started; a status that ends without either is that of a reaper that was killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import NoReturn

_PR_SET_CHILD_SUBREAPER = 36
_POLL = 0.02
# Where the kernel wakes us at the command's end, only orphans are left to look for, and they can wait a moment.
_REAP_EVERY = 0.25


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
        # Only where there is no /proc; importing it would take a third of the start of this script.
        import subprocess

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


def _childless() -> bool:
    """Return whether no descendant is left, without reading the whole of /proc: a subreaper without a child has none at all."""
    if sys.platform != "linux":
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def _end_tree(grace: float) -> None:
    """TERM, wait up to ``grace`` seconds, then KILL until nothing is left."""
    if _childless():
        return
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


def _exit_code(child: int) -> int | None:
    """Return the exit code of ``child``, minus N for signal N, None while it runs."""
    pid, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def _watch(child: int, grace: float) -> int:
    """Wait for the command's end or the caller's; return the command's exit code."""
    poller = select.poll()
    poller.register(0, select.POLLIN | select.POLLHUP)
    pause = _POLL
    if hasattr(os, "pidfd_open"):
        # The end of the command wakes us at once; elsewhere it is seen within a poll.
        with contextlib.suppress(OSError):
            poller.register(os.pidfd_open(child), select.POLLIN)
            pause = _REAP_EVERY
    while True:
        code = _exit_code(child)
        if code is not None:
            _end_tree(grace)
            return code
        _reap_adopted(child)
        if any(number == 0 for number, _ in poller.poll(pause * 1000)) and not os.read(0, 4096):
            return _stop(child, grace)


def _stop(child: int, grace: float) -> int:
    """End the command, because the caller wants it or is gone, and return its exit code."""
    with contextlib.suppress(OSError):
        os.kill(child, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while (code := _exit_code(child)) is None and time.monotonic() < deadline:
        _signal_all(_descendants(), signal.SIGTERM)
        time.sleep(_POLL)
    if code is not None:
        _end_tree(grace)
        return code
    # Reaped here and not by _end_tree, which would lose its code.
    _signal_all([child], signal.SIGKILL)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    _end_tree(0)
    return killed


def main(arguments: list[str]) -> int:
    """Run ``arguments`` = [GRACE, USER, "--", *argv] and return the exit code."""
    return _run(arguments[3:], dict(os.environ), float(arguments[0]), arguments[1])


def _run(argv: list[str], env: dict[str, str], grace: float, user: str) -> int:
    # A terminal's Ctrl-C goes to the caller, who then closes the pipe; the reaper must live to clean up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _become_subreaper()
    try:
        child = _start(argv, env, user)
    except OSError as error:
        print(f"cannot start {argv[0]}: {error}", file=sys.stderr, flush=True)
        return 127
    # What is left of the tree must not keep the caller's log pipe open, but the reaper itself must close it last.
    code = _watch(child, grace)
    return code if code >= 0 else 128 - code


def serve() -> int:
    """Fork a reaper for each request on standard input; return when the caller closes it or is gone."""
    # Not needed by a reaper that is started for one command.
    import socket

    # Nobody waits for the forked reapers: each reports its own end on its status pipe.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=0) as channel:
        while True:
            head, files, _, _ = socket.recv_fds(channel, 8, 3)
            if len(head) < 8:
                return 0
            fields = os.fsdecode(_exactly(channel, int.from_bytes(head, "big"))).split("\0")
            try:
                child = os.fork()
            except OSError as error:
                os.write(files[2], f"0\ncannot start a reaper: {error.strerror}".encode())
                child = -1
            if child == 0:
                _answer(fields, *files)
            for number in files:
                os.close(number)


def _exactly(channel: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        parts.append(channel.recv(size))
        if not parts[-1]:
            os._exit(0)
        size -= len(parts[-1])
    return b"".join(parts)


def _answer(fields: list[str], lifeline: int, output: int, status: int) -> NoReturn:
    """Be the reaper of one request."""
    answer = "a defect of the reaper"
    try:
        os.setsid()
        os.write(status, f"{os.getpid()}\n".encode())
        # Standard input was the socket, whose end the caller must see although a reaper lives.
        for number, standard in ((lifeline, 0), (output, 1), (output, 2)):
            os.dup2(number, standard)
        os.close(lifeline)
        os.close(output)
        # What comes over a socket is inherited, and a daemon that held the status open would look like a reaper that lives.
        os.set_inheritable(status, False)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        grace, folder, count = fields[:3]
        first = 3 + int(count)
        env = dict(pair.split("=", 1) for pair in fields[first:])
        os.chdir(folder)
        answer = f"exit {_run(fields[3:first], env, float(grace), '-')}"
    except OSError as error:
        answer = f"cannot start: {error}"
    finally:
        # The caller may be gone.
        with contextlib.suppress(OSError):
            os.write(status, answer.encode())
        os._exit(0)


def _start(argv: list[str], env: dict[str, str], user: str) -> int:
    """Start ``argv`` in a session of its own and return its pid; raises OSError when it cannot be executed.

    Forked by hand: this process has one thread, and the subprocess module would double the time that every step waits for it.
    """
    # Before the identity changes: the user of a service may not be able to read this interpreter's library any more.
    paths = argv[:1] if "/" in argv[0] else [os.path.join(folder, argv[0]) for folder in os.get_exec_path(env)]  # noqa: PTH118
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            _become(user)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.write(writer, str(_execute(paths, argv, env)).encode())
        except OSError as error:
            os.write(writer, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(writer)
    # Both ends close on exec: nothing to read means that the command runs.
    failed = os.read(reader, 16)
    os.close(reader)
    if failed:
        os.waitpid(child, 0)
        raise OSError(int(failed), os.strerror(int(failed)))
    return child


def _execute(paths: list[str], argv: list[str], env: dict[str, str]) -> int:
    """Become the first of ``paths`` that can be executed; returns the telling error number when none can."""
    failed = errno.ENOENT
    for path in paths:
        try:
            os.execve(path, argv, env)  # noqa: S606 - a list, and no shell
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                failed = error.errno or failed
    return failed


def _become(user: str) -> None:
    if user != "-":
        uid, gid = user.split(":")
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))


if __name__ == "__main__":
    sys.exit(serve() if sys.argv[1:] == ["--serve"] else main(sys.argv[1:]))
