"""Providers: adapters against the recorded stand-in (in process), resilience, and where an answer comes from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.clients.providers import Fmp, Fred, Polygon
from app.core.errors import NotFoundError
from app.services.market import MarketService
from app.services.provider_ports import Endpoint, ProviderError, ProviderUnavailableError
from app.services.resilience import CallPolicy, ResilientProvider
from standins.recorded import Inbox, Recording, create_app
from tests.support.memory import World
from tests.support.memory_clients import MemoryProvider


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def client(inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(Recording.load(), inbox))
    async with httpx.AsyncClient(transport=transport) as made:
        yield made


async def test_the_adapters_read_what_the_stand_in_recorded(client: httpx.AsyncClient) -> None:
    polygon, fmp = Polygon(client, "http://s/polygon", "k"), Fmp(client, "http://s/fmp/", "k")
    assert (await polygon.quote("AAPL")).price == Decimal("170.77")
    assert (await fmp.quote("BMW.DE")).price == Decimal("87.66")
    assert [s.fiscal_year for s in (await fmp.fundamentals("KO")).statements] == [2023, 2022, 2021]
    series = await Fred(client, "http://s/fred", "k").series("UNRATE")
    assert (date(2020, 4, 1), Decimal("14.7")) in series.observations


async def test_what_a_provider_does_not_know_or_offer_has_its_own_reason(client: httpx.AsyncClient) -> None:
    polygon, fmp, fred = (
        made(client, f"http://s/{name}", "") for made, name in ((Polygon, "polygon"), (Fmp, "fmp"), (Fred, "fred"))
    )
    asked = [polygon.quote("BMW.DE"), fmp.quote("NONE"), fmp.fundamentals("NONE"), fred.series("NONE")]
    asked += [fred.quote("AAPL"), polygon.fundamentals("AAPL"), polygon.series("UNRATE")]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [error.reason for error in found if isinstance(error, ProviderError)] == ["unknown"] * 4 + [
        "unsupported"
    ] * 3


def answering(reply: httpx.Response | Exception) -> httpx.AsyncClient:
    def handler(_: httpx.Request) -> httpx.Response:
        if isinstance(reply, Exception):
            raise reply
        return reply

    return httpx.AsyncClient(transport=httpx.MockTransport(handler))


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (httpx.Response(500), "status"),
        (httpx.Response(429), "limited"),
        (httpx.Response(200, text="<html>"), "malformed"),
        (httpx.Response(200, json={"results": []}), "malformed"),
        (httpx.Response(200, json={"results": [{"c": -1, "v": 1, "t": 1}]}), "malformed"),
        (httpx.Response(200, text='{"results": [{"c": NaN, "v": 1, "t": 1}]}'), "malformed"),
        (httpx.Response(200, json={"results": [{"c": 1, "v": 1, "t": 10**30}]}), "malformed"),
        (httpx.Response(200, json={"results": [{"c": 1, "v": 1, "t": 10**20}]}), "malformed"),
        (httpx.ConnectError("refused"), "unreachable"),
        (httpx.ReadTimeout("slow"), "timeout"),
    ],
    ids=["500", "429", "html", "empty", "negative", "nan", "far future", "no calendar", "refused", "slow"],
)
async def test_every_way_to_fail_has_a_name(reply: httpx.Response | Exception, reason: str) -> None:
    async with answering(reply) as client:
        with pytest.raises(ProviderError) as failed:
            await Polygon(client, "http://p", "k").quote("AAPL")
    assert failed.value.reason == reason


async def test_no_statement_is_malformed() -> None:
    async with answering(httpx.Response(200, json=[])) as client:
        with pytest.raises(ProviderError, match="unreadable"):
            await Fmp(client, "http://p", "k").fundamentals("AAPL")


async def test_the_stand_in_fails_when_told(client: httpx.AsyncClient) -> None:
    assert (await client.post("http://s/faults", json={"provider": "polygon", "mode": "no"})).status_code == 422
    await client.post("http://s/faults", json={"provider": "polygon", "mode": "down"})
    with pytest.raises(ProviderError, match="503"):
        await Polygon(client, "http://s/polygon", "k").quote("AAPL")
    await client.post("http://s/faults", json={"provider": "polygon", "mode": "timeout"})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await Polygon(client, "http://s/polygon", "k").quote("AAPL")
    await client.post("http://s/faults", json={"provider": "polygon", "mode": "ok"})
    assert (await Polygon(client, "http://s/polygon", "k").quote("AAPL")).volume > 0
    assert (await client.get("http://s/health")).json()["data"] == "recorded"


async def test_the_stand_in_keeps_traces_and_mails(client: httpx.AsyncClient, inbox: Inbox) -> None:
    span = {"traceId": "t1", "spanId": "s1", "name": "job", "attributes": [{"key": "k", "value": {"stringValue": "v"}}]}
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "dawsos-api"}}]}
    document: dict[str, Any] = {"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": [span]}]}]}
    await client.post("http://s/v1/traces", json=document)
    (kept,) = (await client.get("http://s/traces/t1")).json()
    assert (kept["service"], kept["name"], kept["attributes"]) == ("dawsos-api", "job", {"k": "v"})
    for number in range(1050):
        inbox.add_spans({"resourceSpans": [{"scopeSpans": [{"spans": [span | {"traceId": f"n{number}"}]}]}]})
    assert (len(inbox.traces), (await client.get("http://s/traces/t1")).json()) == (1000, [])
    assert (await client.get("http://s/mail")).json() == []


class Meter:
    """services.provider_ports.ProviderMeter that remembers."""

    def __init__(self) -> None:
        self.statuses: list[str] = []
        self.gauges: list[int] = []

    def called(self, provider: str, endpoint: Endpoint, status: str, seconds: float) -> None:
        self.statuses.append(status)

    def breaker(self, provider: str, gauge: int) -> None:
        self.gauges.append(gauge)


class Bench:
    """A resilient provider over one that fails as told, in virtual time."""

    def __init__(self, per_minute: float = 6000.0) -> None:
        self.now, self.waits, self.meter = 0.0, [], Meter()  # type: ignore[var-annotated]
        self.provider = MemoryProvider()
        self.provider.per_minute = per_minute
        policy = CallPolicy(lambda: self.now, self.sleep, lambda: 1.0, timeout=0.05)
        self.resilient = ResilientProvider(self.provider, policy, self.meter)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    async def quote(self, tries: int = 1) -> str:
        try:
            await self.resilient.call("quote", lambda: self.provider.quote("AAPL"), tries)
        except ProviderError as error:
            return error.reason
        return "ok"


async def test_three_timeouts_open_the_breaker_and_then_nobody_waits() -> None:
    bench = Bench()

    async def never() -> str:
        await asyncio.sleep(60)
        return "never"

    for _ in range(3):
        with pytest.raises(ProviderError, match="did not answer in"):
            await bench.resilient.call("quote", never)
    assert bench.resilient.state == "open"
    assert await bench.quote() == "open"
    assert bench.meter.statuses == ["timeout"] * 3 + ["open"]
    assert bench.provider.calls == 0


async def test_a_minute_later_one_probe_closes_it() -> None:
    bench = Bench()
    bench.provider.failure = ProviderError("status", "500")
    assert [await bench.quote() for _ in range(4)] == ["status"] * 3 + ["open"]
    bench.now += 60
    bench.resilient.update_gauge()
    bench.provider.failure = None
    assert [await bench.quote() for _ in range(2)] == ["ok", "ok"]
    assert [g for i, g in enumerate(bench.meter.gauges) if i == 0 or g != bench.meter.gauges[i - 1]] == [0, 1, 2, 0]


async def test_retries_wait_longer_each_time_with_jitter() -> None:
    bench = Bench()
    bench.provider.failure = ProviderError("unreachable", "no")
    assert await bench.quote(tries=3) == "unreachable"
    assert bench.waits == [1.2, 2.4]


async def test_an_answer_that_says_no_is_not_retried_and_no_failure() -> None:
    bench = Bench()
    bench.provider.failure = ProviderError("unknown", "no such symbol")
    assert [await bench.quote(tries=3) for _ in range(5)] == ["unknown"] * 5
    assert (bench.resilient.state, bench.waits) == ("closed", [])


async def test_the_rate_limit_is_ours_and_not_the_providers_failure() -> None:
    bench = Bench(per_minute=1)
    assert [await bench.quote() for _ in range(12)] == ["ok"] * 10 + ["limited"] * 2
    assert bench.resilient.state == "closed"
    bench.now += 60
    assert await bench.quote() == "ok"


async def test_a_caller_who_goes_away_leaves_the_probe_free() -> None:
    bench = Bench()
    bench.provider.failure = ProviderError("status", "500")
    for _ in range(3):
        await bench.quote()
    bench.now += 60

    async def gone() -> str:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await bench.resilient.call("quote", gone)
    bench.provider.failure = None
    assert await bench.quote() == "ok"


@pytest.fixture
def world() -> World:
    return World()


def down(world: World, reason: Any = "unreachable") -> None:
    world.provider.failure = ProviderError(reason, "polygon cannot be reached")


async def test_a_quote_is_remembered_for_a_moment(world: World) -> None:
    first, second = [await world.market.quote("AAPL") for _ in range(2)]
    assert (first.value, first.stale, world.provider.calls) == (second.value, False, 1)
    world.now += 16
    assert (await world.market.quote("AAPL")).stale is False
    assert world.provider.calls == 2


async def test_without_the_provider_the_last_quote_is_served_as_stale_for_a_day(world: World) -> None:
    await world.market.quote("AAPL")
    down(world)
    world.now += 3600
    stale = await world.market.quote("AAPL")
    assert (stale.stale, stale.provider, stale.value.price) == (True, "polygon", Decimal("170.77"))
    world.now += 23 * 3600 + 1
    with pytest.raises(ProviderUnavailableError, match="polygon cannot be reached"):
        await world.market.quote("AAPL")


async def test_without_provider_and_cache_memory_still_serves(world: World) -> None:
    await world.market.quote("AAPL")
    down(world)
    world.raw_cache.down = True
    world.now += 60
    assert (await world.market.quote("AAPL")).stale is True


async def test_the_second_provider_answers_when_nothing_is_remembered(world: World) -> None:
    policy = CallPolicy(lambda: world.now, world.sleep)
    second = ResilientProvider(MemoryProvider("fmp"), policy, Meter())
    market = MarketService([*world.market._providers, second], world.cache, world.wall)
    down(world)
    assert (await market.quote("AAPL")).provider == "fmp"
    assert world.provider.calls == 2, "with nothing to fall back on the first provider gets a retry"


async def test_an_unknown_symbol_is_not_found_and_no_provider_is_unavailable(world: World) -> None:
    with pytest.raises(NotFoundError):
        await world.market.quote("NONE")
    with pytest.raises(ProviderUnavailableError, match="no provider offers this"):
        await MarketService([], world.cache, world.wall).quote("AAPL")


Ask = Callable[[MarketService], Any]


@pytest.mark.parametrize(
    "ask", [lambda m: m.fundamentals("AAPL"), lambda m: m.series("UNRATE")], ids=["fundamentals", "series"]
)
async def test_statements_and_series_survive_the_cache(world: World, ask: Ask) -> None:
    assert (await ask(world.market)).value == (await ask(world.market)).value
    assert world.provider.calls == 1


async def test_the_number_of_local_answers_is_limited(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.market.MAX_LOCAL_ANSWERS", 1)
    await world.market.quote("AAPL")
    await world.market.series("UNRATE")
    assert list(world.market._local) == ["market:series:UNRATE"]
