"""The users of the shop of `bench/bad_releases.py`: an open loop of requests, each answer checked for what a user needs of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dawsos.adapters.http import HttpClient, HttpError, Response
from dawsos.model.names import TELL, TOLD
from dawsos.model.policy import Load

# What a user waits for, and what is too late for one: the objective of p95.
_PATIENCE, _LATE = 10.0, 1.2
_MOST_AT_ONCE = 400
_ITEM = {"id": int, "name": str, "price": (int, float), "stock": int}


@dataclass(frozen=True)
class Page:
    """One kind of request, ``share`` of a hundred.  ``path`` has places for an item and a user; ``whole`` is its answer's form."""

    share: float
    method: str
    path: str
    whole: Any
    status: int = 200


PAGES = (
    Page(30, "GET", "/items", {"items": [_ITEM], "total": int, "at": float}),
    Page(25, "GET", "/items/{item}", _ITEM),
    Page(20, "GET", "/cart?user={user}", {"user": int, "lines": [_ITEM]}),
    Page(10, "GET", "/search?q=tea", {"query": str, "found": [_ITEM]}),
    Page(8, "GET", "/recommended?user={user}", {"user": int, "items": [_ITEM]}),
    Page(5, "POST", "/orders?user={user}", {"order": int, "state": str}, 201),
    Page(2, "GET", "/health", {"status": str, "version": str}),
)


def form_of(value: Any, form: Any, where: str = "") -> str:
    """Return what of ``form`` a document does not have, an empty text when it has all."""
    if isinstance(form, dict):
        if not isinstance(value, dict):
            return f"{where or 'the answer'} is no object"
        found = (form_of(value.get(key), one, f"{where}.{key}".strip(".")) for key, one in form.items())
        return next((wrong for wrong in found if wrong), "")
    if isinstance(form, list):
        if not isinstance(value, list) or not value:
            return f"{where} is no list with entries"
        return next((wrong for wrong in (form_of(one, form[0], f"{where}[]") for one in value) if wrong), "")
    return "" if isinstance(value, form) else f"{where} is missing or of another type"


@dataclass
class Wrong:
    """One wrong answer: when it came, of which deployment ("" where nothing told), and what was wrong."""

    at: float
    deployment: str
    why: str


@dataclass
class Users:
    """Implements ``ports.LoadGenerator``: users with random items and names, which the comparison before traffic does not know."""

    url: str
    load: Load
    versions: tuple[str, ...]
    statuses: tuple[int, ...] = ()
    wrong: list[Wrong] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    _counts: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rate = self.load.rate
        self._client = HttpClient(self.url, timeout=_PATIENCE, connections=_MOST_AT_ONCE)
        self._task: asyncio.Task[None] | None = None
        self._flying: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._client.open()
        self._task = asyncio.create_task(self._send())

    def seen(self) -> Mapping[str, tuple[int, int]]:
        return {name: (counts[0], counts[1]) for name, counts in self._counts.items()}

    async def stop(self) -> dict[str, Any]:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._flying:
            await asyncio.wait(self._flying, timeout=_PATIENCE + 1)
        for task in self._flying:
            task.cancel()
        await self._client.close()
        return {"ended": dict(self.ended), "wrong": len(self.wrong), "skipped": self.skipped}

    async def _send(self) -> None:
        due = time.monotonic()
        while True:
            due = max(due + 1.0 / self.rate, time.monotonic() - 2.0)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if len(self._flying) >= _MOST_AT_ONCE:
                self.skipped += 1
                continue
            (page,) = random.choices(PAGES, [page.share for page in PAGES])
            task = asyncio.create_task(self._one(page))
            self._flying.add(task)
            task.add_done_callback(self._flying.discard)

    async def _one(self, page: Page) -> None:
        path = page.path.format(item=random.randint(1, 60), user=random.randint(1, 200))
        body = b"{}" if page.method == "POST" else None
        started = time.monotonic()
        try:
            answer = await self._client.request(page.method, path, headers={TELL: "deployment"}, body=body)
        except HttpError as error:
            self._saw(error.headers, failed=True)
            self._note(error.headers, error.kind)
        else:
            self._saw(answer.headers, failed=answer.status >= 500)
            late = "late" if time.monotonic() - started > _LATE else ""
            self._note(answer.headers, self._what_is_wrong(page, answer) or late)

    def _what_is_wrong(self, page: Page, answer: Response) -> str:
        if answer.status != page.status:
            return "" if answer.status in self.statuses else f"status {answer.status}"
        if not answer.headers.get("content-type", "").startswith("application/json"):
            return "no JSON"
        try:
            document = json.loads(answer.body)
        except ValueError:
            return "no JSON"
        if page.path == "/health" and isinstance(document, dict) and document.get("version") not in self.versions:
            return "a version that nobody released"
        return form_of(document, page.whole)

    def _saw(self, headers: Mapping[str, str], *, failed: bool) -> None:
        counts = self._counts.setdefault(headers.get(TOLD, ""), [0, 0])
        counts[0] += 1
        counts[1] += failed

    def _note(self, headers: Mapping[str, str], why: str) -> None:
        deployment = headers.get(TOLD, "")
        self.ended[deployment] += 1
        if why:
            self.wrong.append(Wrong(time.monotonic(), deployment, why))
