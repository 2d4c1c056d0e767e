"""Running services asked over real sockets: an answer is taken as it is, and every way to have none has a name."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.http import HttpClient, HttpError, Response, get
from dawsos.adapters.loopback import free_ports
from support.pages import Asked, answered, serving

pytestmark = pytest.mark.e2e  # opens sockets on loopback

HEALTHY = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Pack-Stale: true\r\n"
    b'Content-Length: 21\r\n\r\n{"status": "healthy"}'
)


def asking(
    answer: Callable[[Asked], bytes | None], question: Callable[[str], Awaitable[Any]]
) -> tuple[Any, list[Asked]]:
    """Return what ``question`` returned for the address of a server with these answers, and what the server was asked."""

    async def talk() -> tuple[Any, list[Asked]]:
        async with serving(answer) as (url, asked):
            return await question(url), asked

    return asyncio.run(talk())


async def requested(client: HttpClient, path: str = "/", method: str = "GET") -> Response:
    try:
        return await client.request(method, path)
    finally:
        await client.close()


def test_an_answer_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    # A proxy of the caller's is not asked for what is on this machine.
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_ports(1)[0]}")
    answer, _ = asking(lambda _: HEALTHY, lambda url: get(f"{url}/json"))
    assert (answer["status_code"], answer["body"], answer["error"]) == (200, {"status": "healthy"}, "")
    assert answer["url"].endswith("/json")
    assert answer["headers"]["x-pack-stale"] == "true"
    assert 0 < answer["seconds"] < 10
    assert asking(lambda _: answered("{", kind="application/json"), get)[0]["body"] == "{"
    down, _ = asking(lambda _: answered("down", 503), get)
    assert (down["status_code"], down["body"]) == (503, "down")


def test_a_token_is_sent_when_there_is_one() -> None:
    _, asked = asking(lambda _: answered(""), lambda url: get(url, token="key"))
    assert asked[0].headers["authorization"] == "Bearer key"
    _, asked = asking(lambda _: answered(""), get)
    assert "authorization" not in asked[0].headers


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
    answer, asked = asking(lambda _: moved, lambda url: get(f"{url}/here"))
    assert (answer["status_code"], [one.path for one in asked]) == (302, ["/here"])


def test_a_cookie_is_not_sent_back() -> None:
    async def twice(url: str) -> None:
        client = HttpClient(url, timeout=5.0)
        await client.request("GET", "/")
        await requested(client)

    with_cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    _, asked = asking(lambda _: with_cookie, twice)
    assert [("cookie" in one.headers) for one in asked] == [False, False]


def test_a_connection_is_used_again_and_a_request_lost_on_it_is_not_sent_twice() -> None:
    async def thrice(url: str) -> str:
        client = HttpClient(url, timeout=5.0)
        await client.request("GET", "/first")
        try:
            with pytest.raises(HttpError) as caught:
                await client.request("GET", "/lost")
            await client.request("GET", "/after")
        finally:
            await client.close()
        return caught.value.kind

    kind, asked = asking(lambda one: None if one.path == "/lost" else answered("ok"), thrice)
    assert kind == "disconnected"
    assert [one.path for one in asked] == ["/first", "/lost", "/after"]
    assert [one.connection for one in asked] == [0, 0, 1]


def test_parameters_are_encoded_and_a_query_of_ours_is_kept() -> None:
    async def both(url: str) -> None:
        client = HttpClient(url, timeout=5.0)
        await client.page("/stats", {"filter": r"^cluster\.(a|b+)$", "type": "All"})
        await requested(client, "/drain?graceful&skip_exit", "POST")

    _, asked = asking(lambda _: answered(""), both)
    assert asked[0].query == {"filter": r"^cluster\.(a|b+)$", "type": "All"}
    assert (asked[1].method, asked[1].path, asked[1].query) == ("POST", "/drain", {"graceful": "", "skip_exit": ""})


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (None, "disconnected"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "incomplete answer"),
        (b"220 mail.example.org ESMTP\r\n\r\n", "invalid answer"),
        (b"", "timeout"),
    ],
    ids=["closed", "half a body", "not HTTP", "silence"],
)
def test_no_usable_answer_has_a_kind(answer: bytes | None, kind: str) -> None:
    def question(url: str) -> Awaitable[Response]:
        return requested(HttpClient(url, timeout=0.3))

    with pytest.raises(HttpError) as caught:
        asking(lambda _: answer, question)
    assert caught.value.kind == kind
    assert str(caught.value).startswith(kind)


@pytest.mark.parametrize(("size", "kind"), [(1000, ""), (1001, "too large")])
def test_a_body_above_the_limit_is_not_read(size: int, kind: str) -> None:
    async def page(url: str) -> str:
        try:
            return (await requested(HttpClient(url, timeout=5.0, largest=1000))).text
        except HttpError as error:
            return error.kind

    assert asking(lambda _: answered("a" * size), page)[0] == (kind or "a" * size)


def test_nobody_there_is_an_answer_of_get_too() -> None:
    answer = asyncio.run(get(f"http://127.0.0.1:{free_ports(1)[0]}/health"))
    assert (answer["status_code"], answer["body"], answer["headers"]) == (None, None, {})
    assert answer["error"].startswith("cannot connect: ")
    assert asyncio.run(get("http://:1/"))["error"].startswith("invalid address: ")


def test_a_defect_is_not_taken_for_a_server_s_fault() -> None:
    with pytest.raises(TypeError):
        asyncio.run(requested(HttpClient("http://127.0.0.1:1", timeout=1.0), 5))  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [201, 302, 404, 500])
def test_a_page_must_be_well(status: int) -> None:
    async def page(url: str) -> str:
        client = HttpClient(url, timeout=5.0)
        try:
            return await client.page("/")
        except HttpError as error:
            return error.kind
        finally:
            await client.close()

    assert asking(lambda _: answered("", status), page)[0] == ("" if status == 201 else f"status {status}")


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("text/plain; charset=latin-1", b"\xe9", "\u00e9"),
        ('text/plain; CHARSET="utf-8"', b"\xc3\xa9", "\u00e9"),
        ("text/plain", b"\xc3\xa9", "\u00e9"),
        ("text/plain", b"\xff", "\ufffd"),
        ("text/plain; charset=klingon", b"a", "a"),
    ],
)
def test_a_body_is_decoded_as_its_header_says(kind: str, body: bytes, expected: str) -> None:
    assert Response(200, {"content-type": kind}, body).text == expected


def test_whoever_sends_no_request_does_not_load_the_client() -> None:
    code = "import sys, dawsos.adapters.http as h; h.HttpClient('', timeout=1.0); sys.exit('aiohttp' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": "src"}, check=True)


@pytest.mark.parametrize("folder", ["short", "long" * 40])
def test_a_server_on_a_unix_socket_is_asked_also_where_the_path_is_too_long_for_one(
    tmp_path: Path, folder: str
) -> None:
    (tmp_path / folder).mkdir()
    path = tmp_path / folder / "server.sock"

    async def talk() -> tuple[str, str]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answered("here"))
            writer.close()

        # A short name for the server's own end.
        with socket.socket(socket.AF_UNIX) as listener:
            here = os.open(path.parent, os.O_RDONLY)
            listener.bind(f"/proc/self/fd/{here}/server.sock")
            os.close(here)
            server = await asyncio.start_unix_server(serve, sock=listener)
            client = HttpClient("http://server", timeout=5.0, unix=path)
            try:
                page = await client.page("/")
            finally:
                await client.close()
                server.close()
                await server.wait_closed()
        path.unlink()
        try:
            await client.page("/")
        except HttpError as error:
            return page, error.kind
        finally:
            await client.close()
        return page, ""

    open_before = len(list(Path("/proc/self/fd").iterdir()))
    assert asyncio.run(talk()) == ("here", "cannot connect")
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before
