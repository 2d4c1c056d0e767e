"""The files of an environment: what is written is read again, half a file never."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from dawsos.errors import InfrastructureError
from dawsos.model.process import Probe, ProcessSpec
from dawsos.platforms.contract import Roles
from dawsos.platforms.local.processes import spec_digest
from dawsos.platforms.local.state import (
    Desired,
    SupervisedProcess,
    SupervisorStatus,
    find_desired,
    find_roles,
    has_former_supervisor,
    read_desired,
    read_json,
    read_roles,
    read_status,
    spec_from,
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


# What the code of commit 9091e4c wrote: no version, and other names for what a standby does not run.
FORMER: dict[str, dict[str, Any]] = {
    "desired": {
        "processes": {
            "d1.0": {
                "name": "d1.0", "group": "d1", "argv": ["python", "-m", "app"], "cwd": "/", "env": {"PORT": "1"},
                "user": [1, 2], "stop_signal": "SIGTERM", "stop_grace": 5.0, "log": "/log",
                "ready": {"kind": "tcp", "port": 1, "path": "/", "ask": "00", "answers": ["52"]},
            }
        },
        "deployments": {
            "d1": {"release": "r1", "ports": [1], "named_ports": {}, "parks": []},
            "d0": {
                "release": "r0", "ports": [2], "named_ports": {}, "parks": ["d0.queue"],
                "parked": {
                    "d0.queue": {
                        "name": "d0.queue", "group": "d0", "argv": ["x"], "cwd": "/", "env": {}, "user": None,
                        "stop_signal": "SIGTERM", "stop_grace": 5.0, "ready": None, "log": "",
                    }
                },
            },
        },
        "proxy": {"listener": 7, "admin": 8, "faults": 9}, "crash_restarts": 3, "crash_window": 300.0, "stop": False,
    },
    "traffic": {"stable": "d1", "canary": None, "standby": "d0", "weight": 0},
    "status": {
        "processes": [
            {"name": "d1.0", "group": "d1", "pid": 9, "state": "ready", "restarts": [1.5], "crash_looping": False,
             "digest": "f165d104bdba4055ea57f42bb1e17cda2fe88a6fe2be1aa0a03399ddddd36046"},
        ],
        "pid": 8, "lease_expired": None,
    },
}  # fmt: skip
WANTED = replace(SPEC, name="d1.0", group="d1")


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """An environment that was left by the code of commit 9091e4c."""
    for name, content in FORMER.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def held(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


def test_an_environment_without_versions_is_read(former: Path) -> None:
    desired = read_desired(former)
    assert desired.processes == {"d1.0": WANTED}
    assert desired.deployments["d0"]["suspendable"] == ["d0.queue"]
    assert spec_from(desired.deployments["d0"]["suspended"]["d0.queue"]) == ProcessSpec("d0.queue", "d0", ("x",), "/")
    assert desired.proxy == {"listener": 7, "admin": 8, "faults": 9}
    assert read_roles(former) == Roles("d1", None, "d0", 0)
    (process,) = read_status(former, True).processes
    assert (process.pid, process.restarts) == (9, (1.5,))
    # A process that runs since then must not be replaced only because its digest is made in another way now.
    assert process.digest == spec_digest(WANTED)


def test_a_supervisor_of_that_time_is_told_nothing_that_it_cannot_read(former: Path) -> None:
    assert has_former_supervisor(former)
    write_desired(former, read_desired(former))
    write_roles(former, read_roles(former))
    assert held(former, "desired").keys() == FORMER["desired"].keys()
    assert held(former, "traffic") == FORMER["traffic"]
    write_json(former / "status.json", FORMER["status"])
    assert not has_former_supervisor(former)
    write_desired(former, read_desired(former))
    write_roles(former, read_roles(former))
    assert [held(former, name)["version"] for name in FORMER] == [1, 1, 1]


def with_new_keys(value: Any) -> Any:
    """Return JSON with a key that nobody knows in each of its records; ``env`` is a map, whose keys are all known."""
    if isinstance(value, list):
        return [with_new_keys(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: item if key == "env" else with_new_keys(item) for key, item in value.items()} | {"new": 1}


def test_keys_that_are_not_known_are_ignored_wherever_they_stand(tmp_path: Path) -> None:
    deployments = {"a": {"suspended": {"a-0": asdict(SPEC)}}}
    write_desired(tmp_path, Desired({"a-0": SPEC}, deployments, {"listener": 7}))
    desired = held(tmp_path, "desired")
    desired["processes"] = {"a-0": with_new_keys(desired["processes"]["a-0"])}
    desired["deployments"] = {"a": with_new_keys(desired["deployments"]["a"])}
    desired["deployments"]["a"]["suspended"].pop("new")
    (tmp_path / "desired.json").write_text(json.dumps({**desired, "new": {"deep": []}}))
    assert read_desired(tmp_path).processes == {"a-0": SPEC}
    assert spec_from(read_desired(tmp_path).deployments["a"]["suspended"]["a-0"]) == SPEC
    write_roles(tmp_path, Roles("old", "new", None, 5))
    (tmp_path / "traffic.json").write_text(json.dumps(with_new_keys(held(tmp_path, "traffic"))))
    assert read_roles(tmp_path) == Roles("old", "new", None, 5)
    (tmp_path / "status.json").write_text(json.dumps(with_new_keys(FORMER["status"])))
    assert [process.name for process in read_status(tmp_path, True).processes] == ["d1.0"]


DAMAGED = ["", "{", "[]", "7", '{"version": 2}', '{"version": "x"}']


@pytest.mark.parametrize(
    "content",
    [
        *DAMAGED,
        '{"processes": []}',
        '{"processes": {"a": {}}}',
        '{"processes": {"a": {"name": "a", "group": "a", "argv": "sh", "cwd": "/"}}}',
        '{"processes": {"a": {"name": "a", "group": "a", "argv": ["sh"], "cwd": "/", "user": [1]}}}',
        '{"processes": {"a": {"name": "a", "group": "a", "argv": ["sh"], "cwd": "/", "ready": {"kind": "udp", "port": 1}}}}',
        '{"deployments": {"a": 7}}',
        '{"deployments": {"a": {"suspended": {"a.0": {"name": 7}}}}}',
        '{"proxy": {"listener": "7"}}',
        '{"crash_restarts": null}',
        '{"crash_window": NaN}',
        '{"stop": 1}',
    ],
)
def test_what_should_run_is_not_guessed_from_a_file_that_cannot_be_read(content: str, tmp_path: Path) -> None:
    """Nothing wanted would mean that all is stopped."""
    assert find_desired(tmp_path) == Desired()
    (tmp_path / "desired.json").write_text(content)
    assert find_desired(tmp_path) is None
    with pytest.raises(InfrastructureError, match=r"desired\.json cannot be read"):
        read_desired(tmp_path)
    # Whoever only looks is not refused.
    assert read_status(tmp_path, True) == SupervisorStatus(running=True)


@pytest.mark.parametrize("content", [*DAMAGED, '{"stable": 7}', '{"weight": "5"}', '{"weight": 5.5}', '{"canary": {}}'])
def test_roles_are_not_guessed_from_a_file_that_cannot_be_read(content: str, tmp_path: Path) -> None:
    """No roles would mean that nothing serves, and a release would get all traffic at once."""
    assert find_roles(tmp_path) == Roles()
    (tmp_path / "traffic.json").write_text(content)
    assert find_roles(tmp_path) is None
    with pytest.raises(InfrastructureError, match=r"traffic\.json cannot be read"):
        read_roles(tmp_path)


@pytest.mark.parametrize("content", ["{", '{"processes": 7}', '{"processes": [{"name": "a"}]}', '{"pid": "x"}'])
def test_a_status_that_cannot_be_read_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text(content)
    assert read_status(tmp_path, True) == SupervisorStatus(running=True)


def test_a_number_stays_as_it_was_written(tmp_path: Path) -> None:
    """The digest of a spec tells 5 from 5.0, and another digest means another process."""
    spec = replace(SPEC, stop_grace=5)
    write_desired(tmp_path, Desired({"a-0": spec}))
    assert spec_digest(read_desired(tmp_path).processes["a-0"]) == spec_digest(spec) != spec_digest(SPEC)


def test_a_file_of_state_has_its_version_and_is_private(tmp_path: Path) -> None:
    write_json(tmp_path / "lease.json", {"expires": 1.0})
    assert held(tmp_path, "lease") == {"version": 1, "expires": 1.0}
    assert (tmp_path / "lease.json").stat().st_mode & 0o077 == 0


def test_what_is_no_process_is_refused() -> None:
    with pytest.raises(ValueError, match="no process"):
        spec_from({"name": "a"})


def test_an_environment_that_never_was_is_empty(tmp_path: Path) -> None:
    assert read_desired(tmp_path) == Desired()
    assert read_roles(tmp_path) == Roles()
    assert read_status(tmp_path, False) == SupervisorStatus()


def test_roles_come_back(tmp_path: Path) -> None:
    write_roles(tmp_path, Roles("old", "new", "older", 25))
    assert read_roles(tmp_path) == Roles("old", "new", "older", 25)


def test_without_a_supervisor_no_process_is_believed_to_run(tmp_path: Path) -> None:
    write_desired(tmp_path, Desired(proxy={"listener": 7}))
    process = {"name": "a-0", "group": "a", "pid": 9, "state": "ready", "restarts": [1.0], "crash_looping": False}
    write_json(tmp_path / "status.json", {"processes": [process], "lease_expired": 3.0})
    running = read_status(tmp_path, True)
    assert running.processes == (SupervisedProcess("a-0", "a", 9, "ready", (1.0,)),)
    assert (running.url, running.lease_expired) == ("http://127.0.0.1:7", 3.0)
    assert read_status(tmp_path, False).processes == ()


@pytest.mark.parametrize("text", ["", "{", "[]", "1"])
def test_what_is_no_object_is_read_as_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    assert read_json(tmp_path / "x.json") == {}
