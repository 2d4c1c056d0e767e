"""The harmless releases of the shop: each class is a change that nobody should be rolled back for."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from shop import Answer, Request, Shop, as_json

RELEASES: dict[str, Callable[[], Shop]] = {}
_Made = TypeVar("_Made", bound=type[Shop])


def release(name: str) -> Callable[[_Made], _Made]:
    def keep(made: _Made) -> _Made:
        RELEASES[name] = made
        return made

    return keep


@release("no change")
class Same(Shop):
    pass


@release("a new field")
class NewField(Shop):
    async def answer(self, request: Request) -> Answer:
        right = await super().answer(request)
        right.body = json.dumps({**json.loads(right.body), "currency": "EUR"}).encode()
        return right


@release("5 % slower")
class FiveSlower(Shop):
    def pause(self, request: Request) -> float:
        return 1.05 * super().pause(request)


@release("larger answers")
class Larger(Shop):
    async def answer(self, request: Request) -> Answer:
        right = await super().answer(request)
        right.body = json.dumps(json.loads(right.body), indent=8).encode()
        return right


@release("a new 422, declared")
class Unprocessable(Shop):
    async def answer(self, request: Request) -> Answer:
        if request.method == "POST" and request.user % 4 == 1:
            return as_json({"detail": "the address is incomplete"}, 422)
        return await super().answer(request)


@release("cold start of 30 s")
class Cold(Shop):
    """Its caches are empty: at first it is three times as slow."""

    def pause(self, request: Request) -> float:
        age = time.monotonic() - self.started
        return super().pause(request) * (3.0 - 2.0 * min(1.0, age / 30.0))


@release("memory that reaches a plateau")
class Plateau(Shop):
    def __init__(self) -> None:
        super().__init__()
        self.cache: list[bytearray] = []

    async def answer(self, request: Request) -> Answer:
        if len(self.cache) < 120:
            self.cache.append(bytearray(random.randbytes(512 * 1024)))
        return await super().answer(request)


@release("headers in another order")
class Order(Shop):
    def head(self, answer: Answer) -> list[tuple[str, str]]:
        return list(reversed(super().head(answer)))


@release("more log lines")
class Logs(Shop):
    async def answer(self, request: Request) -> Answer:
        for number in range(5):
            sys.stderr.write(f"WARNING step {number} of {request.path} took a while\n")
        return await super().answer(request)


@release("another server header")
class Header(Shop):
    def head(self, answer: Answer) -> list[tuple[str, str]]:
        return [("Server", "shop/2.0"), *super().head(answer)[1:]]


@release("gzip")
class Zipped(Shop):
    async def answer(self, request: Request) -> Answer:
        right = await super().answer(request)
        if "gzip" in request.headers.get("accept-encoding", ""):
            right.body = gzip.compress(right.body)
            right.headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return right


@release("one pause of 400 ms")
class Pauses(Shop):
    async def begin(self) -> None:
        asyncio.get_running_loop().call_later(25.0, time.sleep, 0.4)


class SomeErrors(Shop):
    share = 0.01

    async def answer(self, request: Request) -> Answer:
        return as_json({"detail": "no"}, 500) if random.random() < self.share else await super().answer(request)


@release("1 % errors")
class OneInHundred(SomeErrors):
    """No release to roll out: the stable one beside which the next is measured."""


@release("fewer errors than stable")
class FewerErrors(SomeErrors):
    share = 0.002
