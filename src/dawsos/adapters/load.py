"""Open-loop synthetic load on a network of one's own: requests go out when they are due, whether or not earlier ones were answered."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import itertools
import socket
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from dawsos.adapters.http import HttpClient, HttpError
from dawsos.errors import BadInput
from dawsos.model.names import TELL, TOLD
from dawsos.model.policy import Load, LoadRequest

_MOST_AT_ONCE = 256
_PATIENCE = 30.0
# This machine (RFC 1122, RFC 4291) and private networks (RFC 1918, RFC 4193).
_OWN = tuple(
    ipaddress.ip_network(each)
    for each in ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)


def must_be_here(url: str) -> None:
    """Raise BadInput unless ``url`` is of this machine or of a private network, as a cluster has: a public address has users."""
    host = urlsplit(url).hostname or ""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BadInput(f"{url}: the name has no address: {error}", fix="set `url` of the environment") from error
    addresses = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    if not all(any(each in network for network in _OWN) for each in addresses):
        raise BadInput(
            f"synthetic load goes to this machine or to a private network, not to {url}",
            fix="roll out with a profile that declares no load: real users are its traffic",
        )


class OpenLoopLoad:
    """Sends the declared mix at ``rate`` requests a second, which may change while it runs, and counts the outcomes."""

    def __init__(self, url: str, load: Load, token: str = "") -> None:
        must_be_here(url)
        self.rate = load.rate
        self.sent = 0
        self.failed = 0
        self.skipped = 0
        self.failures: Counter[str] = Counter()
        # Deployment that answered ("" where nobody told) -> requests that ended, and those without a whole answer or with 5xx.
        self.seen: dict[str, list[int]] = {}
        self.latencies: deque[float] = deque(maxlen=100_000)
        self._requests = _mix(load.requests)
        self._client = HttpClient(url, timeout=_PATIENCE, connections=_MOST_AT_ONCE)
        self._bearer = {"Authorization": f"Bearer {token}"}
        self._started = self._ended = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._flying: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to send."""
        self._client.open()
        self._started = time.monotonic()
        self._task = asyncio.create_task(self._send())

    async def stop(self) -> None:
        """Send nothing new, wait a short time for the requests in flight, and end."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._ended = time.monotonic()
        if self._flying:
            _, late = await asyncio.wait(self._flying, timeout=5)
            for task in late:
                task.cancel()
        await self._client.close()

    def outcome(self) -> dict[str, Any]:
        """Return the counts, the ``seconds`` of sending, and ``p95`` in seconds from the time when a request was due."""
        ordered = sorted(self.latencies)
        return {
            "sent": self.sent,
            "failed": self.failed,
            "skipped": self.skipped,
            "seconds": round(self._ended - self._started, 3),
            "failures": dict(self.failures),
            "p95": round(ordered[int(len(ordered) * 0.95)], 4) if ordered else None,
        }

    @property
    def in_flight(self) -> int:
        """Requests that were sent and have no answer yet."""
        return len(self._flying)

    async def _send(self) -> None:
        due = time.monotonic()
        for request in itertools.cycle(self._requests):
            due += 1.0 / self.rate
            pause = due - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            elif pause < -2:
                # Far behind (the machine slept): do not send the whole backlog at once.
                due = time.monotonic()
            if len(self._flying) >= _MOST_AT_ONCE:
                self.skipped += 1
                await asyncio.sleep(0)
                continue
            task = asyncio.create_task(self._one(request, due))
            self._flying.add(task)
            task.add_done_callback(self._flying.discard)

    async def _one(self, request: LoadRequest, due: float) -> None:
        headers = {TELL: "deployment", **(self._bearer if request.authenticated else {})}
        self.sent += 1
        try:
            response = await self._client.request("GET", request.path, headers=headers)
            failure = str(response.status) if response.status >= 400 else ""
            self._saw(response.headers, response.status >= 500)
        except HttpError as error:
            failure = error.kind
            self._saw(error.headers, True)
        if failure:
            self.failed += 1
            self.failures[f"{request.path}: {failure}"] += 1
        self.latencies.append(time.monotonic() - due)

    def _saw(self, headers: Mapping[str, str], failed: bool) -> None:
        counts = self.seen.setdefault(headers.get(TOLD, ""), [0, 0])
        counts[0] += 1
        counts[1] += failed


def _mix(requests: tuple[LoadRequest, ...]) -> list[LoadRequest]:
    """Return a cycle in which each request has its share, evenly spread (largest remainder first)."""
    total = sum(request.share for request in requests)
    credit = [0.0] * len(requests)
    cycle = []
    for _ in range(100):
        credit = [have + request.share / total for have, request in zip(credit, requests, strict=True)]
        chosen = max(range(len(requests)), key=credit.__getitem__)
        credit[chosen] -= 1
        cycle.append(requests[chosen])
    return cycle
