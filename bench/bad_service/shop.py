"""The good release of the shop of `bench/bad_releases.py`: a few pages over HTTP/1.1, on asyncio streams alone.

A bad release is a subclass in `bad.py`, a harmless one in `harmless.py`; `RELEASE` in the module `chosen` says which one this is.
Answers take as long as a small service's do (lognormal, 40 ms at the median, 200 ms at p99): time that costs no processor.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

MEDIAN, SIGMA = 0.040, 0.7
NAMES = ("tea", "coffee", "cocoa", "juice", "water")


class Closed(Exception):
    """The connection ends here, whatever was asked."""


@dataclass
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    # The how manieth of this process, without those for its health.
    number: int

    @property
    def user(self) -> int:
        return int(self.query.get("user", "0"))


@dataclass
class Answer:
    body: bytes
    status: int = 200
    media: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def as_json(value: object, status: int = 200, **headers: str) -> Answer:
    return Answer(json.dumps(value).encode(), status, headers={k.replace("_", "-"): v for k, v in headers.items()})


def item(number: int) -> dict[str, object]:
    return {"id": number, "name": NAMES[number % len(NAMES)], "price": 1.5 * number + 1, "stock": number % 7 + 1}


def items(first: int, last: int) -> list[dict[str, object]]:
    return [item(number) for number in range(first, last + 1)]


class Shop:
    """Every page of the shop.  Subclasses change `pause`, `answer`, `head` or `send`."""

    def __init__(self) -> None:
        self.version = os.environ.get("GIT_SHA", "")
        self.served = 0
        self.started = time.monotonic()
        self.server: asyncio.Server | None = None

    def pause(self, _request: Request) -> float:
        """Return for how many seconds this request is worked on."""
        return random.lognormvariate(0, SIGMA) * MEDIAN

    async def page(self, request: Request) -> Answer:
        """Return the answer to any request; those for the health are answered at once."""
        if request.path == "/health/ready":
            return await self.ready()
        if request.path == "/health":
            return as_json({"status": "healthy", "version": self.version})
        await asyncio.sleep(self.pause(request))
        return await self.answer(request)

    async def ready(self) -> Answer:
        return as_json({})

    async def answer(self, request: Request) -> Answer:
        """Return the right answer."""
        _, page, *rest = request.path.split("/")
        user = request.user
        if request.method == "POST":
            return as_json({"order": request.number, "state": "accepted"}, 201)
        if page == "items" and rest:
            return as_json(item(int(rest[0])))
        found: dict[str, dict[str, object]] = {
            "items": {"items": items(1, 12), "total": 12, "at": time.time()},
            "cart": {"user": user, "lines": [item(user % 9 + 1), item(user % 5 + 20)]},
            "search": {"query": request.query.get("q", ""), "found": items(3, 7)},
            "recommended": {"user": user, "items": items(user % 30 + 1, user % 30 + 4)},
        }
        return as_json(found[page]) if page in found else as_json({"detail": "there is no such page"}, 404)

    def head(self, answer: Answer) -> list[tuple[str, str]]:
        """Return the headers in order."""
        return [
            ("Server", "shop"), ("Content-Type", answer.media), ("Content-Length", str(len(answer.body))),
            *answer.headers.items(),
        ]  # fmt: skip

    async def send(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        """Write the whole answer."""
        lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in self.head(answer))]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body)
        await writer.drain()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until one side ends it."""
        try:
            while True:
                request = await self._read(reader)
                answer = await self.page(request)
                await (
                    Shop.send(self, writer, answer) if request.path.startswith("/health") else self.send(writer, answer)
                )
        except (Closed, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Request:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        await reader.readexactly(int(headers.get("content-length", 0)))
        url = urlsplit(target)
        if not url.path.startswith("/health"):
            self.served += 1
        return Request(method, url.path, dict(parse_qsl(url.query)), headers, self.served)

    async def begin(self) -> None:
        """What the release does beside answering."""

    async def serve(self) -> None:
        self.server = await asyncio.start_server(self.talk, os.environ["HOST"], int(os.environ["PORT"]), backlog=512)
        await self.begin()
        await asyncio.Event().wait()


def main() -> None:
    import bad
    import harmless
    from chosen import RELEASE

    made = {"good": Shop, **bad.RELEASES, **harmless.RELEASES}[RELEASE]()
    asyncio.run(made.serve())
