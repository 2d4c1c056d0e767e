"""What runs becomes what should run: with real processes, a supervisor that ticks when told to, and a clock of its own."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.loopback import free_ports
from dawsos.model.process import Probe, ProcessSpec
from dawsos.platforms.contract import Roles
from dawsos.platforms.local import processes, supervisor
from dawsos.platforms.local.locking import supervisor_runs
from dawsos.platforms.local.state import (
    Desired,
    SupervisedProcess,
    read_desired,
    read_roles,
    read_status,
    write_desired,
    write_json,
    write_roles,
)
from dawsos.platforms.local.supervisor import DesiredReader, Supervisor
from waiting import asked_by_many, is_gone, pids_in, wait_until

SLEEP = "exec sleep 60"
# Neither the shell nor its child hears TERM.
DEAF = "trap '' TERM; echo $$ > deaf.pid; while true; do sleep 60; done"


class Stopped(Exception):
    """A test has seen enough."""


class HandClock:
    """Time that passes when a test says so, or when the supervisor sleeps; the wall's ``now`` may be set anew.

    With ``sleeps_left`` each sleep is six seconds long, and the last one ends the supervisor with ``Stopped``.
    """

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.steady = 1_000.0
        self.sleeps_left: int | None = None

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.steady

    def sleep(self, seconds: float) -> None:
        if self.sleeps_left is not None:
            seconds, self.sleeps_left = 6.0, self.sleeps_left - 1
        self.now += seconds
        self.steady += seconds
        if self.sleeps_left == 0:
            raise Stopped


class Stand:
    """An environment's folder and its supervisor."""

    def __init__(self, folder: Path, clock: HandClock) -> None:
        self.folder = folder
        self.clock = clock
        self.supervisor = Supervisor(folder)

    def spec(self, name: str = "a.0", script: str = SLEEP, **changes: Any) -> ProcessSpec:
        log = str(self.folder / "logs" / f"{name}.log")
        argv = ("/bin/sh", "-c", script)
        plain = ProcessSpec(name, name.partition(".")[0], argv, str(self.folder), {"PATH": "/usr/bin:/bin"}, log=log)
        return replace(plain, **changes)

    def want(self, *specs: ProcessSpec, **changes: Any) -> None:
        write_desired(self.folder, replace(Desired({spec.name: spec for spec in specs}), **changes))

    def tick(self) -> dict[str, SupervisedProcess]:
        """Let the supervisor look once, and return what it wrote."""
        self.supervisor._tick(read_desired(self.folder))
        return {process.name: process for process in read_status(self.folder, True).processes}

    def ticks_until(self, condition: Callable[[dict[str, SupervisedProcess]], object]) -> dict[str, SupervisedProcess]:
        """Tick, in no time of the supervisor's clock, until the real processes have come so far."""
        wait_until(lambda: condition(self.tick()))
        return {process.name: process for process in read_status(self.folder, True).processes}

    def kill(self, name: str = "a.0") -> None:
        """KILL a process that runs, and let the supervisor see that it is gone."""
        pid = self.tick()[name].pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: is_gone(pid))
        self.tick()

    def succeeded_by_another(self) -> None:
        """The supervisor dies; all that the next one knows is in the folder."""
        self.supervisor = Supervisor(self.folder)


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """What a test starts ends with it."""
    clock = HandClock()
    monkeypatch.setattr(supervisor, "time", clock)
    yield Stand(tmp_path, clock)
    for pid_file in (tmp_path / "run").glob("*.json"):
        handle = processes.read_handle(pid_file)
        if handle is not None:
            processes.kill_tree(handle)


def test_what_is_wanted_runs_and_is_told(stand: Stand) -> None:
    stand.want(stand.spec("a.0"), stand.spec("b.0"))
    stand.tick()
    seen = stand.tick()
    assert [(p.name, p.group, p.state, p.restarts) for p in seen.values()] == [
        ("a.0", "a", "ready", ()),
        ("b.0", "b", "ready", ()),
    ]
    handle = processes.read_handle(stand.folder / "run" / "a.0.json")
    assert handle is not None
    assert (handle.pid, handle.digest) == (seen["a.0"].pid, seen["a.0"].digest)
    assert processes.alive(handle)
    assert read_status(stand.folder, True).lease_expired is None


def test_nothing_is_written_when_nothing_changed(stand: Stand) -> None:
    stand.want(stand.spec())
    stand.tick()
    stand.tick()
    before = (stand.folder / "status.json").stat().st_mtime_ns
    stand.tick()
    assert (stand.folder / "status.json").stat().st_mtime_ns == before


def test_what_died_is_started_again_at_once_and_counted(stand: Stand) -> None:
    stand.want(stand.spec())
    first = stand.tick()["a.0"].pid
    stand.kill()
    seen = stand.tick()["a.0"]
    assert seen.pid not in (0, first)
    assert (seen.restarts, seen.crash_looping) == ((stand.clock.now,), False)


def test_what_keeps_dying_waits_longer_each_time(stand: Stand) -> None:
    stand.want(stand.spec())
    stand.tick()
    for pause in (0.0, 0.3, 1.0, 3.0, 10.0, 10.0):
        stand.kill()
        if pause:
            stand.clock.sleep(pause - 0.01)
            assert stand.tick()["a.0"].pid == 0
            stand.clock.sleep(0.02)
        assert stand.tick()["a.0"].pid != 0


def test_three_deaths_within_the_window_are_a_crash_loop_until_it_has_passed(stand: Stand) -> None:
    stand.want(stand.spec(), crash_restarts=3, crash_window=60.0)
    stand.tick()
    looping = []
    for _ in range(3):
        stand.clock.sleep(11)
        stand.kill()
        looping.append(stand.tick()["a.0"].crash_looping)
    assert looping == [False, False, True]
    stand.clock.sleep(49)
    assert stand.tick()["a.0"].crash_looping is False
    stand.clock.sleep(60)
    assert stand.tick()["a.0"].restarts == ()


def test_a_crash_loop_is_not_forgotten_with_the_supervisor_that_saw_it(stand: Stand) -> None:
    stand.want(stand.spec())
    stand.tick()
    for _ in range(3):
        stand.succeeded_by_another()
        stand.clock.sleep(11)
        stand.kill()
    seen = stand.tick()["a.0"]
    assert (len(seen.restarts), seen.crash_looping) == (3, True)


def test_the_next_supervisor_adopts_what_runs(stand: Stand) -> None:
    stand.want(stand.spec("a.0"), stand.spec("b.0"))
    stand.tick()
    before = stand.tick()
    stand.succeeded_by_another()
    after = stand.tick()
    assert after == before
    assert all(process.state == "ready" for process in after.values())


def test_what_died_while_there_was_no_supervisor_runs_again(stand: Stand) -> None:
    stand.want(stand.spec())
    pid = stand.tick()["a.0"].pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_gone(pid))
    stand.succeeded_by_another()
    assert stand.tick()["a.0"].pid not in (0, pid)


def test_the_next_supervisor_ends_what_nobody_wants_any_more(stand: Stand) -> None:
    stand.want(stand.spec())
    pid = stand.tick()["a.0"].pid
    stand.want()
    stand.succeeded_by_another()
    assert stand.ticks_until(lambda seen: not seen) == {}
    assert is_gone(pid)
    assert list((stand.folder / "run").iterdir()) == []


def test_a_changed_process_is_replaced_and_the_others_stay(stand: Stand) -> None:
    stand.want(stand.spec("a.0"), stand.spec("b.0"))
    before = stand.tick()
    changed = stand.spec("a.0", env={"PATH": "/usr/bin:/bin", "NEW": "1"})
    stand.want(changed, stand.spec("b.0"))
    after = stand.ticks_until(lambda seen: seen["a.0"].digest == processes.spec_digest(changed))
    assert after["a.0"].pid != before["a.0"].pid
    assert is_gone(before["a.0"].pid)
    # It was told to go: that is no crash.
    assert after["a.0"].restarts == ()
    assert after["b.0"].pid == before["b.0"].pid


def test_the_same_program_at_another_place_runs_on(stand: Stand) -> None:
    first, second = (stand.folder / version / "bin" / "sleep" for version in ("first", "second"))
    for program in (first, second):
        program.parent.mkdir(parents=True)
        shutil.copy("/bin/sleep", program)
    stand.want(stand.spec(argv=(str(first), "60")))
    pid = stand.tick()["a.0"].pid
    there = stand.spec(argv=(str(second), "60"))
    stand.want(there)
    seen = stand.tick()["a.0"]
    assert (seen.pid, seen.state, seen.digest) == (pid, "ready", processes.spec_digest(there))
    stand.succeeded_by_another()
    assert stand.tick()["a.0"].pid == pid
    # Where it dies, it is started from where it lies now.
    shutil.rmtree(first.parent)
    stand.kill()
    assert stand.ticks_until(lambda seen: seen["a.0"].pid not in (0, pid))["a.0"].state == "ready"


def test_two_forms_of_one_process_never_run_together(stand: Stand) -> None:
    stand.want(stand.spec(script=DEAF))
    pid = stand.tick()["a.0"].pid
    pids_in(stand.folder, 1)
    stand.want(stand.spec(script=SLEEP))
    for _ in range(3):
        seen = stand.tick()["a.0"]
        assert (seen.pid, seen.state) == (pid, "stopping")
    stand.clock.sleep(5.1)
    assert stand.ticks_until(lambda seen: seen["a.0"].pid not in (0, pid))["a.0"].restarts == ()
    assert is_gone(pid)


def test_it_is_asked_to_go_by_its_own_signal(stand: Stand) -> None:
    script = "trap 'echo bye; exit 0' INT; echo $$ > one.pid; while true; do sleep 0.01; done"
    stand.want(stand.spec(script=script, stop_signal="SIGINT"))
    stand.tick()
    pids_in(stand.folder, 1)
    stand.want()
    assert stand.ticks_until(lambda seen: not seen) == {}
    assert (stand.folder / "logs" / "a.0.log").read_text() == "bye\n"


def test_what_does_not_go_within_its_grace_is_killed_and_nobody_waits_for_it(stand: Stand) -> None:
    stand.want(stand.spec("a.0", DEAF, stop_grace=30.0), stand.spec("b.0"))
    deaf = stand.tick()["a.0"].pid
    pids_in(stand.folder, 1)
    stand.want(stand.spec("b.0"), stand.spec("c.0"))
    assert stand.tick()["c.0"].pid != 0
    stand.clock.sleep(29.9)
    seen = stand.tick()
    assert (seen["a.0"].pid, seen["a.0"].state, is_gone(deaf)) == (deaf, "stopping", False)
    stand.clock.sleep(0.2)
    assert sorted(stand.ticks_until(lambda seen: "a.0" not in seen)) == ["b.0", "c.0"]
    assert is_gone(deaf)


def test_what_is_wanted_again_while_it_goes_is_let_go_first(stand: Stand) -> None:
    """It was told to end and will: its end is no crash, and its successor has a grace of its own."""
    stand.want(stand.spec(script=DEAF))
    pid = stand.tick()["a.0"].pid
    pids_in(stand.folder, 1)
    stand.want()
    assert stand.tick()["a.0"].state == "stopping"
    stand.want(stand.spec(script=DEAF))
    assert stand.tick()["a.0"].state == "stopping"
    stand.clock.sleep(5.1)
    seen = stand.ticks_until(lambda seen: seen["a.0"].pid not in (0, pid))["a.0"]
    assert (is_gone(pid), seen.restarts) == (True, ())
    stand.want()
    assert stand.tick()["a.0"].state == "stopping"


def test_a_log_that_cannot_be_written_keeps_neither_the_others_nor_the_lease_from_being_watched(stand: Stand) -> None:
    write_roles(stand.folder, Roles(stable="old", canary="a", weight=50))
    log = stand.folder / "logs" / "a.0.log"
    log.mkdir(parents=True)
    stand.want(stand.spec("a.0"), stand.spec("b.0"))
    seen = stand.tick()
    assert (seen["a.0"].pid, seen["a.0"].state) == (0, "dead")
    assert seen["b.0"].pid != 0
    assert read_status(stand.folder, True).lease_expired is not None
    log.rmdir()
    stand.clock.sleep(10.1)
    assert stand.tick()["a.0"].pid != 0


def test_a_program_that_cannot_be_started_is_said_in_its_log_and_tried_again_later(stand: Stand) -> None:
    program = stand.folder / "late"
    stand.want(stand.spec("a.0", argv=(str(program),)), stand.spec("b.0"))
    seen = stand.tick()
    assert (seen["a.0"].pid, seen["a.0"].state) == (0, "dead")
    assert seen["b.0"].pid != 0
    log = stand.folder / "logs" / "a.0.log"
    assert f"cannot start a.0: [Errno 2] No such file or directory: '{program}'" in log.read_text()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    stand.clock.sleep(9.9)
    assert stand.tick()["a.0"].pid == 0
    stand.clock.sleep(0.2)
    assert stand.tick()["a.0"].pid != 0


def test_told_to_stop_it_ends_everything_and_then_itself(stand: Stand) -> None:
    stand.want(stand.spec("a.0"), stand.spec("b.0", DEAF))
    pids = [process.pid for process in stand.tick().values()]
    pids_in(stand.folder, 1)
    stand.want(stand.spec("a.0"), stand.spec("b.0", DEAF), stop=True)
    stand.supervisor.run()
    assert all(map(is_gone, pids))
    assert read_status(stand.folder, True).processes == ()


@pytest.mark.parametrize("at_first", [True, False])
def test_an_order_that_cannot_be_read_stops_nothing(stand: Stand, at_first: bool) -> None:
    """A full table of open files or a bad disk must not look as if nobody wanted anything any more."""
    stand.want(stand.spec("a.0"))
    pid = stand.tick()["a.0"].pid
    good = (stand.folder / "desired.json").read_text()
    stops, slept = json.dumps({**json.loads(good), "stop": True}), 0
    # What is read, look by look, each of which ends with a sleep.
    orders = [*([] if at_first else [good]), '{"processes": {', "[]", good, stops]
    (stand.folder / "desired.json").write_text(orders[0])

    def sleep(seconds: float) -> None:
        nonlocal slept
        slept += 1
        if slept < len(orders) - 1:
            assert not is_gone(pid)
        (stand.folder / "desired.json").write_text(orders[min(slept, len(orders) - 1)])
        HandClock.sleep(stand.clock, seconds)

    stand.clock.sleep = sleep  # type: ignore[method-assign]
    stand.supervisor.run()
    assert is_gone(pid)


SERVING = Roles(stable="old", canary="new", standby="older", weight=25)


def routed(folder: Path) -> str:
    path = folder / "envoy" / "routes.json"
    return path.read_text() if path.exists() else ""


def test_without_a_live_controller_the_traffic_goes_back_to_stable(stand: Stand) -> None:
    write_roles(stand.folder, SERVING)
    write_json(stand.folder / "lease.json", {"expires": stand.clock.now + 5})
    stand.tick()
    stand.clock.sleep(5)
    stand.tick()
    assert (read_roles(stand.folder), routed(stand.folder)) == (SERVING, "")
    stand.clock.sleep(0.1)
    stand.tick()
    assert read_roles(stand.folder) == replace(SERVING, weight=0)
    assert json.loads(routed(stand.folder))["resources"]
    assert '"old"' in routed(stand.folder)
    assert read_status(stand.folder, True).lease_expired == stand.clock.now
    # Once is enough: what a person decides next is not undone.
    (stand.folder / "envoy" / "routes.json").write_text("{}")
    stand.clock.sleep(10)
    stand.tick()
    assert routed(stand.folder) == "{}"


def test_a_canary_that_no_controller_ever_watched_gets_no_traffic(stand: Stand) -> None:
    write_roles(stand.folder, SERVING)
    stand.tick()
    assert read_roles(stand.folder).weight == 0


def run_until_it_sleeps(stand: Stand, times: int) -> None:
    """Let the supervisor run, and end it when it sleeps for the ``times``-th time; each sleep is six seconds long."""
    stand.clock.sleeps_left = times
    with pytest.raises(Stopped):
        stand.supervisor.run()


@pytest.mark.parametrize("at_first", [True, False], ids=["from its start", "after a good one"])
@pytest.mark.parametrize(
    "damaged",
    ["{", '{"processes": {"a.0": {"argv": 7}}}', '{"crash_window": "long"}', '{"version": 2, "processes": {}}'],
    ids=["damaged", "of another shape", "with a text for a number", "of a later version"],
)
def test_a_lease_runs_out_also_where_it_cannot_be_read_what_should_run(
    stand: Stand, damaged: str, at_first: bool
) -> None:
    """An old supervisor under a newer controller: it must not die again and again, stop anything, or forget the lease."""
    stand.want(stand.spec("a.0"))
    pid = stand.tick()["a.0"].pid
    write_roles(stand.folder, SERVING)
    write_json(stand.folder / "lease.json", {"expires": stand.clock.now + 5})
    if at_first:
        stand.succeeded_by_another()
    (stand.folder / "desired.json").write_text(damaged)
    run_until_it_sleeps(stand, 2)
    assert read_roles(stand.folder) == replace(SERVING, weight=0)
    assert read_status(stand.folder, True).lease_expired == stand.clock.now - 6
    assert [process.pid for process in read_status(stand.folder, True).processes] == [pid]
    assert not is_gone(pid)


def test_keys_of_a_later_version_disturb_nothing(stand: Stand) -> None:
    stand.want(stand.spec("a.0"))
    pid = stand.tick()["a.0"].pid
    for name in ("desired", "traffic", "status", "stops", "lease"):
        path = stand.folder / f"{name}.json"
        held = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**held, "new": {"key": 1}}))
    pid_file = stand.folder / "run" / "a.0.json"
    pid_file.write_text(json.dumps({**json.loads(pid_file.read_text()), "new": 1}))
    stand.succeeded_by_another()
    run_until_it_sleeps(stand, 2)
    assert [process.pid for process in read_status(stand.folder, True).processes] == [pid]


def test_roles_that_cannot_be_read_are_those_that_were_read_last(stand: Stand) -> None:
    write_roles(stand.folder, SERVING)
    write_json(stand.folder / "lease.json", {"expires": stand.clock.now + 5})
    stand.tick()
    (stand.folder / "traffic.json").write_text('{"stable": 7}')
    stand.clock.sleep(5.1)
    stand.tick()
    assert read_roles(stand.folder) == replace(SERVING, weight=0)


@pytest.mark.parametrize("lease", ["{", "{}", '{"expires": "soon"}', '{"expires": NaN}', '{"expires": Infinity}'])
def test_a_lease_that_cannot_be_read_has_run_out(stand: Stand, lease: str) -> None:
    write_roles(stand.folder, SERVING)
    (stand.folder / "lease.json").write_text(lease)
    stand.tick()
    assert read_roles(stand.folder).weight == 0


@pytest.mark.parametrize(
    "stops", ["{", '{"a.0": 5}', '{"a.0": []}', '{"a.0": ["SIGNEW", 1]}', '{"a.0": ["SIGINT", "x"]}']
)
def test_who_cannot_be_told_its_own_signal_is_ended_all_the_same(stand: Stand, stops: str) -> None:
    stand.want(stand.spec())
    stand.tick()
    (stand.folder / "stops.json").write_text(stops)
    stand.want()
    assert stand.ticks_until(lambda seen: not seen) == {}


def test_a_first_release_that_nobody_watches_is_withdrawn(stand: Stand) -> None:
    """It was never accepted: no traffic is what there was before it."""
    write_roles(stand.folder, Roles(None, "first", None, 100))
    write_json(stand.folder / "lease.json", {"expires": stand.clock.now + 5})
    stand.tick()
    assert read_roles(stand.folder).weight == 100
    stand.clock.sleep(5.1)
    stand.tick()
    assert read_roles(stand.folder) == Roles(None, "first", None, 0)
    assert "no release serves this environment" in routed(stand.folder)


def test_a_lease_that_runs_out_in_the_moment_of_the_promotion_does_not_undo_it(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_roles(stand.folder, replace(SERVING, weight=100))
    promoted = Roles("new", None, "old", 0)
    looks: list[Roles] = []

    def look(folder: Path) -> Roles:
        seen = read_roles(folder)
        if not looks:
            # The controller is quicker: between the supervisor's look and its word.
            write_roles(folder, promoted)
        looks.append(seen)
        return seen

    monkeypatch.setattr(supervisor, "find_roles", look)
    stand.tick()
    assert looks[0].canary == "new"
    assert (read_roles(stand.folder), routed(stand.folder)) == (promoted, "")
    assert read_status(stand.folder, True).lease_expired is None


@pytest.mark.parametrize(
    "roles",
    [Roles("old", None, None, 0), Roles("old", "new", None, 0), Roles("new", None, "old", 0)],
    ids=["no canary", "a canary without traffic", "promoted"],
)
def test_where_there_is_nothing_to_take_away_a_lease_means_nothing(stand: Stand, roles: Roles) -> None:
    write_roles(stand.folder, roles)
    stand.tick()
    assert (read_roles(stand.folder), routed(stand.folder)) == (roles, "")
    assert read_status(stand.folder, True).lease_expired is None


def test_a_clock_that_is_set_back_makes_no_lease_longer(stand: Stand) -> None:
    write_roles(stand.folder, SERVING)
    write_json(stand.folder / "lease.json", {"expires": stand.clock.now + 5})
    stand.tick()
    stand.clock.now -= 3600
    stand.clock.sleep(5.1)
    stand.tick()
    assert read_roles(stand.folder).weight == 0


def test_a_clock_that_is_set_back_keeps_nothing_dead_and_nothing_alive(stand: Stand) -> None:
    stand.want(stand.spec("a.0"), stand.spec("b.0", DEAF))
    stand.tick()
    pids_in(stand.folder, 1)
    for _ in range(3):
        stand.kill()
        stand.clock.sleep(1.1)
        stand.tick()
    stand.kill()
    stand.want(stand.spec("a.0"))
    stand.tick()
    stand.clock.now -= 3600
    stand.clock.sleep(11)
    assert stand.ticks_until(lambda seen: "b.0" not in seen)["a.0"].pid != 0


def test_a_supervisor_is_not_turned_away_by_somebody_who_only_asks(tmp_path: Path) -> None:
    """It would leave, and its keeper with it, and nobody would watch the environment any more."""
    write_desired(tmp_path, Desired(stop=True))
    asked = (tmp_path / "supervisor.lock").open("w")
    fcntl.flock(asked, fcntl.LOCK_SH)
    asker = threading.Timer(0.1, asked.close)
    asker.start()
    assert supervisor._supervise(tmp_path) == 0
    asker.join()
    assert (tmp_path / "status.json").exists(), "it looked at what runs"


def test_two_who_ask_at_once_do_not_take_each_other_for_a_supervisor(tmp_path: Path) -> None:
    (tmp_path / "supervisor.lock").touch()
    assert asked_by_many(lambda: supervisor_runs(tmp_path)) == {False}


def test_a_supervisor_lives_while_its_lock_is_held(tmp_path: Path) -> None:
    assert not supervisor_runs(tmp_path)
    path = tmp_path / "supervisor.lock"
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert supervisor_runs(tmp_path)
        # A second one sees that, and leaves at once without touching anything.
        assert supervisor._supervise(tmp_path) == 0
    assert not supervisor_runs(tmp_path)
    assert [left.name for left in tmp_path.iterdir()] == ["supervisor.lock"]


@pytest.mark.e2e
def test_readiness_is_asked_of_the_process(stand: Stand) -> None:
    (port,) = free_ports(1)
    argv = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))
    stand.want(stand.spec(argv=argv, ready=Probe("http", port, "/")))
    assert stand.tick()["a.0"].state == "starting"
    pid = stand.ticks_until(lambda seen: seen["a.0"].state == "ready")["a.0"].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        assert stand.tick()["a.0"].state == "ready", "it is not asked again within a second"
        stand.clock.sleep(1.0)
        # What was ready once does not begin anew: it is unready until it answers again.
        assert [stand.tick()["a.0"].state for _ in range(2)] == ["unready", "unready"]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert stand.ticks_until(lambda seen: seen["a.0"].state == "ready")["a.0"].pid == pid


def test_an_order_is_read_once_and_again_when_another_stands_in_its_place(stand: Stand) -> None:
    orders = DesiredReader(stand.folder)
    assert orders.read() == Desired()
    for script in ("exec sleep 61", "exec sleep 62", "exec sleep 63"):
        spec = stand.spec(script=script)
        stand.want(spec)
        first = orders.read()
        assert first == Desired({"a.0": spec})
        assert orders.read() is first
        assert orders.digest(first.processes["a.0"]) == processes.spec_digest(spec)
    (stand.folder / "desired.json").unlink()
    assert orders.read() == Desired()


def test_an_order_that_cannot_be_read_is_tried_again_although_it_stays_as_it_is(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process out of descriptors: the file is as good as before, and so is what it says once it can be read."""
    stand.want(stand.spec())
    orders = DesiredReader(stand.folder)
    answers = iter([None, None, Desired({"a.0": stand.spec()})])
    monkeypatch.setattr(supervisor, "find_desired", lambda _folder: next(answers))
    assert orders.read() is None
    assert orders.read() is None
    assert orders.read() == orders.read() == Desired({"a.0": stand.spec()})
