"""Servers over real sockets: a token goes to one server only, and no odd answer hangs, fills the memory or passes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dawsos.adapters.loopback import free_ports
from dawsos.observability import server as module
from dawsos.observability.answers import Unusable
from dawsos.observability.server import Server
from support.pages import Asked, answered, serving

pytestmark = pytest.mark.e2e  # opens sockets on loopback


def asking(
    answer: Callable[[Asked], bytes | None], token: str = "", page: str = "/api/v1/query"
) -> tuple[Any, list[Asked]]:
    """Return the document, or the reason why there is none, of a server with these answers; and what it was asked."""

    async def talk() -> tuple[Any, list[Asked]]:
        async with serving(answer) as (url, asked):
            return await told(Server(url, token), lambda one: one.ask(page, {"query": 'up{a="b"}'})), asked

    return asyncio.run(talk())


async def told(server: Server, question: Callable[[Server], Awaitable[Any]]) -> Any:
    try:
        return await question(server)
    except Unusable as error:
        # The message names the server as well.
        return error.reason if str(error).startswith("http://127.0.0.1:") else f"no server: {error}"
    finally:
        await server.close()


def test_a_question_is_asked_with_its_parameters_and_the_token() -> None:
    found, (asked,) = asking(lambda _: answered('{"a": 1}', kind="application/json"), "secret")
    assert found == {"a": 1}
    assert (asked.path, asked.query) == ("/api/v1/query", {"query": 'up{a="b"}'})
    assert asked.headers["authorization"] == "Bearer secret"
    _, (asked,) = asking(lambda _: answered("{}"))
    assert "authorization" not in asked.headers


def test_the_token_is_not_sent_where_a_redirect_leads() -> None:
    async def talk() -> tuple[Any, list[Asked], list[Asked]]:
        async with serving(lambda _: answered("{}")) as (other, there):

            def away(_: Asked) -> bytes:
                return f"HTTP/1.1 302 Found\r\nLocation: {other}/login\r\nContent-Length: 0\r\n\r\n".encode()

            async with serving(away) as (url, here):
                return await told(Server(url, "secret"), lambda one: one.ask("/")), here, there

    found, here, there = asyncio.run(talk())
    assert found.startswith("status 302: it sends elsewhere (http://127.0.0.1:")
    assert (len(here), there) == (1, [])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (answered("<html>Please log in</html>", kind="text/html"), "it answers text/html, and no JSON"),
        (answered("Internal Server Error", 500), "status 500: Internal Server Error"),
        (answered('{"error": "\x1b[31mno"}', 503), "status 503"),
        (None, "disconnected: Server disconnected"),
        (b"220 mail.example.org ESMTP\r\n\r\n", "invalid answer: "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "incomplete answer: "),
    ],
    ids=["HTML", "500", "control characters", "closed", "not HTTP", "half a body"],
)
def test_an_odd_answer_has_a_reason(answer: bytes | None, reason: str) -> None:
    found, _ = asking(lambda _: answer)
    assert isinstance(found, str)
    assert found.startswith(reason)
    assert found.isprintable()


def test_an_answer_without_an_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TIMEOUT", 0.3)
    assert asking(lambda _: b"")[0].startswith("timeout")


def test_a_huge_answer_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST", 1000)
    assert asking(lambda _: answered('"' + "a" * 998 + '"'))[0] == "a" * 998
    assert asking(lambda _: answered('"' + "a" * 999 + '"'))[0] == "too large: more than 1000 bytes"


def test_nobody_there_is_a_reason_too() -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    assert asyncio.run(told(Server(url), lambda one: one.ask("/"))) == "cannot connect"
    assert asyncio.run(told(Server(url), lambda one: one.send("/", {}))) == "cannot connect"


def test_a_request_is_sent_with_its_headers_whatever_its_answer() -> None:
    async def talk() -> tuple[Any, list[Asked]]:
        async with serving(lambda _: answered("no", 503)) as (url, asked):
            return await told(Server(url), lambda one: one.send("/health", {"traceparent": "00-a-b-01"})), asked

    status, (asked,) = asyncio.run(talk())
    assert (status, asked.headers["traceparent"]) == (503, "00-a-b-01")
