"""The bad releases of the shop: each class is what a commit did wrong.  `bench/bad_releases.py` measures who notices."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import resource
import time
from collections.abc import Callable
from typing import TypeVar

from shop import Answer, Closed, Request, Shop, as_json

RELEASES: dict[str, Callable[[], Shop]] = {}
_Made = TypeVar("_Made", bound=type[Shop])


def release(name: str) -> Callable[[_Made], _Made]:
    def keep(made: _Made) -> _Made:
        RELEASES[name] = made
        return made

    return keep


def sometimes(share: float) -> bool:
    return random.random() < share


@release("every page 404")
class EveryPage404(Shop):
    async def answer(self, _request: Request) -> Answer:
        return as_json({"detail": "there is no such page"}, 404)


@release("empty 200")
class Empty(Shop):
    async def answer(self, _request: Request) -> Answer:
        return Answer(b"")


@release("5 % closed")
class Closes(Shop):
    async def answer(self, request: Request) -> Answer:
        if sometimes(0.05):
            raise Closed
        return await super().answer(request)


@release("2 % hang 30 s")
class Hangs(Shop):
    def pause(self, request: Request) -> float:
        return 30.0 if sometimes(0.02) else super().pause(request)


@release("2 MB a request")
class Leaks(Shop):
    kept: list[bytes] = []  # noqa: RUF012 - shared by all requests on purpose: that is the fault

    async def answer(self, request: Request) -> Answer:
        self.kept.append(os.urandom(64) * (2 * 1024 * 1024 // 64))
        return await super().answer(request)


@release("exits after 40 s")
class Exits(Shop):
    async def begin(self) -> None:
        asyncio.get_running_loop().call_later(40.0, os._exit, 1)


@release("5 % 500")
class Errors(Shop):
    async def answer(self, request: Request) -> Answer:
        return as_json({"detail": "internal"}, 500) if sometimes(0.05) else await super().answer(request)


@release("latency leaks 2 ms a request")
class Slower(Shop):
    def pause(self, request: Request) -> float:
        return super().pause(request) + 0.002 * request.number


@release("late errors")
class LateErrors(Shop):
    async def answer(self, request: Request) -> Answer:
        late = time.monotonic() - self.started > 60.0
        return as_json({"detail": "pool exhausted"}, 500) if late and sometimes(0.2) else await super().answer(request)


@release("one user of 20")
class OneUser(Shop):
    async def answer(self, request: Request) -> Answer:
        if request.user and request.user % 20 == 13:
            return as_json({"detail": "internal"}, 500)
        return await super().answer(request)


@release("errors on one undeclared page")
class OnePage(Shop):
    async def answer(self, request: Request) -> Answer:
        return as_json({"detail": "no"}, 500) if request.path == "/recommended" else await super().answer(request)


@release("403 for some")
class Forbids(Shop):
    async def answer(self, request: Request) -> Answer:
        if request.user and request.user % 10 == 3:
            return as_json({"detail": "forbidden"}, 403)
        return await super().answer(request)


@release("redirect to login")
class Redirects(Shop):
    async def answer(self, _request: Request) -> Answer:
        return Answer(b"", 302, "text/plain", {"Location": "/login"})


@release("redirect loop on some items")
class Loop(Shop):
    async def answer(self, request: Request) -> Answer:
        last = request.path.rpartition("/")[2]
        if last.isdigit() and int(last) % 4 == 0:
            return Answer(b"", 301, "text/plain", {"Location": request.path})
        return await super().answer(request)


@release("5 % cut short")
class Cut(Shop):
    async def send(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        whole, answer.body = len(answer.body), answer.body
        if not sometimes(0.05):
            return await super().send(writer, answer)
        head = f"HTTP/1.1 {answer.status} X\r\nContent-Type: {answer.media}\r\nContent-Length: {whole}\r\n\r\n"
        writer.write(head.encode() + answer.body[: whole // 2])
        await writer.drain()
        raise Closed


@release("3 % truncated chunks")
class Chunks(Shop):
    async def send(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        half = answer.body[: len(answer.body) // 2]
        head = f"HTTP/1.1 {answer.status} X\r\nContent-Type: {answer.media}\r\nTransfer-Encoding: chunked\r\n\r\n"
        rest = answer.body[len(half) :]
        writer.write(head.encode() + b"%x\r\n%s\r\n" % (len(half), half))
        if sometimes(0.03):
            await writer.drain()
            raise Closed
        writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest))
        await writer.drain()


@release("wrong content type")
class Media(Shop):
    async def answer(self, request: Request) -> Answer:
        right = await super().answer(request)
        return Answer(b"<html><body><pre>" + right.body + b"</pre></body></html>", right.status, "text/html")


@release("a field is missing")
class Missing(Shop):
    async def answer(self, request: Request) -> Answer:
        right = await super().answer(request)
        right.body = right.body.replace(b'"price"', b'"cost"')
        return right


@release("prices are text")
class Texts(Shop):
    async def answer(self, request: Request) -> Answer:
        right = await super().answer(request)
        right.body = re.sub(rb'"price": ([0-9.]+)', rb'"price": "\1"', right.body)
        return right


@release("lists are empty")
class Emptied(Shop):
    async def answer(self, request: Request) -> Answer:
        right = await super().answer(request)
        found = json.loads(right.body)
        for name in ("items", "lines", "found"):
            if name in found:
                found[name] = []
        right.body = json.dumps(found).encode()
        return right


@release("all is well, with an error inside")
class AllIsWell(Shop):
    async def answer(self, _request: Request) -> Answer:
        return as_json({"status": "all is well", "error": "the database is down"})


@release("3 % say an error with 200")
class SometimesWell(Shop):
    async def answer(self, request: Request) -> Answer:
        if sometimes(0.03):
            return as_json({"status": "ok", "error": "timeout of the stock service", "items": []})
        return await super().answer(request)


@release("p99 doubled")
class Tail(Shop):
    def pause(self, request: Request) -> float:
        usual = super().pause(request)
        # What was in the slowest twentieth takes twice as long and more.
        return 2.5 * usual if usual > 0.125 else usual


@release("all twice as slow")
class Twice(Shop):
    def pause(self, request: Request) -> float:
        return 2 * super().pause(request)


@release("429 above 3 a second")
class Limited(Shop):
    second, count = 0, 0

    async def answer(self, request: Request) -> Answer:
        now = int(time.monotonic())
        self.second, self.count = now, (self.count + 1 if now == self.second else 1)
        return as_json({"detail": "slow down"}, 429) if self.count > 3 else await super().answer(request)


@release("8 % 503 with Retry-After")
class Retry(Shop):
    async def answer(self, request: Request) -> Answer:
        if sometimes(0.08):
            return as_json({"detail": "busy"}, 503, Retry_After="1")
        return await super().answer(request)


@release("the listener closes after 60 requests")
class Deaf(Shop):
    """Connections that are open are served on, so its health looks well to whoever keeps one."""

    async def answer(self, request: Request) -> Answer:
        if request.number == 60 and self.server is not None:
            self.server.close()
        if request.number > 60 and sometimes(0.3):
            raise Closed
        return await super().answer(request)


@release("dies of one item")
class Crashes(Shop):
    async def answer(self, request: Request) -> Answer:
        if request.path == "/items/31":
            os._exit(1)
        return await super().answer(request)


@release("never ready")
class NeverReady(Shop):
    async def ready(self) -> Answer:
        return as_json({"state": "loading"}, 503)


@release("deadlock after 150 requests")
class Deadlock(Shop):
    async def answer(self, request: Request) -> Answer:
        if request.number > 150:
            await asyncio.Event().wait()
        return await super().answer(request)


@release("processor time grows")
class Burns(Shop):
    async def answer(self, request: Request) -> Answer:
        until = time.thread_time() + min(0.00015 * request.number, 0.1)
        while time.thread_time() < until:
            pass
        return await super().answer(request)


@release("open files leak")
class Files(Shop):
    async def begin(self) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))
        self.files: list[object] = []

    async def answer(self, request: Request) -> Answer:
        try:
            self.files.append(open(os.devnull))  # noqa: SIM115, PTH123 - never closed: that is the fault
        except OSError:
            return as_json({"detail": "too many open files"}, 500)
        return await super().answer(request)


@release("writes fail")
class Writes(Shop):
    async def answer(self, request: Request) -> Answer:
        if request.method == "POST" and sometimes(0.5):
            return as_json({"detail": "constraint"}, 500)
        return await super().answer(request)


@release("wrong version")
class Version(Shop):
    def __init__(self) -> None:
        super().__init__()
        self.version = "0000000000000000000000000000000000000000"
