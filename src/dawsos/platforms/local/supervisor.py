"""The supervisor of one environment: makes the processes equal to ``desired.json``, and writes its observations to
``status.json``.

Run as ``python -m dawsos.platforms.local.supervisor FOLDER``.  It becomes a daemon of two processes: a keeper, which only starts
the supervisor again when it dies, and the supervisor itself.  Its processes are nobody's children (see ``processes``), so they
survive it, and the next supervisor adopts them by their pid files.  When the lease of a controller has ended while a canary has
traffic, the supervisor moves the traffic to the stable release.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dawsos.adapters.locks import FileLock
from dawsos.adapters.probes import is_ready
from dawsos.model.process import ProcessSpec
from dawsos.platforms.contract import Roles
from dawsos.platforms.local import processes
from dawsos.platforms.local.envoy_config import write_weight
from dawsos.platforms.local.locking import SUPERVISOR_LOCK, locked
from dawsos.platforms.local.state import (
    Desired,
    SupervisedProcess,
    find_desired,
    find_roles,
    read_json,
    read_status,
    write_json,
)

_TICK = 0.1
_PROBE_READY_EVERY = 1.0
_BACKOFF = (0.0, 0.3, 1.0, 3.0, 10.0)
# A supervisor that was just killed, and those who ask ``supervisor_runs``, hold the lock for a moment longer.
_OTHER_GONE_WITHIN = 1.0
# Seconds that the supervisor waits for a process that changes the environment; then it takes the canary's traffic away anyway.
_LOCK_WITHIN = 2.0


@dataclass
class Watched:
    """The supervisor's record of one process.

    ``restarts`` are published, in seconds since the epoch; the other times are of the monotonic clock, because the wall clock may
    be set while something waits.
    """

    handle: processes.Handle | None = None
    state: str = "dead"
    restarts: list[float] = field(default_factory=list)
    next_start: float = 0.0
    probed: float = 0.0
    stopping_until: float | None = None


class DesiredReader:
    """Reads ``desired.json`` again only when the file was replaced, because it is read ten times a second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: tuple[int, ...] = ()
        self._desired: Desired | None = None
        self._digests: dict[str, tuple[ProcessSpec, str]] = {}

    def read(self) -> Desired | None:
        """Return what should run, None when it cannot be read now."""
        try:
            facts = (self._folder / "desired.json").stat()
            seen: tuple[int, ...] = (facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size)
        except OSError:
            seen = ()
        if not seen or seen != self._seen or self._desired is None:
            # Stat before reading: a file that replaces it in between is read the next time.
            self._seen, self._desired = seen, find_desired(self._folder)
        return self._desired

    def digest(self, spec: ProcessSpec) -> str:
        """Return ``processes.spec_digest`` of a spec that ``read`` gave."""
        kept = self._digests.get(spec.name)
        if kept is None or kept[0] is not spec:
            kept = self._digests[spec.name] = (spec, processes.spec_digest(spec))
        return kept[1]


class Supervisor:
    """Reconciles one folder until ``desired.json`` says stop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.desired = DesiredReader(folder)
        self.roles = Roles()
        self.watched: dict[str, Watched] = {}
        self.lease_expired: float | None = None
        self.lease: float | None = None
        self.lease_until = 0.0
        self.last_status: object = None
        for process in read_status(folder, True).processes:
            # Restarts counted by an earlier supervisor still count: its death must not hide a crash loop.
            self.watched[process.name] = Watched(restarts=list(process.restarts))

    def run(self) -> None:
        """Reconcile until ``desired.json`` says stop and nothing runs any more."""
        desired: Desired | None = None
        while True:
            # A file that cannot be read now (no descriptor left, a failing disk, a later version) stops nothing.
            desired = self.desired.read() or desired
            if desired is None:
                self._check_lease()
                self._write_lease()
            else:
                self._tick(desired)
                if desired.stop and not any(watched.handle for watched in self.watched.values()):
                    return
            time.sleep(_TICK)

    def _tick(self, desired: Desired) -> None:
        wanted = {} if desired.stop else desired.processes
        for pid_file in (self.folder / "run").glob("*.json"):
            self.watched.setdefault(pid_file.stem, Watched())
        for name in list(self.watched) + [name for name in wanted if name not in self.watched]:
            watched = self.watched.setdefault(name, Watched())
            if watched.handle is None:
                watched.handle = self._adopt(name)
            spec = wanted.get(name)
            if spec is None:
                self._retire(name, watched)
            else:
                self._keep(name, watched, spec, desired)
        if not desired.stop:
            self._check_lease()
        self._write_status(desired)

    def _pid_file(self, name: str) -> Path:
        return self.folder / "run" / f"{name}.json"

    def _adopt(self, name: str) -> processes.Handle | None:
        handle = processes.read_handle(self._pid_file(name))
        return handle if handle is not None and processes.alive(handle) else None

    def _keep(self, name: str, watched: Watched, spec: ProcessSpec, desired: Desired) -> None:
        """One process that should run: start it, restart it, replace it, ask whether it is ready."""
        if watched.stopping_until is not None:
            # The supervisor ended it, to replace it or because it was not wanted for a while: that is not a crash.
            self._retire(name, watched, spec)
            return
        now, died = time.monotonic(), time.time()
        handle = watched.handle
        if handle is not None and not processes.alive(handle):
            processes.end_group(handle)
            watched.restarts = [at for at in watched.restarts if died - at < desired.crash_window] + [died]
            watched.next_start = now + _BACKOFF[min(len(watched.restarts) - 1, len(_BACKOFF) - 1)]
            watched.handle, watched.state = None, "dead"
        elif handle is not None and handle.digest != self.desired.digest(spec):
            found = processes.moved(handle, spec, self._pid_file(name))
            if found is None:
                self._retire(name, watched, spec)
                return
            watched.handle = found
        if watched.handle is None:
            if now >= watched.next_start:
                self._start(name, watched, spec)
            return
        pause = _PROBE_READY_EVERY if watched.state == "ready" else 0.0
        if spec.ready is None:
            watched.state = "ready"
        elif now - watched.probed >= pause:
            watched.probed = now
            was = watched.state in ("ready", "unready")
            watched.state = "ready" if is_ready(spec.ready) else "unready" if was else "starting"

    def _start(self, name: str, watched: Watched, spec: ProcessSpec) -> None:
        try:
            watched.handle = processes.spawn(spec, self._pid_file(name))
            watched.state, watched.stopping_until = "starting", None
        except OSError as error:
            watched.next_start = time.monotonic() + _BACKOFF[-1]
            # Perhaps it is the log that cannot be written: that must not end the supervisor, which watches others as well.
            with contextlib.suppress(OSError), Path(spec.log).open("a") as log:
                log.write(f"cannot start {spec.name}: {error}\n")

    def _retire(self, name: str, watched: Watched, spec: ProcessSpec | None = None) -> None:
        """End a process that should not run (any more, or in this form) without blocking the others."""
        handle = watched.handle
        if handle is None or not processes.alive(handle):
            if handle is not None:
                processes.end_group(handle)
            self._pid_file(name).unlink(missing_ok=True)
            watched.handle, watched.state, watched.stopping_until, watched.next_start = None, "dead", None, 0.0
            if spec is None:
                self.watched.pop(name, None)
            return
        now = time.monotonic()
        if watched.stopping_until is None:
            stop_signal, grace = self._stop_of(name)
            processes.send(handle, stop_signal)
            watched.state, watched.stopping_until = "stopping", now + grace
        elif now > watched.stopping_until:
            processes.kill_tree(handle)

    def _stop_of(self, name: str) -> tuple[str, float]:
        match read_json(self.folder / "stops.json").get(name):
            case [str(stop_signal), int() | float() as grace]:
                return stop_signal, float(grace)
        return "SIGTERM", 5.0

    def _check_lease(self) -> None:
        if self._unwatched():
            with locked(self.folder, _LOCK_WITHIN, or_without=True):
                # Checked again under the lock: the canary may have been promoted in between.
                if self._unwatched():
                    write_weight(self.folder, 0, self.roles)
                    self.lease_expired = time.time()

    def _unwatched(self) -> bool:
        """Return whether a canary, also a first release, has traffic and no controller has renewed its lease in time."""
        # If they cannot be read, use the last ones: the canary may still have traffic.
        self.roles = find_roles(self.folder) or self.roles
        if not self.roles.canary or self.roles.weight == 0:
            return False
        expires = _expiry(read_json(self.folder / "lease.json"))
        if expires != self.lease:
            # The lease was renewed: count on the monotonic clock from here, which nobody can set back.
            self.lease, self.lease_until = expires, time.monotonic() + expires - time.time()
        return time.monotonic() > self.lease_until

    def _write_lease(self) -> None:
        """Record that the lease has ended; keep the other observations."""
        status = read_json(self.folder / "status.json")
        if status.get("lease_expired") != self.lease_expired:
            write_json(self.folder / "status.json", {**status, "lease_expired": self.lease_expired}, durable=False)

    def _write_status(self, desired: Desired) -> None:
        shown = []
        for name, watched in sorted(self.watched.items()):
            spec = desired.processes.get(name)
            recent = [at for at in watched.restarts if time.time() - at < desired.crash_window]
            shown.append(
                SupervisedProcess(
                    name,
                    spec.group if spec else "",
                    watched.handle.pid if watched.handle else 0,
                    watched.state,
                    tuple(recent),
                    len(recent) >= desired.crash_restarts,
                    digest=watched.handle.digest if watched.handle else "",
                )
            )
        status = {
            "processes": [asdict(process) for process in shown],
            "pid": os.getpid(),
            "lease_expired": self.lease_expired,
        }
        if status != self.last_status:
            write_json(self.folder / "status.json", status, durable=False)
            write_json(
                self.folder / "stops.json",
                {n: [s.stop_signal, s.stop_grace] for n, s in desired.processes.items()}
                or read_json(self.folder / "stops.json"),
                durable=False,
            )
            self.last_status = status


def _expiry(lease: dict[str, Any]) -> float:
    """Return when a lease ends, in seconds since the epoch; one that cannot be read has ended."""
    match lease.get("expires"):
        case int() | float() as expires if math.isfinite(expires):
            return float(expires)
    return 0.0


def _supervise(folder: Path) -> int:
    with FileLock(folder / SUPERVISOR_LOCK) as lock:
        if lock.take(_OTHER_GONE_WITHIN):
            Supervisor(folder).run()
    return 0


def main(folder: Path) -> None:
    """Become a daemon and keep a supervisor running until it ends by itself."""
    if os.fork():
        os._exit(0)
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    while True:
        child = os.fork()
        if child == 0:
            os._exit(_run_child(folder))
        keeper = {"pid": os.getpid(), "started": processes.start_time(os.getpid()), "digest": ""}
        write_json(folder / "keeper.json", keeper, durable=False)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            os._exit(0)
        time.sleep(0.2)


def _run_child(folder: Path) -> int:
    try:
        return _supervise(folder)
    except Exception:
        import traceback

        traceback.print_exc()
        return 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
