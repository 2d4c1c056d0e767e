"""Two ways to run a command under the reaper: as a program of its own, or forked by this process's reaper server."""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import socket
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

from dawsos.model.process import Command

REAPER = Path(__file__).with_name("reaper.py")


def under_reaper(argv: tuple[str, ...], grace: float, user: tuple[int, int] | None = None) -> tuple[str, ...]:
    """Return the argv that runs ``argv`` under the reaper, as uid and gid ``user`` when given (we must be root then)."""
    identity = f"{user[0]}:{user[1]}" if user else "-"
    return (sys.executable, "-I", "-S", str(REAPER), str(grace), identity, "--", *argv)


class Reapers:
    """The process that forks a reaper for each command (``reaper.py --serve``): started when first needed, ended with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it unless it runs; raises OSError.  It starts in the background."""
        with self._lock:
            if self._channel is None:
                self._open()

    def ask(self, command: Command, lifeline: int, output: int, status: int) -> None:
        """Have ``command`` run under a reaper with these descriptors (see ``reaper.py``); raises OSError.

        A server that somebody killed is replaced; the reapers that it made live on.
        """
        fields = (str(command.grace), command.cwd, str(len(command.argv)), *command.argv)
        request = b"\0".join(map(os.fsencode, (*fields, *(f"{name}={word}" for name, word in command.env.items()))))
        if request.count(b"\0") != len(fields) + len(command.env) - 1:
            raise OSError(errno.EINVAL, "a NUL character in the command or its environment")
        with self._lock:
            for last in (False, True):
                channel = self._channel or self._open()
                try:
                    socket.send_fds(channel, [len(request).to_bytes(8, "big")], [lifeline, output, status])
                    channel.sendall(request)
                    return
                except OSError:
                    self._close()
                    if last:
                        raise

    def stop(self) -> None:
        """End the server before this process ends, so that it does not outlive it for a moment."""
        with self._lock:
            self._close()

    def _open(self) -> socket.socket:
        our_channel, their_channel = socket.socketpair()
        with their_channel:
            self._process = subprocess.Popen(
                (sys.executable, "-I", "-S", str(REAPER), "--serve"),
                stdin=their_channel.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                start_new_session=True,
            )
        self._channel = our_channel
        return our_channel

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
            self._process = None


@cache
def reapers() -> Reapers:
    """Return the one server of this process, which ends with it."""
    found = Reapers()
    atexit.register(found.stop)
    return found
