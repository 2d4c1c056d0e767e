"""Workers of a deployment: ports told to all, suspended with a standby, started again when it comes back."""

from __future__ import annotations

from pathlib import Path

from dawsos.model.process import ProcessSpec
from dawsos.platforms.contract import Roles
from dawsos.platforms.local.state import Desired, read_desired, write_desired
from dawsos.platforms.local.workers import (
    Surroundings,
    Worker,
    choose_ports,
    filled,
    specs,
    suspend_standby,
    with_ports,
)

QUEUE = Worker("queue", ("python", "-m", "queue"), ports=("QUEUE_PORT",), ready_path="/ready")


def test_ports_are_chosen_once() -> None:
    first = choose_ports((QUEUE,), {})
    assert first["QUEUE_PORT"] > 0
    assert choose_ports((QUEUE,), first) == first


def test_ports_of_the_environment_are_filled_in_first_and_those_of_workers_are_left() -> None:
    env = with_ports({"URL": "http://h:{S_PORT}/{QUEUE_PORT}", "KEPT": "{name} {}"}, {"S_PORT": "80"})
    assert env == {"URL": "http://h:80/{QUEUE_PORT}", "KEPT": "{name} {}", "S_PORT": "80"}


def test_ports_are_told_and_filled_into_values() -> None:
    env = filled({"URL": "http://127.0.0.1:{QUEUE_PORT}/x", "JSON": '{"a": {b}}', "KEPT": "{name}"}, {"QUEUE_PORT": 81})
    assert env == {"URL": "http://127.0.0.1:81/x", "JSON": '{"a": {b}}', "KEPT": "{name}", "QUEUE_PORT": "81"}


def test_a_value_that_names_a_port_nobody_has_is_left_out() -> None:
    assert filled({"URL": "http://127.0.0.1:{QUEUE_PORT}", "A": "b"}, {}) == {"A": "b"}


def test_a_worker_is_probed_on_its_first_port_and_belongs_to_its_deployment(tmp_path: Path) -> None:
    around = Surroundings("d1", "/", {"QUEUE_PORT": "81"}, 2.0, tmp_path)
    (spec,) = specs(QUEUE, around, {"QUEUE_PORT": 81})
    assert (spec.name, spec.group, spec.stop_grace) == ("d1.queue", "d1", 2.0)
    assert spec.ready is not None
    assert (spec.ready.port, spec.ready.path) == (81, "/ready")
    names = [made.name for made in specs(Worker("mill", ("mill",), replicas=2), around, {})]
    assert names == ["d1.mill-0", "d1.mill-1"]


def desired() -> Desired:
    processes = {name: ProcessSpec(name, name[:2], ("x",), "/") for name in ("d1.0", "d1.queue", "d1.mail", "d2.queue")}
    deployments = {
        "d1": {"release": "r1", "ports": [1], "suspendable": ["d1.queue"]},
        "d2": {"release": "r2", "ports": [2], "suspendable": ["d2.queue"]},
    }
    return Desired(processes, deployments)


def test_a_standby_does_no_work_and_works_again_when_it_returns(tmp_path: Path) -> None:
    state = desired()
    before = dict(state.processes)
    assert suspend_standby(state, Roles(stable="d2", standby="d1"))
    assert sorted(state.processes) == ["d1.0", "d1.mail", "d2.queue"]
    assert not suspend_standby(state, Roles(stable="d2", standby="d1"))
    # What is suspended is written and read as everything else: another process brings it back.
    write_desired(tmp_path, state)
    state = read_desired(tmp_path)
    assert suspend_standby(state, Roles(stable="d1", canary="d2", weight=100))
    assert state.processes == before


def test_a_deployment_of_an_older_version_has_nothing_to_suspend() -> None:
    state = Desired({}, {"d1": {"release": "r1", "ports": [1]}})
    assert not suspend_standby(state, Roles(stable=None, standby="d1"))
