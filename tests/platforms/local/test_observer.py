"""What the files of an environment say to who only looks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from dawsos.adapters.locks import FileLock
from dawsos.platforms.contract import DeploymentStatus, EnvironmentStatus, Roles
from dawsos.platforms.local.locking import SUPERVISOR_LOCK
from dawsos.platforms.local.observer import is_replica, observe
from dawsos.platforms.local.state import Desired, write_desired, write_json, write_roles


def test_of_an_environment_that_was_never_started_nothing_is_said(tmp_path: Path) -> None:
    assert observe(tmp_path / "production") == EnvironmentStatus("production")


def test_each_role_is_shown_with_its_release_and_processes_only_under_a_supervisor(tmp_path: Path) -> None:
    deployments = {"old": {"release": "a" * 64, "ports": [1, 2]}, "new": {"release": "b" * 64, "ports": [3]}}
    write_desired(tmp_path, Desired(deployments=deployments, proxy={"listener": 7}))
    write_roles(tmp_path, Roles(stable="old", canary="new", standby="gone", weight=25))
    shown = [
        {"name": "old.0", "group": "old", "pid": 1, "state": "ready", "restarts": [1.0]},
        {"name": "old.1", "group": "old", "pid": 2, "state": "unready", "restarts": [], "crash_looping": True},
        {"name": "old.queue", "group": "old", "pid": 3, "state": "dead", "restarts": [1.0, 2.0]},
        {"name": "new.0", "group": "new", "pid": 4, "state": "ready", "restarts": []},
    ]
    write_json(tmp_path / "status.json", {"processes": shown})
    seen = observe(tmp_path)
    assert [seen.release_of(name) for name in ("old", "new", "gone")] == ["a" * 64, "b" * 64, ""]
    assert (seen.roles.weight, seen.url, seen.running, seen.processes) == (25, "http://127.0.0.1:7", False, ())
    assert seen.deployments["new"] == DeploymentStatus("new", "b" * 64, replicas=1, ready_replicas=0)
    with FileLock(tmp_path / SUPERVISOR_LOCK) as lock:
        assert lock.take(1.0)
        seen = observe(tmp_path)
    assert seen.running
    assert seen.deployments["old"] == DeploymentStatus("old", "a" * 64, 2, 1, ("old.queue",), 3, crash_looping=True)
    assert [seen.is_ready(name) for name in ("old", "new", "gone")] == [False, True, False]


def test_a_replica_has_the_address_where_it_answers_and_other_processes_have_none(tmp_path: Path) -> None:
    write_desired(tmp_path, Desired(deployments={"d": {"release": "a" * 64, "ports": [11, 12]}}))
    names = ("d.0", "d.1", "d.queue", "postgres")
    shown = [{"name": name, "group": name.partition(".")[0], "pid": 1, "state": "ready"} for name in names]
    write_json(tmp_path / "status.json", {"processes": shown})
    with FileLock(tmp_path / SUPERVISOR_LOCK) as lock:
        assert lock.take(1.0)
        found = {process.name: process.address for process in observe(tmp_path).processes}
    assert found == {"d.0": "127.0.0.1:11", "d.1": "127.0.0.1:12", "d.queue": "", "postgres": ""}


def test_a_replica_that_is_not_shown_yet_is_not_ready(tmp_path: Path) -> None:
    write_desired(tmp_path, Desired(deployments={"d": {"release": "a" * 64, "ports": [1, 2]}}))
    write_json(tmp_path / "status.json", {"processes": [{"name": "d.0", "group": "d", "pid": 1, "state": "ready"}]})
    with FileLock(tmp_path / SUPERVISOR_LOCK) as lock:
        assert lock.take(1.0)
        assert not observe(tmp_path).is_ready("d")


def test_the_digest_of_a_spec_is_not_shown(tmp_path: Path) -> None:
    written = {"name": "d.0", "group": "d", "pid": 1, "state": "ready", "restarts": [1.0], "digest": "f" * 64}
    write_json(tmp_path / "status.json", {"processes": [written]})
    with FileLock(tmp_path / SUPERVISOR_LOCK) as lock:
        assert lock.take(1.0)
        (seen,) = observe(tmp_path).processes
    assert asdict(seen) == {
        "name": "d.0", "group": "d", "pid": 1, "state": "ready", "restarts": (1.0,), "crash_looping": False,
        "address": "",
    }  # fmt: skip


def test_replicas_have_a_number_and_workers_a_name() -> None:
    assert [is_replica(name) for name in ("d1.0", "d1.queue", "d1.mill-0")] == [True, False, False]
