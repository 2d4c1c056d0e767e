"""An environment is begun and ended; what both do with real processes is in ``test_platform.py``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dawsos.errors import InfrastructureError
from dawsos.model.process import ProcessSpec
from dawsos.platforms.local import lifecycle, processes
from dawsos.platforms.local.lifecycle import down, ensure_supervisor, until
from dawsos.platforms.local.locking import supervisor_runs
from dawsos.platforms.local.state import Desired, read_desired, write_desired


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

    monkeypatch.setattr(lifecycle.processes, "stop", spy)
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
