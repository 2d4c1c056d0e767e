"""An environment is begun and ended; what both do with real processes is in ``test_platform.py``."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.locks import FileLock
from dawsos.errors import InfrastructureError
from dawsos.model.process import ProcessSpec
from dawsos.platforms.local import lifecycle, processes
from dawsos.platforms.local.lifecycle import down, ensure_supervisor, until
from dawsos.platforms.local.locking import supervisor_runs
from dawsos.platforms.local.state import (
    Desired,
    SupervisedProcess,
    read_desired,
    read_status,
    read_status_file,
    write_desired,
)
from support.pages import Asked, answered, serving
from waiting import is_gone, wait_until


def test_what_does_not_become_so_is_told_in_time() -> None:
    with pytest.raises(InfrastructureError, match="it did not end"):
        asyncio.run(until(lambda: False, 0.06, "it did not end"))
    asyncio.run(until(lambda: True, 0.0, "it did not end"))


def test_nobody_starts_the_environment_again_before_it_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that came just then would leave behind what ``down`` had told to be gone."""
    log = str(tmp_path / "logs" / "stray.log")
    spec = ProcessSpec("stray", "", ("sleep", "60"), "/", {"PATH": "/usr/bin:/bin"}, log=log)
    handle = processes.spawn(spec, tmp_path / "run" / "stray.json")
    held: list[tuple[bool, bool]] = []
    stop = processes.stop

    def spy(handle: processes.Handle, signal_name: str, grace: float) -> None:
        held.append((supervisor_runs(tmp_path), read_desired(tmp_path).stop))
        stop(handle, signal_name, grace)

    monkeypatch.setattr(processes, "stop", spy)
    asyncio.run(down(tmp_path, purge=False))
    assert held == [(True, True)]
    assert not processes.alive(handle)
    assert not supervisor_runs(tmp_path)


def test_orders_that_cannot_be_read_keep_nothing_from_being_purged(tmp_path: Path) -> None:
    folder = tmp_path / "production"
    folder.mkdir()
    (folder / "desired.json").write_text("{")
    with pytest.raises(InfrastructureError, match="cannot be read"):
        asyncio.run(down(folder, purge=False))
    for _ in range(2):
        asyncio.run(down(folder, purge=True))
        assert not folder.exists()


@pytest.mark.e2e
@pytest.mark.parametrize("busy", [0, 20])
def test_the_proxy_has_as_long_as_its_open_requests_take(busy: int) -> None:
    """A fixed pause would cut off a request that takes longer, and make everybody else wait for nothing."""

    async def down_of(answers: list[int]) -> tuple[list[str], float]:
        def answer(asked: Asked) -> bytes:
            return answered(
                f"http.front.downstream_rq_active: {answers.pop(0)}\n" if asked.path == "/stats" else "OK\n"
            )

        async with serving(answer) as (url, asked):
            started = time.monotonic()
            await lifecycle._drain(Path(), {"admin": int(url.rpartition(":")[2])})
            return [one.path for one in asked], time.monotonic() - started

    paths, took = asyncio.run(down_of([1] * busy + [0]))
    assert paths == ["/drain_listeners", *["/stats"] * (busy + 1)]
    assert took < 0.4 or busy


@pytest.mark.e2e
def test_a_request_that_does_not_end_or_a_proxy_that_is_away_does_not_keep_an_environment_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lifecycle, "_DRAINED_WITHIN", 0.2)

    async def down_of(body: str) -> float:
        async with serving(lambda _: answered(body)) as (url, _):
            started = time.monotonic()
            await lifecycle._drain(Path(), {"admin": int(url.rpartition(":")[2])})
            return time.monotonic() - started

    assert 0.2 <= asyncio.run(down_of("http.front.downstream_rq_active: 1\n")) < 2
    asyncio.run(lifecycle._drain(Path(), {"admin": 1}))
    asyncio.run(lifecycle._drain(Path(), {}))


def test_what_is_going_down_is_waited_for_and_then_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_desired(tmp_path, Desired(stop=True))
    waited: list[str] = []

    async def at_once(condition: object, within: float, message: str) -> None:
        waited.append(message)

    monkeypatch.setattr(lifecycle, "until", at_once)
    monkeypatch.setattr(lifecycle, "supervisor_runs", lambda folder: True)
    asyncio.run(ensure_supervisor(tmp_path))
    assert waited == [f"{tmp_path.name}: the supervisor that is stopping did not end"]
    assert not read_desired(tmp_path).stop


def test_a_supervisor_of_before_files_had_versions_is_replaced_and_what_it_runs_is_adopted(tmp_path: Path) -> None:
    status = tmp_path / "status.json"

    def former(folder: Path) -> dict[str, Any]:
        """Take the version out of what the supervisor says, as one of that time would."""
        said: dict[str, Any] = json.loads(status.read_text())
        del said["version"]
        status.write_text(json.dumps(said))
        return said

    def served() -> list[SupervisedProcess]:
        return [process for process in read_status(tmp_path, True).processes if process.state == "ready"]

    log = str(tmp_path / "logs" / "a.0.log")
    write_desired(tmp_path, Desired({"a.0": ProcessSpec("a.0", "a", ("sleep", "60"), "/", {"PATH": "/bin"}, log=log)}))
    try:
        asyncio.run(ensure_supervisor(tmp_path))
        wait_until(served)
        before, keeper = former(tmp_path), processes.read_handle(tmp_path / "keeper.json")
        asyncio.run(ensure_supervisor(tmp_path))
        assert keeper is not None
        assert not processes.alive(keeper)
        assert is_gone(before["pid"])
        wait_until(served)
        assert [asdict(process) for process in served()] == [
            {**process, "restarts": tuple(process["restarts"])} for process in before["processes"]
        ]
        # One of today is kept.
        now = read_status_file(tmp_path).pid
        asyncio.run(ensure_supervisor(tmp_path))
        assert read_status_file(tmp_path).pid == now
    finally:
        asyncio.run(down(tmp_path, purge=True))


def test_a_former_supervisor_without_a_keeper_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pid alone may be that of another process by now."""
    (tmp_path / "status.json").write_text(json.dumps({"pid": os.getpid(), "processes": []}))
    with FileLock(tmp_path / "supervisor.lock") as held:
        assert held.take()
        asyncio.run(ensure_supervisor(tmp_path))
        assert supervisor_runs(tmp_path)


def test_an_environment_whose_files_cannot_be_read_is_not_started(tmp_path: Path) -> None:
    (tmp_path / "desired.json").write_text('{"version": 2}')
    with pytest.raises(InfrastructureError, match=r"desired\.json cannot be read"):
        asyncio.run(ensure_supervisor(tmp_path))
    assert not supervisor_runs(tmp_path)
