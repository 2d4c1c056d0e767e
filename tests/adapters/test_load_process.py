"""The load in its own process: it says what came of it, obeys a new rate, and ends with whoever started it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from dawsos.adapters import load_process
from dawsos.adapters.load_process import LoadProcess
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.policy import Load, LoadRequest
from waiting import is_gone, wait_until

# Nobody listens there, so that every request fails at once.
NOWHERE = "http://127.0.0.1:1"


def load(rate: float) -> Load:
    return Load(rate=rate, requests=(LoadRequest(path="/a"), LoadRequest(path="/b", authenticated=True)))


async def for_a_while(sender: LoadProcess, seconds: float) -> dict[str, Any]:
    await sender.start()
    try:
        await asyncio.sleep(seconds)
    finally:
        said = await sender.stop()
    return said


def test_it_says_what_came_of_it() -> None:
    said = asyncio.run(for_a_while(LoadProcess(NOWHERE, load(100)), 0.5))
    assert said["sent"] >= 10
    assert said["failed"] == said["sent"] == sum(said["failures"].values())
    assert set(said["failures"]) == {"/a: cannot connect", "/b: cannot connect"}
    assert said["seconds"] >= 0.5
    assert said["p95"] > 0


def test_a_new_rate_is_obeyed() -> None:
    async def faster() -> dict[str, Any]:
        sender = LoadProcess(NOWHERE, load(5))
        await sender.start()
        sender.rate = 200.0
        assert sender.rate == 200.0
        try:
            await asyncio.sleep(0.5)
        finally:
            said = await sender.stop()
        return said

    assert asyncio.run(faster())["sent"] >= 10


def test_what_the_server_says_and_what_it_drops_is_counted_and_nothing_is_sent_twice() -> None:
    """The server answers the first request on each connection with a status of its path, and drops the second one."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(2):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            asked.append(head)
            if number == 0:
                status = b"503 busy" if head.startswith(b"GET /b") else b"200 OK"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    async def measured() -> dict[str, Any]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await for_a_while(LoadProcess(f"http://127.0.0.1:{port}/", load(40), "abc"), 1.0)

    said = asyncio.run(measured())
    assert said["sent"] == len(asked)
    # Answers and drops alternate on each connection, and so do the two paths, so that which meets which is chance.
    assert set(said["failures"]) <= {"/a: disconnected", "/b: disconnected", "/b: 503"}
    assert any("disconnected" in what for what in said["failures"])
    assert all((b"Authorization: Bearer abc" in head) == head.startswith(b"GET /b") for head in asked)


def test_a_rate_set_before_the_start_or_after_the_end_is_no_error() -> None:
    sender = LoadProcess(NOWHERE, load(1))
    sender.rate = 2.0
    assert asyncio.run(sender.stop()) == {}


def test_load_to_a_public_address_is_refused_before_anything_starts() -> None:
    with pytest.raises(BadInput, match="private network"):
        LoadProcess("http://192.0.2.1:80", load(1))


def test_one_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_process, "_MODULE", "dawsos.no_such_module")
    with pytest.raises(InfrastructureError, match=r"the load did not start: .*no_such_module"):
        asyncio.run(LoadProcess(NOWHERE, load(1)).start())


def test_one_that_was_killed_has_nothing_to_say() -> None:
    async def killed() -> dict[str, Any]:
        sender = LoadProcess(NOWHERE, load(1))
        await sender.start()
        (child,) = _senders(os.getpid())
        child.kill()
        await asyncio.to_thread(wait_until, lambda: is_gone(child.pid))
        # What is said to the dead is not heard, and breaks nothing.
        sender.rate = 5.0
        return await sender.stop()

    assert asyncio.run(killed()) == {}


def _senders(parent: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(parent).children() if load_process._MODULE in child.cmdline()]


_CALLER = f"""
import asyncio
from dawsos.model.policy import Load, LoadRequest
from dawsos.adapters.load_process import LoadProcess
async def main():
    await LoadProcess("{NOWHERE}", Load(rate=5, requests=(LoadRequest(path="/"),)), "a token").start()
    print("started", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_it_ends_with_a_caller_who_is_killed_and_shows_nobody_the_token() -> None:
    env = {**os.environ, "PYTHONPATH": "src", "OURS": "a token"}
    with subprocess.Popen([sys.executable, "-c", _CALLER], env=env, stdout=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == b"started\n"
        (sender,) = _senders(caller.pid)
        shown = [*sender.cmdline(), *sender.environ().values()]
        caller.kill()
    assert not any("a token" in word for word in shown)
    wait_until(lambda: is_gone(sender.pid))


def test_the_caller_s_folder_is_not_on_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the project took the place of a library')\n")
    monkeypatch.chdir(tmp_path)
    assert asyncio.run(for_a_while(LoadProcess(NOWHERE, load(50)), 0.1))["seconds"] > 0


def test_it_tells_meanwhile_which_deployment_answered_and_how() -> None:
    """The server tells in a header who it is: one deployment answers, the other breaks off after its headers."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        good = asked[-1].startswith(b"GET /a")
        who, length = (b"d0", 2) if good else (b"d1", 9)
        writer.write(b"HTTP/1.1 200 OK\r\nx-dawsos-deployment: %s\r\ncontent-length: %d\r\n\r\nok" % (who, length))
        writer.close()

    async def seen() -> dict[str, tuple[int, int]]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            sender = LoadProcess(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", load(40))
            await sender.start()
            try:
                async with asyncio.timeout(20):
                    while sender.seen().keys() != {"d0", "d1"}:
                        await asyncio.sleep(0.05)
                return sender.seen()
            finally:
                await sender.stop()

    found = asyncio.run(seen())
    assert found["d0"][0] >= 1
    assert found["d0"][1] == 0
    assert found["d1"][0] == found["d1"][1] >= 1
    assert all(b"x-dawsos-tell: deployment" in head for head in asked)
