"""Starting, finding again and ending processes that must outlive whoever started them.

Each process is forked twice, so that it is nobody's child (Envoy asks the kernel to die with its parent: it must not have
one), leads its own process group, and writes its own pid file before it becomes the program: there is no moment at which
it runs unrecorded.  A process is known by pid and start time together, so a reused pid is never mistaken for it.
"""

from __future__ import annotations

import contextlib
import filecmp
import hashlib
import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from dawsos.adapters.files import read_json, write_json
from dawsos.model.process import ProcessSpec
from dawsos.platforms.local.state import VERSION, decode


@dataclass(frozen=True)
class Handle:
    """A process that was started: pid, start time (opaque), and the digest of the spec it was started from."""

    pid: int
    started: str
    digest: str


def spec_digest(spec: ProcessSpec) -> str:
    """Return the digest that shows whether a spec has changed.

    It must stay the same for the same spec: otherwise the next supervisor replaces every process.
    """
    return hashlib.sha256(json.dumps(asdict(spec), sort_keys=True).encode()).hexdigest()


def start_time(pid: int) -> str:
    """Return the start time that tells this process from a later one with the same pid; empty when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in ("Z", "X") else fields[19]
    except OSError:
        if Path("/proc/self").exists():
            return ""
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.Error:
        return ""


def spawn(spec: ProcessSpec, pid_file: Path) -> Handle:
    """Start ``spec`` as nobody's child and return its handle.  Raises OSError when it cannot be executed."""
    digest = spec_digest(spec)
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    Path(spec.log).parent.mkdir(parents=True, exist_ok=True)

    def detach() -> None:
        os.setsid()
        middle = os.getpid()
        if os.fork():
            os._exit(0)
        while os.getppid() == middle:
            time.sleep(0.001)
        os.setpgid(0, 0)
        # A shell that starts us in the background makes us ignore these, and a shell cannot trap a signal that it inherits as ignored.
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        started = start_time(os.getpid())
        write_json(pid_file, {"version": VERSION, "pid": os.getpid(), "started": started, "digest": digest})
        if spec.user is not None and os.geteuid() == 0:
            os.setgroups([])
            os.setgid(spec.user[1])
            os.setuid(spec.user[0])

    with Path(spec.log).open("ab") as log:
        launcher = subprocess.Popen(
            spec.argv, cwd=spec.cwd, env=spec.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=detach
        )
    launcher.wait()
    handle = read_handle(pid_file)
    if handle is None:
        raise OSError(f"{spec.name} left no pid file")
    return handle


def read_handle(pid_file: Path) -> Handle | None:
    """Return the handle in a pid file, None when there is none; keys that a handle does not have are ignored."""
    return decode(Handle, read_json(pid_file))


def alive(handle: Handle) -> bool:
    """Return whether the very process of ``handle`` still runs."""
    return handle.started != "" and start_time(handle.pid) == handle.started


def send(handle: Handle, name: str) -> None:
    """Send the signal called ``name`` to the process if it still runs."""
    if alive(handle):
        with contextlib.suppress(OSError):
            # A later version may name a signal that is not known here: the process is asked to end all the same.
            os.kill(handle.pid, getattr(signal, name, signal.SIGTERM))


def moved(handle: Handle, spec: ProcessSpec, pid_file: Path) -> Handle | None:
    """Return the handle of a process under ``spec`` when only the path of its program differs from the spec that it was started from.

    The new handle is written to ``pid_file``. Returns None when anything else differs, also when the two programs do. An update of
    the tool installs Envoy in another folder, and a restart for that would fail the requests of users.
    """
    try:
        place = psutil.Process(handle.pid).cmdline()[0]
        former = replace(spec, argv=(place, *spec.argv[1:]))
        if spec_digest(former) != handle.digest or not _is_same_program(Path(place), Path(spec.argv[0])):
            return None
    except (IndexError, OSError, psutil.Error):
        return None
    found = replace(handle, digest=spec_digest(spec))
    write_json(pid_file, {"version": VERSION, **asdict(found)})
    return found


def _is_same_program(one: Path, other: Path) -> bool:
    # The path of an interpreter decides which packages it imports.
    if any((path.parent.parent / "pyvenv.cfg").exists() for path in (one, other)):
        return False
    return filecmp.cmp(one, other, shallow=False)


def kill_tree(handle: Handle) -> None:
    """KILL the process, its group and its descendants."""
    if not alive(handle):
        return
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(handle.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
    with contextlib.suppress(OSError):
        os.killpg(handle.pid, signal.SIGKILL)
    send(handle, "SIGKILL")


def end_group(handle: Handle) -> None:
    """KILL what a process that has just ended left in its group: the children of a shell, for example.

    The system gives its number to no other process as long as there are any.
    """
    if not start_time(handle.pid):
        with contextlib.suppress(OSError):
            os.killpg(handle.pid, signal.SIGKILL)


def stop(handle: Handle, signal_name: str, grace: float) -> None:
    """End the process in order, then by force; returns when it is gone, and what it left in its group."""
    if not alive(handle):
        return
    send(handle, signal_name)
    deadline = time.monotonic() + grace
    while alive(handle) and time.monotonic() < deadline:
        time.sleep(0.02)
    deadline = time.monotonic() + 5
    while alive(handle) and time.monotonic() < deadline:
        kill_tree(handle)
        time.sleep(0.02)
    end_group(handle)
