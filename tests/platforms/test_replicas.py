"""A replica is asked over real connections, one for each request."""

from __future__ import annotations

import asyncio

import pytest

from dawsos.adapters.http import HttpError
from dawsos.platforms.replicas import HttpReplica

pytestmark = pytest.mark.e2e  # opens connections

ANSWER = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno"


async def _served(answer: bytes) -> tuple[list[str], object]:
    """Ask a server twice that sends ``answer`` to every connection; return the heads that it got and the last outcome."""
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    replica = HttpReplica(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    outcome: object = None
    async with server:
        for _ in range(2):
            try:
                outcome = await replica.ask("GET", "/v1/x?y=1", {"Host": "shop.example"}, None, 10.0)
            except HttpError as error:
                outcome = error.kind
    return heads, outcome


def test_the_answer_is_returned_whatever_its_status() -> None:
    heads, outcome = asyncio.run(_served(ANSWER))
    assert (outcome.status, outcome.body) == (404, b"no")  # type: ignore[attr-defined]
    assert len(heads) == 2
    assert heads[0].startswith("GET /v1/x?y=1 HTTP/1.1\r\nHost: shop.example\r\n")
    assert "Connection: close" in heads[0]


def test_a_connection_that_is_closed_is_no_answer() -> None:
    assert asyncio.run(_served(b""))[1] == "disconnected"
