"""Users of one host behind a gateway: an open loop of requests, each with its moment, status and who answered it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

# Seconds that a user waits, and how much of a page is kept.
_PATIENCE, _KEPT = 10.0, 200


@dataclass(frozen=True)
class Answer:
    """``sent`` and ``at`` are seconds since the epoch, ``status`` is 0 for a connection that broke, ``by`` what the page said."""

    sent: float
    at: float
    status: int
    by: str

    @property
    def bad(self) -> bool:
        return self.status != 200


@dataclass
class Sent:
    """What became of the requests, in no order."""

    answers: list[Answer] = field(default_factory=list)

    def between(self, start: float, end: float = float("inf")) -> list[Answer]:
        return [answer for answer in list(self.answers) if start <= answer.sent <= end]

    def bad(self, start: float = 0.0, end: float = float("inf")) -> list[Answer]:
        return [answer for answer in self.between(start, end) if answer.bad]

    def by(self, start: float = 0.0) -> Counter[str]:
        return Counter(answer.by for answer in self.between(start))

    def came(self, start: float = 0.0, end: float = float("inf")) -> Counter[tuple[int, str]]:
        """Return how often each status and page came between two moments."""
        return Counter((answer.status, answer.by) for answer in list(self.answers) if start <= answer.at < end)

    def last(self, by: str, end: float = float("inf")) -> float | None:
        """Return when the last answer of ``by`` before ``end`` came."""
        return max((answer.at for answer in list(self.answers) if answer.by == by and answer.at < end), default=None)


@contextmanager
def users(
    address: str, host: str, rate: float, senders: int = 8, path: str = "/items", *, renew: bool = False
) -> Iterator[Sent]:
    """Send ``rate`` requests a second for ``host`` until the block ends; a late sender makes up for what it missed, up to a second.

    ``renew``: every second sender makes a new connection for each request.
    """
    sent, over, where = Sent(), threading.Event(), urlsplit(address)

    def send(number: int) -> None:
        connection = HTTPConnection(where.hostname or "", where.port or 80, timeout=_PATIENCE)
        due = time.monotonic() + number / rate
        while not over.wait(max(0.0, due - time.monotonic())):
            due = max(due + senders / rate, time.monotonic() - 1.0)
            sent.answers.append(_answer(connection, host, path))
            if renew and number % 2:
                connection.close()
        connection.close()

    threads = [threading.Thread(target=send, args=(number,), daemon=True) for number in range(senders)]
    for thread in threads:
        thread.start()
    try:
        yield sent
    finally:
        over.set()
        for thread in threads:
            thread.join(_PATIENCE + 5)


def served(address: str, host: str, path: str = "/items") -> bool:
    """Return whether the gateway has the route of ``host`` and somebody to ask: ten good answers in a row."""
    where = urlsplit(address)
    connection = HTTPConnection(where.hostname or "", where.port or 80, timeout=_PATIENCE)
    try:
        return not any(_answer(connection, host, path).bad for _ in range(10))
    finally:
        connection.close()


def _answer(connection: HTTPConnection, host: str, path: str) -> Answer:
    began = time.time()
    try:
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return Answer(began, time.time(), response.status, response.read().decode(errors="replace")[:_KEPT])
    except (OSError, HTTPException) as error:
        connection.close()
        return Answer(began, time.time(), 0, type(error).__name__)
