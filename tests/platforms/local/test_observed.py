"""What the files of an environment say to who only looks."""

from __future__ import annotations

from pathlib import Path

from dawsos.adapters.locks import FileLock
from dawsos.platforms.local.locking import SUPERVISOR_LOCK
from dawsos.platforms.local.observed import observe
from dawsos.platforms.local.state import Desired, EnvironmentStatus, Roles, write_desired, write_json, write_roles


def test_of_an_environment_that_was_never_started_nothing_is_said(tmp_path: Path) -> None:
    seen = observe(tmp_path / "production")
    assert (seen.roles, seen.releases, seen.status) == (Roles(), {}, EnvironmentStatus())


def test_each_role_is_shown_with_its_release_and_processes_only_under_a_supervisor(tmp_path: Path) -> None:
    deployments = {"old": {"release": "a" * 64}, "new": {"release": "b" * 64}}
    write_desired(tmp_path, Desired(deployments=deployments, proxy={"listener": 7}))
    write_roles(tmp_path, Roles(stable="old", canary="new", standby="gone", weight=25))
    process = {"name": "old.0", "group": "old", "pid": 1, "state": "ready", "restarts": []}
    write_json(tmp_path / "status.json", {"processes": [process]})
    seen = observe(tmp_path)
    assert seen.releases == {"stable": "a" * 64, "canary": "b" * 64, "standby": ""}
    assert (seen.roles.weight, seen.status.url, seen.status.running) == (25, "http://127.0.0.1:7", False)
    assert seen.status.processes == ()
    with FileLock(tmp_path / SUPERVISOR_LOCK) as lock:
        assert lock.take(1.0)
        assert [one.name for one in observe(tmp_path).status.processes] == ["old.0"]
