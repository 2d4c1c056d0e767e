"""The files of an environment: what is written is read again, half a file never."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dawsos.model.process import Probe, ProcessSpec
from dawsos.platforms.local.state import (
    Desired,
    EnvironmentStatus,
    ProcessStatus,
    Roles,
    read_desired,
    read_json,
    read_roles,
    read_status,
    told_to_run,
    write_desired,
    write_json,
    write_roles,
)

SPEC = ProcessSpec(
    "a-0", "a", ("python", "-m", "app"), "/", {"PORT": "1"}, user=(1, 2), ready=Probe("tcp", 1, ask="00", answers=("52",)), log="/log"
)  # fmt: skip


def test_what_should_run_comes_back(tmp_path: Path) -> None:
    desired = Desired({"a-0": SPEC}, {"a": {"release": "r", "ports": [1]}}, {"listener": 7}, 5, 60.0, True)
    write_desired(tmp_path, desired)
    assert read_desired(tmp_path) == desired


def test_an_order_that_cannot_be_read_is_told_from_none(tmp_path: Path) -> None:
    assert told_to_run(tmp_path) == Desired()
    write_desired(tmp_path, Desired({"a-0": SPEC}))
    assert told_to_run(tmp_path) == Desired({"a-0": SPEC})
    for damaged in ('{"processes"', "[]", ""):
        (tmp_path / "desired.json").write_text(damaged)
        assert told_to_run(tmp_path) is None


def test_an_environment_that_never_was_is_empty(tmp_path: Path) -> None:
    assert read_desired(tmp_path) == Desired()
    assert read_roles(tmp_path) == Roles()
    assert read_status(tmp_path, False) == EnvironmentStatus()


def test_roles_come_back(tmp_path: Path) -> None:
    write_roles(tmp_path, Roles("old", "new", "older", 25))
    assert read_roles(tmp_path) == Roles("old", "new", "older", 25)


def test_without_a_supervisor_no_process_is_believed_to_run(tmp_path: Path) -> None:
    write_desired(tmp_path, Desired(proxy={"listener": 7}))
    process = {"name": "a-0", "group": "a", "pid": 9, "state": "ready", "restarts": [1.0], "crash_looping": False}
    write_json(tmp_path / "status.json", {"processes": [process], "lease_expired": 3.0})
    running = read_status(tmp_path, True)
    assert running.processes == (ProcessStatus("a-0", "a", 9, "ready", (1.0,)),)
    assert (running.url, running.lease_expired) == ("http://127.0.0.1:7", 3.0)
    assert read_status(tmp_path, False).processes == ()


def test_a_write_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"a": object()})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "1"])
def test_what_is_no_object_is_read_as_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    assert read_json(tmp_path / "x.json") == {}
