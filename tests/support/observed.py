"""What observes an environment, on paper: servers that answer what a test says, and a release that serves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from dawsos.model.events import CheckResult
from dawsos.model.json import Json
from dawsos.model.observability import Observability
from dawsos.observability.asking import Asking, Question, Serving
from dawsos.observability.server import Server
from fakes import VirtualClock

RELEASE, COMMIT = "ab" * 32, "c0ffee" + "0" * 34
SERVING = Serving("production", "http://127.0.0.1:7", RELEASE, COMMIT, "old", 2)

Answer = Callable[[str, Mapping[str, str]], Json]


class Told(Server):
    """A server whose pages are what ``answer`` returns, or raises, for a path and its parameters; keeps what it was asked."""

    def __init__(self, answer: Answer, status: int = 200) -> None:
        super().__init__("http://127.0.0.1:9")
        self._answer = answer
        self._status = status
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    async def ask(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        self.asked.append((path, params or {}))
        return self._answer(path, params or {})

    async def send(self, path: str, headers: Mapping[str, str]) -> int:
        self.asked.append((path, headers))
        self._answer(path, headers)
        return self._status


def vector(*rows: tuple[dict[str, str], str]) -> dict[str, Any]:
    """Return an instant vector as Prometheus answers it."""
    result = [{"metric": labels, "value": [1_700_000_000.5, value]} for labels, value in rows]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def checked(
    check: Callable[[Asking], Awaitable[CheckResult]],
    settings: Mapping[str, Any],
    servers: Mapping[str, Server] | None = None,
    dashboards: Mapping[str, str | None] | None = None,
    clock: VirtualClock | None = None,
    silent: tuple[str, ...] = (),
) -> CheckResult:
    """Return what ``check`` says with the ``settings`` of ``observability``; a server that they name has an address."""
    named = {
        key: {"url": "http://127.0.0.1:9", **value} if isinstance(value, dict) else value
        for key, value in settings.items()
    }
    question = Question(clock or VirtualClock(), dashboards=dashboards or {}, silent=silent)
    return asyncio.run(_run(check, Asking(SERVING, Observability.model_validate(named), question, servers or {})))


async def _run(check: Callable[[Asking], Awaitable[CheckResult]], asking: Asking) -> CheckResult:
    return await check(asking)
