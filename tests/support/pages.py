"""Answers that a test writes itself: of a server on loopback, byte by byte, and of ``HttpClient.page`` where no socket is opened."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from dawsos.adapters.http import HttpClient


class Pages(HttpClient):
    """A client whose pages are what ``answer`` returns for a path and its parameters, or raises."""

    def __init__(self, answer: Callable[[str, Mapping[str, str]], str]) -> None:
        super().__init__(timeout=1.0)
        self._answer = answer

    async def page(self, path: str, params: Mapping[str, str] | None = None) -> str:
        return self._answer(path, params or {})


@dataclass(frozen=True)
class Asked:
    """One request: header names are in lower case; ``connection`` counts from 0."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    connection: int


def answered(body: str, status: int = 200, kind: str = "text/plain") -> bytes:
    """Return the bytes of a whole answer."""
    head = f"HTTP/1.1 {status} Any\r\nContent-Type: {kind}\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    return (head + body).encode()


@asynccontextmanager
async def serving(answer: Callable[[Asked], bytes | None]) -> AsyncIterator[tuple[str, list[Asked]]]:
    """Yield the address of a server and the list of what it was asked.

    ``answer`` returns the bytes for one request; None closes the connection, and so does a body that is shorter than its
    length; no bytes at all leave it open without another word, as a server that hangs does.
    """
    asked: list[Asked] = []
    connections: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def serve(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                asked.append(_parsed(head, number))
                told = answer(asked[-1])
                if told is not None:
                    writer.write(told)
                if told is None or _too_short(told):
                    break
        writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[writer] = asyncio.create_task(serve(len(connections), reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
        for writer, task in connections.items():
            writer.close()
            await task
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def _parsed(head: str, connection: int) -> Asked:
    first, *rest = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    parts = urlsplit(target)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return Asked(method, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), headers, connection)


def _too_short(told: bytes) -> bool:
    head, _, body = told.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(lengths) and len(body) < lengths[0]
