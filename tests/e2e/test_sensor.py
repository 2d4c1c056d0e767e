"""Every way in which an exchange can end, brought about by a server and counted by a client: the sensor counts the same.

The slow form sends 50,000 requests of each kind: ``./dawsos test sensor``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dawsos.model.names import TELL, TOLD
from dawsos.model.policy import CrashLoop
from dawsos.model.rollout import Counts, Sample
from dawsos.platforms.local import envoy_config
from dawsos.platforms.local.admin import Admin
from dawsos.platforms.local.environment import Deployment, LocalEnvironment
from dawsos.platforms.local.state import read_desired
from dawsos.platforms.local.telemetry import EnvoyTelemetry
from dawsos.platforms.readings import added
from support import ways

pytestmark = pytest.mark.e2e

FEW, MANY = 1000, 50_000
_AT_ONCE = 16
_SERVER = Path(ways.__file__)


@dataclass
class Seen:
    """What a client saw: answers by status and deployment, and exchanges without a whole answer."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    broken: int = 0


class Client:
    """Sends requests over a few connections and counts how each of them ended."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def send(self, method: str, path: str, number: int, *, at_once: int = _AT_ONCE) -> Seen:
        seen, left = Seen(), iter(range(number))
        await asyncio.gather(*(self._connection(method, path, left, seen) for _ in range(at_once)))
        return seen

    async def _connection(self, method: str, path: str, left: Iterator[int], seen: Seen) -> None:
        request = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n{TELL}: deployment\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for _ in left:
                try:
                    writer.write(request.encode())
                    seen.answers[await _answer(reader)] += 1
                except (asyncio.IncompleteReadError, ConnectionError, ValueError):
                    seen.broken += 1
                    writer.close()
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        finally:
            writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[str, int]:
    """Read one whole answer; return the deployment that gave it and its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    else:
        await reader.readexactly(int(headers.get("content-length", 0)))
    return headers.get(TOLD, ""), int(head[0].split(" ")[1])


class Stand:
    """An environment whose stable release is good and whose canary, which has all traffic, does what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.platform = LocalEnvironment(folder, "sensor")

    async def up(self) -> None:
        await self.platform.ensure_supervisor()
        await self.platform.ensure_proxy()
        await self.deploy("d0", GOOD="1")
        await self.deploy("d1")
        self.platform.renew_lease(3600)
        await self.platform.route(stable="d0", canary="d1", weight=100)
        # A busy machine is not what is tested: it refuses no connection because it is slow.
        made = envoy_config.clusters(read_desired(self.platform.folder).deployments, self.platform.roles())
        await self.apply("clusters.json", [{**cluster, "connect_timeout": "30s"} for cluster in made])

    async def deploy(self, name: str, **env: str) -> None:
        argv = (sys.executable, "-P", str(_SERVER))
        await self.platform.deploy(Deployment(name, "r", argv, "/", env, replicas=1))

    @property
    def client(self) -> Client:
        return Client(read_desired(self.platform.folder).proxy["listener"])

    async def apply(self, name: str, resources: list[dict[str, Any]]) -> None:
        """Let Envoy run these clusters or routes."""
        admin = Admin(self.platform.folder, read_desired(self.platform.folder).proxy)
        try:
            await admin.confirm(name, envoy_config.write_resources(self.platform.folder, name, resources))
        finally:
            await admin.close()


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    made = Stand(tmp_path_factory.mktemp("sensor") / "environment")
    try:
        asyncio.run(made.up())
        yield made
    finally:
        asyncio.run(made.platform.down(purge=True))


class Watch:
    """Samples, once a second and when asked."""

    def __init__(self, telemetry: EnvoyTelemetry) -> None:
        self._telemetry = telemetry
        self._parts: list[Sample] = []
        self._one_at_a_time = asyncio.Lock()

    async def look(self) -> None:
        async with self._one_at_a_time:
            sample = await self._telemetry.sample(0.0, 100)
        assert sample.complete
        self._parts.append(sample)

    @property
    def canary(self) -> Counts:
        return added(part.canary for part in self._parts)

    @property
    def stable(self) -> Counts:
        return added(part.stable for part in self._parts)

    @property
    def last(self) -> Sample:
        return self._parts[-1]

    async def until(self, condition: Callable[[], bool], within: float = 60.0) -> None:
        """Look until ``condition`` holds; fails when it does not in time."""
        deadline = time.monotonic() + within
        await self.look()
        while not condition():
            assert time.monotonic() < deadline, (self.canary, self.stable)
            await asyncio.sleep(0.1)
            await self.look()


@asynccontextmanager
async def watching(stand: Stand) -> AsyncIterator[Watch]:
    """Sample every second, beginning now."""
    telemetry = EnvoyTelemetry(stand.platform.folder, (), CrashLoop())
    # Neither is a sample lost to a busy machine.
    telemetry._admin = Admin(stand.platform.folder, read_desired(stand.platform.folder).proxy, timeout=60.0)
    await telemetry.sample(0.0, 100)
    watch = Watch(telemetry)

    async def every_second() -> None:
        while True:
            await asyncio.sleep(1.0)
            await watch.look()

    task = asyncio.create_task(every_second())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await telemetry.close()


async def sent(stand: Stand, method: str, way: str, number: int, at_once: int = _AT_ONCE) -> tuple[Seen, Watch]:
    """Send ``number`` requests that end in this way; return what the client and what the sensor saw."""
    async with watching(stand) as watch:
        seen = await stand.client.send(method, f"/{way}", number, at_once=at_once)
        # A try is counted when Envoy lets go of it, and histograms are half a second late.
        await watch.until(lambda: watch.canary.requests >= number and _whole(watch.canary) and _whole(watch.stable))
        await watch.look()
    return seen, watch


def _whole(counts: Counts) -> bool:
    return not counts.requests or (bool(counts.latency) and counts.latency[-1][1] >= counts.requests)


def faults(counts: Counts) -> dict[str, int]:
    return {kind: number for kind, number in counts.faults.items() if number}


def codes(counts: Counts) -> dict[str, int]:
    return {code: number for code, number in counts.codes.items() if number}


_SLOW = pytest.param(MANY, id="50000", marks=[pytest.mark.slow, pytest.mark.timeout(1800)])
# A test with a few requests, and in its slow form with many.
amounts = pytest.mark.parametrize("number", [pytest.param(FEW, id="1000"), _SLOW])


@amounts
@pytest.mark.parametrize("status", [200, 204, 301, 304, 401, 403, 404, 422, 429, 500])
def test_answers_are_counted_by_their_status(stand: Stand, status: int, number: int) -> None:
    seen, watch = asyncio.run(sent(stand, "GET", str(status), number))
    assert seen.answers == {("d1", status): number}
    named = {str(status): number} if status in (401, 403, 404, 429) else {}
    assert codes(watch.canary) == {f"{status // 100}xx": number} | named
    assert (watch.canary.requests, watch.canary.errors) == (number, number if status == 500 else 0)
    assert (faults(watch.canary), watch.stable.requests) == ({}, 0)


BEFORE = {"closed": "closed", "reset": "closed", "no-http": "protocol"}
AFTER = ("closed-after-headers", "short", "short-chunks", "reset-after-headers", "bad-chunk")


@amounts
@pytest.mark.parametrize("way", BEFORE)
def test_an_exchange_without_an_answer_is_an_error_once(stand: Stand, way: str, number: int) -> None:
    """What is not safe is not tried again: the client sees it, and the header names the canary."""
    seen, watch = asyncio.run(sent(stand, "POST", way, number))
    assert sum(seen.answers.values()) == number
    assert {(who, status // 100) for who, status in seen.answers} == {("d1", 5)}
    assert (watch.canary.requests, watch.canary.errors) == (number, number)
    assert (faults(watch.canary), codes(watch.canary)) == ({BEFORE[way]: number}, {})
    assert watch.stable.requests == 0


@amounts
@pytest.mark.parametrize("way", [*BEFORE, "503"])
def test_an_error_that_a_retry_hid_from_the_user_counts(stand: Stand, way: str, number: int) -> None:
    seen, watch = asyncio.run(sent(stand, "GET", way, number))
    assert seen.answers == {("d0", 200): number}
    assert (watch.canary.requests, watch.canary.errors) == (number, number)
    assert faults(watch.canary) == ({BEFORE[way]: number} if way in BEFORE else {})
    assert codes(watch.canary) == ({} if way in BEFORE else {"5xx": number})
    assert (watch.stable.requests, watch.stable.errors, codes(watch.stable)) == (number, 0, {"2xx": number})


@amounts
@pytest.mark.parametrize("way", AFTER)
def test_an_answer_that_breaks_off_is_an_error_once(stand: Stand, way: str, number: int) -> None:
    # Envoy closes the client's connection a second after such an answer.
    seen, watch = asyncio.run(sent(stand, "GET", way, number, at_once=200))
    assert (seen.broken, sum(seen.answers.values())) == (number, 0)
    assert (watch.canary.requests, watch.canary.errors) == (number, number)
    assert (faults(watch.canary), codes(watch.canary)) == ({"short": number}, {"2xx": number})
    assert watch.stable.requests == 0


@amounts
@pytest.mark.parametrize(
    ("size", "low", "high"), [(0, -1.0, 1.0), (1, -1.0, 1.5), (200, 150.0, 220.0), (5000, 4700.0, 6800.0)]
)
def test_bodies_are_counted_by_their_size(stand: Stand, size: int, low: float, high: float, number: int) -> None:
    _, watch = asyncio.run(sent(stand, "GET", f"size-{size}", number))
    sizes = dict(watch.canary.sizes)
    assert max((count for edge, count in sizes.items() if edge <= low), default=0) == 0
    assert min(count for edge, count in sizes.items() if edge >= high) == number


def _all_wait(watch: Watch, age: float) -> bool:
    return dict(watch.last.canary.waiting)[age] == 40


def test_what_has_no_answer_is_told_with_its_age(stand: Stand) -> None:
    async def hang() -> tuple[list[Sample], Watch]:
        async with watching(stand) as watch:
            waits = [asyncio.create_task(stand.client.send("GET", "/hang", 2, at_once=2)) for _ in range(20)]
            samples = []
            await watch.until(lambda: watch.last.canary.under_way == 40)
            samples.append(watch.last)
            for age in (0.25, 1.75):
                await watch.until(partial(_all_wait, watch, age))
                samples.append(watch.last)
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
            await watch.until(lambda: watch.last.canary.under_way == 0 and watch.canary.requests == 40)
            await watch.look()
            return samples, watch

    (first, early, late), watch = asyncio.run(hang())
    assert dict(first.canary.waiting)[1.75] == 0
    assert [dict(early.canary.waiting)[age] for age in (0.25, 1.75)] == [40, 0]
    assert (late.canary.requests, late.canary.under_way) == (0, 40)
    # The client gave up: the requests ended, and nothing of them waits.
    assert set(dict(watch.last.canary.waiting).values()) == {0}
    assert (watch.canary.errors, faults(watch.canary), codes(watch.canary)) == (0, {}, {})


async def _altered(
    stand: Stand, name: str, before: list[dict[str, Any]], after: list[dict[str, Any]], do: Awaitable[Any]
) -> Any:
    await stand.apply(name, after)
    try:
        return await do
    finally:
        await stand.apply(name, before)


def test_an_answer_that_does_not_come_in_time_is_an_error(stand: Stand) -> None:
    usual = envoy_config.routes(stand.platform.roles())
    short = json.loads(json.dumps(usual).replace('"timeout": "30s"', '"timeout": "1s"'))

    async def hang() -> tuple[Seen, Watch]:
        async with watching(stand) as watch:
            seen = await stand.client.send("GET", "/hang", 32)
            await watch.until(lambda: watch.canary.requests >= 32)
            await watch.look()
            return seen, watch

    seen, watch = asyncio.run(_altered(stand, "routes.json", [usual], [short], hang()))
    assert seen.answers == {("d1", 504): 32}
    assert (watch.canary.requests, watch.canary.errors, faults(watch.canary)) == (32, 32, {"timeout": 32})


def test_what_the_proxy_has_no_place_for_is_an_error(stand: Stand) -> None:
    """Envoy has a place for one request under way and one that waits; what comes then it answers itself."""
    usual = envoy_config.clusters(read_desired(stand.platform.folder).deployments, stand.platform.roles())
    few = {"thresholds": [{"max_connections": 1, "max_pending_requests": 1, "max_requests": 1}]}
    narrow = [{**each, "circuit_breakers": few} if each["name"] == "d1" else each for each in usual]

    async def crowd() -> tuple[Seen, Watch]:
        async with watching(stand) as watch:
            first = asyncio.create_task(stand.client.send("GET", "/hang", 1, at_once=1))
            await watch.until(lambda: watch.last.canary.under_way == 1)
            seen = await stand.client.send("POST", "/200", FEW)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await watch.until(lambda: watch.last.canary.under_way == 0 and watch.canary.requests > FEW)
            await watch.look()
        return seen, watch

    seen, watch = asyncio.run(_altered(stand, "clusters.json", usual, narrow, crowd()))
    # Each of Envoy's threads may make one connection, whatever the limit; an answer tells who where a replica was chosen already.
    refused = seen.answers["", 503] + seen.answers["d1", 503]
    assert refused == FEW - seen.answers["d1", 200] > FEW / 2
    # The one that hung was given up by its client: a request, and no error, unless its time was up before on a busy machine.
    late = faults(watch.canary).get("timeout", 0)
    assert late <= 1
    assert (watch.canary.requests, watch.canary.errors - late) == (FEW + 1, refused)
    assert (faults(watch.canary)["overflow"], watch.stable.requests) == (refused, 0)


def test_a_canary_that_takes_no_connection_is_refused_once_for_each_request(stand: Stand) -> None:
    async def deafen() -> tuple[Seen, Watch]:
        await stand.client.send("GET", "/deaf", 1, at_once=1)
        # The connections that it has are still open.
        await stand.client.send("POST", "/closed", 64)
        return await sent(stand, "GET", "200", FEW)

    seen, watch = asyncio.run(deafen())
    assert seen.answers == {("d0", 200): FEW}
    assert (watch.canary.requests, watch.canary.errors, faults(watch.canary)) == (FEW, FEW, {"refused": FEW})
    assert (watch.stable.requests, watch.stable.errors) == (FEW, 0)
