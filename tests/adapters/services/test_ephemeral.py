"""Services for one stage: up before it, gone after it, whatever happens in between."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from dawsos.adapters.services.common import outside_folder
from dawsos.adapters.services.ephemeral import services
from dawsos.errors import InfrastructureError
from dawsos.model.process import Probe, ProcessSpec
from waiting import is_gone, pids_in


class Sleeper:
    """A service that only sleeps; ``home`` is the folder it was given."""

    def __init__(self, name: str, pids: Path, script: str = "exec sleep 60", ready: Probe | None = None) -> None:
        self.name = name
        self.script = f"echo $$ > {pids}/{name}.pid; {script}"
        self.ready = ready
        self.home: Path | None = None

    def prepare(self, folder: Path) -> tuple[ProcessSpec, dict[str, str]]:
        self.home = folder
        argv = ("/bin/sh", "-c", self.script)
        spec = ProcessSpec(
            self.name, "services", argv, str(folder), {"PATH": "/usr/bin:/bin"}, stop_grace=0.1, ready=self.ready
        )
        return spec, {f"{self.name.upper()}_URL": f"{self.name}://here"}


def test_they_run_while_the_body_does_and_leave_nothing(tmp_path: Path) -> None:
    one, two = Sleeper("one", tmp_path), Sleeper("two", tmp_path, "trap '' TERM; sleep 60; sleep 60")

    async def body() -> list[int]:
        async with services([one, two], tmp_path / "logs") as variables:
            assert variables == {"ONE_URL": "one://here", "TWO_URL": "two://here"}
            found = pids_in(tmp_path, 2)
            assert not any(map(is_gone, found))
            return found

    pids = asyncio.run(body())
    assert all(map(is_gone, pids))
    assert one.home is not None
    assert not one.home.parent.exists()


@pytest.mark.parametrize("error", [RuntimeError("a defect"), asyncio.CancelledError()])
def test_they_are_gone_also_when_the_body_fails(error: BaseException, tmp_path: Path) -> None:
    async def body() -> None:
        async with services([Sleeper("one", tmp_path)], tmp_path / "logs"):
            pids_in(tmp_path, 1)
            raise error

    with pytest.raises(type(error)):
        asyncio.run(body())
    assert all(map(is_gone, pids_in(tmp_path, 1)))


@pytest.mark.e2e  # a probe connects
def test_one_that_does_not_come_up_says_its_last_words_and_ends_the_others(tmp_path: Path) -> None:
    broken = Sleeper("broken", tmp_path, "echo no disk >&2; exit 1", Probe("tcp", 1, ask="00", answers=("00",)))

    async def body() -> None:
        async with services([Sleeper("one", tmp_path), broken], tmp_path / "logs"):
            raise AssertionError("must not be reached")

    with pytest.raises(InfrastructureError, match=r"broken did not come up:\n +no disk"):
        asyncio.run(body())
    assert all(map(is_gone, pids_in(tmp_path, 2)))


def test_none_wanted_is_none_started(tmp_path: Path) -> None:
    async def body() -> dict[str, str]:
        async with services([], tmp_path / "logs") as variables:
            return variables

    assert asyncio.run(body()) == {}
    assert not (tmp_path / "logs").exists()


class Outside(Sleeper):
    """A service whose user cannot reach the folder, and that lies elsewhere therefore."""

    def prepare(self, folder: Path) -> tuple[ProcessSpec, dict[str, str]]:
        self.outside = outside_folder(folder)
        (self.outside / "data").mkdir()
        return super().prepare(folder)


def test_what_had_to_lie_outside_is_gone_as_well(tmp_path: Path) -> None:
    one = Outside("one", tmp_path)

    async def body() -> None:
        async with services([one], tmp_path / "logs"):
            assert one.outside.exists()

    asyncio.run(body())
    try:
        assert not one.outside.exists()
    finally:
        shutil.rmtree(one.outside, ignore_errors=True)
