"""Starts the supervisor of an environment, and ends everything that runs in an environment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dawsos
from dawsos.adapters.http import HttpError
from dawsos.adapters.locks import FileLock
from dawsos.adapters.services.common import remove_outside
from dawsos.errors import InfrastructureError
from dawsos.platforms.local import processes
from dawsos.platforms.local.admin import Admin
from dawsos.platforms.local.locking import SUPERVISOR_LOCK, changing, supervisor_runs
from dawsos.platforms.local.state import (
    Desired,
    find_desired,
    has_former_supervisor,
    read_desired,
    read_status_file,
    write_desired,
)

POLL = 0.05
_ENDS_WITHIN = 30.0
_DRAINED_WITHIN = 5.0


async def until(condition: Callable[[], bool], within: float, message: str) -> None:
    """Wait for ``condition``; raises InfrastructureError with ``message`` when it is not so ``within`` seconds."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise InfrastructureError(message, fix="dawsos status shows what runs")
        await asyncio.sleep(POLL)


async def ensure_supervisor(folder: Path) -> None:
    """Start the supervisor of ``folder`` if none lives; raises InfrastructureError when it does not come up."""
    folder.mkdir(parents=True, exist_ok=True)
    if read_desired(folder).stop:
        # ``down`` holds the supervisor's lock until nothing of the environment runs any more.
        await until(
            lambda: not supervisor_runs(folder), 20, f"{folder.name}: the supervisor that is stopping did not end"
        )
        with changing(folder) as desired:
            desired.stop = False
            if desired.proxy.pop("admin", None) is not None:
                # Of an older version, with an admin page that each user of this machine could reach.
                desired.processes.pop("proxy", None)
    if supervisor_runs(folder) and has_former_supervisor(folder):
        await _end_former_supervisor(folder)
    if supervisor_runs(folder):
        return
    log = folder / "logs" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    source = str(Path(dawsos.__file__).parent.parent)
    environment = {"PATH": os.defpath, "PYTHONPATH": source, "LANG": "C.UTF-8"}
    with log.open("ab") as stream:
        launcher = subprocess.Popen(
            [sys.executable, "-m", "dawsos.platforms.local.supervisor", str(folder)],
            cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True,
        )  # fmt: skip
    launcher.wait()
    await until(lambda: _supervised(folder), 20, f"{folder.name}: the supervisor did not start; read {log}")


async def _end_former_supervisor(folder: Path) -> None:
    """End a supervisor that cannot read files with a version.  The processes that it supervises run on, and the next one adopts
    them.

    A supervisor without its keeper cannot be told from another process.  It then runs on, and its files keep the form that it
    reads.
    """
    keeper = processes.read_handle(folder / "keeper.json")
    if keeper is None or not processes.alive(keeper):
        return
    # Stopped first, so that the keeper starts no other supervisor.
    await asyncio.to_thread(processes.stop, keeper, "SIGSTOP", 0.0)
    await until(
        lambda: not supervisor_runs(folder), 20, f"{folder.name}: the supervisor of a former version did not end"
    )


def _supervised(folder: Path) -> bool:
    # An earlier supervisor may have written the file: wait for the first status of this one.
    pid = read_status_file(folder).pid
    return supervisor_runs(folder) and pid > 0 and processes.start_time(pid) != ""


async def down(folder: Path, *, purge: bool) -> None:
    """Stop everything of the environment, also processes that no supervisor knows; ``purge`` deletes its data as well."""
    if not folder.exists():
        return
    with FileLock(folder / SUPERVISOR_LOCK) as lock:
        if supervisor_runs(folder):
            await _drain(folder, (find_desired(folder) or Desired()).proxy)
        await _take_its_place(folder, lock, purge)
        keeper = processes.read_handle(folder / "keeper.json")
        if keeper is not None:
            processes.stop(keeper, "SIGKILL", 1.0)
        for pid_file in (folder / "run").glob("*.json"):
            handle = processes.read_handle(pid_file)
            if handle is not None:
                await asyncio.to_thread(processes.stop, handle, "SIGTERM", 5.0)
            pid_file.unlink(missing_ok=True)
        # ``desired.json`` stays, so that ship can start the same processes again.
        if purge:
            remove_outside(folder / "services")
            shutil.rmtree(folder, ignore_errors=True)


async def _take_its_place(folder: Path, lock: FileLock, purge: bool) -> None:
    """Tell the supervisor to end, and hold its lock: nobody starts another before everything is down."""
    deadline = time.monotonic() + _ENDS_WITHIN
    while time.monotonic() < deadline:
        try:
            with changing(folder) as desired:
                desired.stop = True
        except InfrastructureError:
            if not purge:
                raise
            write_desired(folder, Desired(stop=True))
        if lock.take(0):
            return
        await asyncio.sleep(POLL)


async def _drain(folder: Path, proxy: dict[str, int]) -> None:
    """Let the proxy finish its open requests before the processes behind it end; ``_DRAINED_WITHIN`` seconds at most."""
    if not proxy:
        return
    admin, deadline = Admin(folder, proxy), time.monotonic() + _DRAINED_WITHIN
    try:
        with contextlib.suppress(HttpError):
            await admin.drain()
            while await admin.active_requests() and time.monotonic() < deadline:
                await asyncio.sleep(POLL)
    finally:
        await admin.close()
