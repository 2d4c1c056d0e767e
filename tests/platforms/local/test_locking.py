"""Who reads a file of an environment to write it again is alone with it; traffic to stable waits for nobody."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

from dawsos.errors import InfrastructureError, OwnedElsewhere
from dawsos.model.process import ProcessSpec
from dawsos.platforms.contract import Roles
from dawsos.platforms.local import locking
from dawsos.platforms.local.environment import LocalEnvironment
from dawsos.platforms.local.locking import changing, locked
from dawsos.platforms.local.state import Desired, read_desired, read_roles, write_desired, write_roles
from dawsos.platforms.local.traffic import EnvoyTraffic


def spec(name: str) -> ProcessSpec:
    return ProcessSpec(name, "", ("true",), "/", {})


def test_what_two_want_at_once_is_all_wanted(tmp_path: Path) -> None:
    names = [[f"{letter}.{number}" for number in range(40)] for letter in "ab"]

    def want(mine: list[str]) -> None:
        platform = LocalEnvironment(tmp_path, "production")
        for name in mine:
            platform._want(spec(name))

    writers = [threading.Thread(target=want, args=(mine,)) for mine in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert set(read_desired(tmp_path).processes) == {*names[0], *names[1]}


def test_what_was_not_changed_is_not_written(tmp_path: Path) -> None:
    write_desired(tmp_path, Desired({"a": spec("a")}, {"d1": {"ports": [1]}}))
    before = (tmp_path / "desired.json").stat().st_ino
    with changing(tmp_path) as desired:
        assert list(desired.processes) == ["a"]
    assert (tmp_path / "desired.json").stat().st_ino == before
    with changing(tmp_path) as desired:
        desired.deployments["d1"]["ports"].append(2)
    assert read_desired(tmp_path).deployments == {"d1": {"ports": [1, 2]}}


def test_what_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    """It would look as if nobody wanted anything any more, and the supervisor would stop it all."""
    (tmp_path / "desired.json").write_text('{"processes": {')
    with pytest.raises(InfrastructureError, match=r"desired\.json cannot be read"), changing(tmp_path) as desired:
        desired.stop = True
    assert (tmp_path / "desired.json").read_text() == '{"processes": {'


def test_a_change_that_fails_is_not_written(tmp_path: Path) -> None:
    write_desired(tmp_path, Desired({"a": spec("a")}))
    with pytest.raises(KeyError), changing(tmp_path) as desired:
        del desired.processes["a"], desired.processes["b"]
    assert list(read_desired(tmp_path).processes) == ["a"]


def test_who_does_not_let_go_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "production"
    with locked(folder):
        words = f"the environment production is being changed by the process {os.getpid()}"
        with pytest.raises(OwnedElsewhere, match=words), locked(folder, 0.02):
            raise AssertionError("both had it")
    with locked(folder, 0.02):
        pass


def test_traffic_goes_to_stable_within_a_second_whoever_was_stopped_with_the_lock(tmp_path: Path) -> None:
    platform = LocalEnvironment(tmp_path, "production")
    write_desired(tmp_path, Desired(proxy={"listener": 7, "admin": 8, "faults": 9}))
    write_roles(tmp_path, Roles("old", "new", None, 25))

    async def move(weight: int) -> None:
        traffic = EnvoyTraffic(platform.folder)

        async def confirmed(name: str, version: str) -> float:
            return 0.0

        traffic._admin.confirm = confirmed  # type: ignore[method-assign,assignment]
        try:
            await traffic.set_weight(weight)
        finally:
            await traffic.close()

    with locked(tmp_path):
        began = time.monotonic()
        asyncio.run(move(0))
        assert time.monotonic() - began < 1
        assert read_roles(tmp_path) == Roles("old", "new", None, 0)


def test_a_canary_gets_no_traffic_beside_another_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = LocalEnvironment(tmp_path, "production")
    write_desired(tmp_path, Desired(proxy={"listener": 7, "admin": 8, "faults": 9}))
    write_roles(tmp_path, Roles("old", "new", None, 5))
    monkeypatch.setattr("dawsos.platforms.local.traffic.PATIENT", 0.02)
    with locked(tmp_path), pytest.raises(OwnedElsewhere):
        asyncio.run(EnvoyTraffic(platform.folder).set_weight(25))
    assert read_roles(tmp_path).weight == 5
    assert locking.URGENT < 1


def test_a_canary_that_nobody_watches_is_withdrawn(tmp_path: Path) -> None:
    platform = LocalEnvironment(tmp_path, "production")
    platform.withdraw()
    assert not (tmp_path / "traffic.json").exists()
    write_roles(tmp_path, Roles("old", "new", "older", 25))
    platform.withdraw()
    assert read_roles(tmp_path) == Roles("old", "new", "older", 0)
    assert '"old"' in (tmp_path / "envoy" / "routes.json").read_text()
