"""An environment: its supervisor and processes are real; what goes through Envoy, or asks a port, is marked e2e."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from dawsos.adapters.http import get
from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.model.process import ProcessSpec
from dawsos.platforms.contract import Roles
from dawsos.platforms.faults import WireFault
from dawsos.platforms.local import processes
from dawsos.platforms.local.admin import Admin
from dawsos.platforms.local.environment import Deployment, LocalEnvironment
from dawsos.platforms.local.envoy_config import ADMIN_SOCKET
from dawsos.platforms.local.locking import supervisor_runs
from dawsos.platforms.local.state import Desired, read_desired, read_json, write_desired, write_json, write_roles
from dawsos.platforms.local.traffic import EnvoyTraffic
from dawsos.platforms.local.workers import Worker
from waiting import is_gone, wait_until


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[LocalEnvironment]:
    """An environment that is down again, and gone, after the test."""
    made = LocalEnvironment(tmp_path / "production", "production")
    yield made
    asyncio.run(made.down(purge=True))
    assert not made.folder.exists()


class Sleeper:
    """A service that needs no port."""

    def __init__(self, name: str, script: str) -> None:
        self.name = name
        self.script = script

    def prepare(self, folder: Path) -> tuple[ProcessSpec, dict[str, str]]:
        spec = ProcessSpec(self.name, "", ("/bin/sh", "-c", self.script), str(folder), {"PATH": "/usr/bin:/bin"})
        return spec, {f"{self.name.upper()}_HOME": str(folder)}


def test_services_run_are_adopted_by_the_next_supervisor_and_end_with_the_environment(
    platform: LocalEnvironment,
) -> None:
    async def start() -> dict[str, str]:
        await platform.ensure_supervisor()
        return await platform.start_services([Sleeper("store", "exec sleep 60"), Sleeper("queue", "exec sleep 60")])

    assert asyncio.run(start()) == {
        "STORE_HOME": str(platform.folder / "services" / "store"),
        "QUEUE_HOME": str(platform.folder / "services" / "queue"),
    }
    before = platform.status()
    assert before.running
    assert {(p.name, p.group, p.state) for p in before.processes} == {
        ("store", "services", "ready"),
        ("queue", "services", "ready"),
    }
    # Started again, nothing changes: what runs in the wanted form is kept.
    supervisor = read_json(platform.folder / "status.json")["pid"]
    asyncio.run(start())
    assert platform.status() == before
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: read_json(platform.folder / "status.json")["pid"] != supervisor)
    assert platform.status() == before
    asyncio.run(platform.down(purge=False))
    assert all(is_gone(process.pid) for process in before.processes)
    assert not supervisor_runs(platform.folder)
    wait_until(lambda: is_gone(read_json(platform.folder / "keeper.json")["pid"]))
    assert not platform.status().running
    # It comes back from what is written.
    asyncio.run(platform.ensure_supervisor())
    wait_until(lambda: [p.state for p in platform.status().processes] == ["ready", "ready"])
    assert not {p.pid for p in platform.status().processes} & {p.pid for p in before.processes}


def test_a_service_that_keeps_dying_is_told_with_its_last_words(platform: LocalEnvironment) -> None:
    async def start() -> None:
        await platform.ensure_supervisor()
        await platform.start_services([Sleeper("store", "echo no room left >&2; exit 1")])

    with pytest.raises(InfrastructureError, match=r"production: store crashes again and again:(\n    no room left)+\n"):
        asyncio.run(start())


def test_down_ends_what_no_supervisor_knows_of_and_deletes_what_lies_outside(tmp_path: Path) -> None:
    platform = LocalEnvironment(tmp_path / "staging", "staging")
    outside = tmp_path / "outside"
    outside.mkdir()
    write_json(platform.folder / "services" / "outside.json", {"folders": [str(outside), str(tmp_path / "gone")]})
    log = str(platform.folder / "logs" / "stray.log")
    spec = ProcessSpec("stray", "", ("sleep", "60"), "/", {"PATH": "/usr/bin:/bin"}, log=log)
    handle = processes.spawn(spec, platform.folder / "run" / "stray.json")
    asyncio.run(platform.down(purge=False))
    assert is_gone(handle.pid)
    assert (list((platform.folder / "run").iterdir()), outside.exists()) == ([], True)
    asyncio.run(platform.down(purge=True))
    assert (platform.folder.exists(), outside.exists()) == (False, False)


def test_secrets_are_made_once_and_for_nobody_else(tmp_path: Path) -> None:
    platform = LocalEnvironment(tmp_path, "production")
    first = platform.secrets(["API_KEY"])
    assert len(first["API_KEY"]) >= 32
    both = platform.secrets(["API_KEY", "SALT"])
    assert both["API_KEY"] == first["API_KEY"] != both["SALT"]
    assert platform.secrets(["SALT"]) == {"SALT": both["SALT"]}
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert platform.secrets([]) == {}
    (tmp_path / "secrets.json").write_text("{ cut")
    with pytest.raises(InfrastructureError, match="cannot be read"):
        platform.secrets(["API_KEY"])
    assert (tmp_path / "secrets.json").read_text() == "{ cut"


def test_folders_are_made_once_and_keep_what_is_in_them(tmp_path: Path) -> None:
    platform = LocalEnvironment(tmp_path, "production")
    made = platform.folders(["REPORTS"])
    assert made == {"REPORTS": str(tmp_path / "data" / "reports")}
    assert stat.S_IMODE(Path(made["REPORTS"]).stat().st_mode) == 0o700
    (Path(made["REPORTS"]) / "kept").touch()
    platform.folders(["REPORTS"])
    assert (Path(made["REPORTS"]) / "kept").exists()


def test_an_environment_that_never_was_has_nothing(tmp_path: Path) -> None:
    platform = LocalEnvironment(tmp_path / "none", "none")
    assert (platform.deployments(), platform.release_of("d1"), platform.named_ports("d1")) == ((), "", {})
    assert (platform.roles(), platform.is_ready("d1"), platform.status().running) == (Roles(), False, False)


def test_what_is_written_of_deployments_is_read_by_whoever_asks(tmp_path: Path) -> None:
    desired = read_desired(tmp_path)
    desired.deployments["d1"] = {"release": "ab" * 32, "ports": [1], "named_ports": {"QUEUE_PORT": 2}}
    desired.deployments["d0"] = {"release": "cd" * 32, "ports": [3]}
    write_desired(tmp_path, desired)
    write_roles(tmp_path, Roles("d0", "d1", None, 5))
    platform = LocalEnvironment(tmp_path, "production")
    assert platform.deployments() == ("d1", "d0")
    assert (platform.release_of("d1"), platform.named_ports("d1"), platform.named_ports("d0")) == (
        "ab" * 32,
        {"QUEUE_PORT": 2},
        {},
    )
    assert platform.roles().weight == 5


def test_without_a_canary_a_fault_has_nowhere_to_be(tmp_path: Path) -> None:
    platform = LocalEnvironment(tmp_path, "production")
    write_roles(tmp_path, Roles("d0", None, None, 0))
    asyncio.run(platform.set_fault(WireFault(status=500, share=0.5)))
    asyncio.run(platform.set_fault(None))
    assert not (tmp_path / "fault.json").exists()


# A release: says who it is, does harm when told, and is not ready before its folder says so.
SERVER = """
import http.server, os, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["NAME"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Page).serve_forever()
"""


SLOW = SERVER.replace("import http.server, os, sys", "import http.server, os, sys, time").replace(
    "        self.send_response(200)\n",
    "        time.sleep(2.0 if self.path == '/slow' else 0.0)\n        self.send_response(200)\n",
)


def deployment(name: str, program: str = SERVER, **changes: Any) -> Deployment:
    argv = (sys.executable, "-S", "-c", program)
    plain = Deployment(name, name * 8, argv, "/", {"NAME": name}, replicas=1, ready_within=20.0, stop_grace=1.0)
    return replace(plain, **changes)


@pytest.mark.e2e
def test_a_release_that_cannot_start_leaves_nothing_behind(platform: LocalEnvironment) -> None:
    async def live() -> None:
        await platform.ensure_supervisor()
        with pytest.raises(ReleaseFailed, match=r"d1\.0 crashes again and again:") as caught:
            await platform.deploy(deployment("d1", "raise SystemExit('no such column: total')"))
        assert "no such column: total" in caught.value.message
        assert caught.value.fix == f"read {platform.folder / 'logs' / 'd1.0.log'}"
        with pytest.raises(
            ReleaseFailed, match=r"d2.0 is not ready within 0.2 s: \(it left no log\)|d2.0 is not ready"
        ):
            await platform.deploy(deployment("d2", "import time; time.sleep(60)", ready_within=0.2))
        assert (platform.deployments(), platform.status().processes) == ((), ())

    asyncio.run(live())


@pytest.mark.e2e
def test_a_life_behind_the_proxy(platform: LocalEnvironment) -> None:
    """First release, canary, fault, promotion, rollback to the standby, end: each seen from where a user stands."""

    async def answers(url: str, amount: int = 40) -> set[str]:
        told = [await get(url, timeout=5.0) for _ in range(amount)]
        return {
            str(one["body"]) if one["status_code"] == 200 else f"{one['status_code']} {one['body']}" for one in told
        }

    async def live() -> None:
        await platform.ensure_supervisor()
        url = await platform.ensure_proxy()
        with (platform.folder / "envoy" / "bootstrap.yaml").open() as former:
            assert await platform.ensure_proxy() == url
            # The whole file is another one, so an Envoy that starts meanwhile reads no part of it.
            assert os.fstat(former.fileno()).st_nlink == 0
        queue = Worker("queue", (sys.executable, "-S", "-c", "import time; time.sleep(60)"), ports=("QUEUE_PORT",))
        (port,) = await platform.deploy(deployment("d1", workers=(queue,)))
        assert platform.is_ready("d1")
        assert sorted(p.name for p in platform.status().processes) == ["d1.0", "d1.queue", "proxy"]
        assert platform.named_ports("d1")["QUEUE_PORT"] not in (0, port)
        await platform.route(stable="d1", canary=None, weight=0)
        assert await answers(url) == {"d1"}

        await platform.deploy(deployment("d2"))
        platform.renew_lease(60.0)
        await platform.route(stable="d1", canary="d2", weight=0)
        assert await answers(url) == {"d1"}
        await platform.route(stable="d1", canary="d2", weight=50)
        assert await answers(url, 80) == {"d1", "d2"}
        await platform.set_fault(WireFault(latency=0.2))
        await platform.route(stable="d1", canary="d2", weight=100)
        assert min(await asyncio.gather(*[timed(url) for _ in range(4)])) >= 0.2
        await platform.set_fault(None)
        assert min(await asyncio.gather(*[timed(url) for _ in range(4)])) < 0.2

        await platform.promote()
        assert platform.roles() == Roles("d2", None, "d1", 0)
        assert await answers(url) == {"d2"}
        # The standby answers, and does no work.
        assert platform.is_ready("d1")
        wait_until(lambda: "d1.queue" not in [p.name for p in platform.status().processes])
        platform.crash("d2")
        wait_until(lambda: any(p.restarts for p in platform.status().processes if p.group == "d2"))
        assert not any(p.restarts for p in platform.status().processes if p.group == "d1")

        await platform.route(stable="d1", canary=None, weight=0)
        assert await answers(url) == {"d1"}
        wait_until(lambda: "d1.queue" in [p.name for p in platform.status().processes])
        await platform.remove("d2")
        assert (platform.deployments(), platform.roles().standby) == (("d1",), None)
        assert await answers(url) == {"d1"}

    async def timed(url: str) -> float:
        return float((await get(url, timeout=5.0))["seconds"])

    asyncio.run(live())


@pytest.mark.e2e
def test_a_request_that_is_open_is_answered_before_the_environment_is_down(platform: LocalEnvironment) -> None:
    async def live() -> None:
        await platform.ensure_supervisor()
        url = await platform.ensure_proxy()
        await platform.deploy(deployment("d1", SLOW))
        await platform.route(stable="d1", canary=None, weight=0)
        request = asyncio.create_task(get(f"{url}/slow", timeout=10.0))
        wait = Admin(platform.folder, read_desired(platform.folder).proxy)
        while not await wait.active_requests():
            await asyncio.sleep(0.01)
        await wait.close()
        await platform.down(purge=False)
        assert (await request)["status_code"] == 200

    asyncio.run(live())


@pytest.mark.e2e
def test_a_first_release_has_traffic_only_while_somebody_watches_it(platform: LocalEnvironment) -> None:
    async def live() -> None:
        await platform.ensure_supervisor()
        url = await platform.ensure_proxy()
        await platform.deploy(deployment("d1"))
        await platform.route(stable=None, canary="d1", weight=0)
        traffic = EnvoyTraffic(platform.folder)

        async def answered() -> object:
            return (await get(url, timeout=5.0))["status_code"]

        async def becomes(status: int) -> None:
            async with asyncio.timeout(20):
                while await answered() != status:
                    await asyncio.sleep(0.05)

        assert await answered() == 503
        platform.renew_lease(1.0)
        await traffic.set_weight(100)
        assert await answered() == 200
        # The controller was killed: nobody renews the lease.
        await becomes(503)
        assert platform.roles() == Roles(None, "d1", None, 0)
        # Another one comes, and is stopped.
        platform.renew_lease(60.0)
        await traffic.set_weight(100)
        assert await answered() == 200
        platform.withdraw()
        await becomes(503)
        platform.renew_lease(60.0)
        await traffic.set_weight(100)
        await platform.promote()
        platform.renew_lease(0.0)
        assert platform.roles() == Roles("d1", None, None, 0)
        assert await answered() == 200
        await traffic.close()

    asyncio.run(live())


@pytest.mark.e2e
def test_a_proxy_that_takes_no_connections_is_not_ready(platform: LocalEnvironment) -> None:
    """Its admin page still says that it lives."""

    async def live() -> None:
        await platform.ensure_supervisor()
        url = await platform.ensure_proxy()
        (proxy,) = platform.status().processes
        assert proxy.state == "ready"
        admin = Admin(platform.folder, read_desired(platform.folder).proxy)
        try:
            # Without "graceful" the listeners are closed at once.
            await admin._client.request("POST", "/drain_listeners")
            assert (await admin._client.page("/ready")).strip() == "LIVE"
        finally:
            await admin.close()
        wait_until(lambda: [p.state for p in platform.status().processes] != ["ready"])
        assert (await get(url, timeout=5.0))["status_code"] is None

    asyncio.run(live())


@pytest.mark.e2e
def test_another_user_of_this_machine_does_not_reach_the_admin_page(tmp_path: Path) -> None:
    """Not by a port, and not by the socket: with it, he would stop the proxy, or reset what the judge reads."""
    # Longer than a socket's address has room for.
    platform = LocalEnvironment(tmp_path / ("deep" * 25) / "production", "production")

    async def live() -> None:
        await platform.ensure_supervisor()
        await platform.ensure_proxy()
        admin = Admin(platform.folder, read_desired(platform.folder).proxy)
        try:
            assert (await admin._client.page("/ready")).strip() == "LIVE"
        finally:
            await admin.close()

    try:
        asyncio.run(live())
        socket = platform.folder / ADMIN_SOCKET
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        (proxy,) = platform.status().processes
        assert listening(proxy.pid) == set(read_desired(platform.folder).proxy.values())
        if os.geteuid() == 0:
            asked = [sys.executable, "-I", "-c", AS_ANOTHER_USER, str(socket.parent), socket.name]
            words = subprocess.run(asked, capture_output=True, text=True, check=False).stderr
            assert "PermissionError" in words
    finally:
        asyncio.run(platform.down(purge=True))


# Goes into the folder first: the attack does not fail because of a folder above it.
AS_ANOTHER_USER = """
import os, socket, sys
os.chdir(sys.argv[1])
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
socket.socket(socket.AF_UNIX).connect(sys.argv[2])
"""


def listening(pid: int) -> set[int]:
    """Return the TCP ports on which the process ``pid`` takes connections."""
    return {each.laddr.port for each in psutil.Process(pid).net_connections("tcp") if each.status == "LISTEN"}


def test_what_an_older_version_started_loses_its_admin_port_when_it_was_down(platform: LocalEnvironment) -> None:
    platform.folder.mkdir()
    proxy = ProcessSpec("proxy", "proxy", ("/bin/false",), "/")
    former = Desired(processes={"proxy": proxy}, proxy={"listener": 7, "admin": 8, "faults": 9}, stop=True)
    write_desired(platform.folder, former)
    asyncio.run(platform.ensure_supervisor())
    desired = read_desired(platform.folder)
    assert (desired.proxy, desired.processes, desired.stop) == ({"listener": 7, "faults": 9}, {}, False)
