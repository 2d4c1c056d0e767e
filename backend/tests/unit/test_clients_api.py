"""The HTTP surface of alerts, quotes and exports; tracing; the worker's pages; settings of the clients."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app import worker
from app.api import auth
from app.api.factory import create_app
from app.clients.mail import MailSender, MailServer, message_of
from app.clients.webhook import WebhookSender, body_of
from app.core.rights import Right
from app.services.alert_ports import Delivery, DeliveryError
from app.services.nightly import run_night
from app.services.pdf import Sheet, render
from app.services.provider_ports import ProviderError
from app.services.tracing import current_traceparent, from_traceparent, query_span, span
from app.settings import ClientSettings, Listen, Settings, SettingsError
from tests.support.external import receiving
from tests.support.memory import SECRET, World
from tests.support.servers import BACKEND, free_port

ANNA, BEN = uuid4(), uuid4()
HOOK = "https://example.org/hook"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def token(user: UUID) -> dict[str, str]:
    return {"Authorization": "Bearer " + auth.issue(SECRET, user, datetime.now(UTC), timedelta(minutes=5))}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(world.settings, world.connect)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://t", headers=token(ANNA)) as client,
    ):
        await run_night(world.services.night(date(2026, 11, 24)))
        yield client


async def portfolio(http: httpx.AsyncClient) -> str:
    made = await http.post("/v1/portfolios", json={"name": "M & <b>", "base_currency": "USD", "opening_cash": "100000"})
    assert made.status_code == 201, made.text
    return str(made.json()["portfolio_id"])


async def trade(http: httpx.AsyncClient, of: str, symbol: str = "AAPL") -> None:
    body = {"portfolio_id": of, "symbol": symbol, "action": "buy", "quantity": "1", "price": "100"}
    made = await http.post("/v1/trades", json=body)
    assert made.status_code == 201, made.text


def alert(of: str, **changes: Any) -> dict[str, Any]:
    return {"portfolio_id": of, "op": "<", "threshold": "-0.05", "window": "intraday"} | changes


async def test_an_alert_is_made_listed_tested_and_removed(http: httpx.AsyncClient) -> None:
    of = await portfolio(http)
    made = await http.post("/v1/alerts", json=alert(of, webhook_url=HOOK, emails=["a@example.org"]))
    assert made.status_code == 201, made.text
    assert made.json()["webhook_secret"].startswith("whsec_")
    (listed,) = (await http.get("/v1/alerts")).json()
    assert "webhook_secret" not in listed
    assert (listed["alert_id"], listed["threshold"], listed["cooldown_minutes"]) == (
        made.json()["alert_id"],
        "-0.05",
        15,
    )
    path = f"/v1/alerts/{listed['alert_id']}"
    assert (await http.post(f"{path}/test")).status_code == 202
    (told,) = (await http.get("/v1/notifications?limit=5")).json()
    assert (told["change"], {d["method"] for d in told["deliveries"]}) == (None, {"in_app", "webhook", "email"})
    assert [(await http.delete(path)).status_code for _ in range(2)] == [204, 404]


async def test_too_many_tests_are_429_and_say_when_there_may_be_another(http: httpx.AsyncClient) -> None:
    made = (await http.post("/v1/alerts", json=alert(await portfolio(http), emails=["a@example.org"]))).json()
    answers = [await http.post(f"/v1/alerts/{made['alert_id']}/test") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429]
    refused = answers[-1]
    assert refused.headers["content-type"] == "application/problem+json"
    assert "5 test messages an hour" in refused.json()["detail"]
    assert 3500 < int(refused.headers["retry-after"]) <= 3600
    assert len((await http.get("/v1/notifications")).json()) == 5


async def test_what_belongs_to_anna_does_not_exist_for_ben(http: httpx.AsyncClient) -> None:
    of = await portfolio(http)
    made = (await http.post("/v1/alerts", json=alert(of))).json()
    foreign = [
        await http.post("/v1/alerts", json=alert(of), headers=token(BEN)),
        await http.delete(f"/v1/alerts/{made['alert_id']}", headers=token(BEN)),
        await http.post(f"/v1/alerts/{made['alert_id']}/test", headers=token(BEN)),
        await http.post("/v1/exports/pdf", json={"portfolio_id": of}, headers=token(BEN)),
    ]
    assert [answer.status_code for answer in foreign] == [404] * 4
    assert (await http.get("/v1/alerts", headers=token(BEN))).json() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"op": "=="},
        {"threshold": "NaN"},
        {"threshold": "-1.5"},
        {"cooldown_minutes": 0},
        {"webhook_url": "ftp://example.org"},
        {"emails": ["a@example.org\r\nBcc: b@example.org"]},
        {"emails": ["Anna <a@example.org>"]},
        {"emails": ["a@example.org"] * 6},
        {"emails": ["=?utf-8?q?x=40evil.org?=@example.org"]},
        {"emails": ["=?utf-8?q??=@example.org"]},
        {"surprise": 1},
    ],
    ids=[
        "op",
        "nan",
        "below -1",
        "cooldown",
        "scheme",
        "line break",
        "display name",
        "many",
        "encoded",
        "empty code",
        "unknown",
    ],
)
async def test_a_bad_rule_is_422(http: httpx.AsyncClient, changes: dict[str, Any]) -> None:
    assert (await http.post("/v1/alerts", json=alert(await portfolio(http), **changes))).status_code == 422


async def test_a_quote_and_its_staleness(http: httpx.AsyncClient, world: World) -> None:
    fresh = await http.get("/v1/market/quote?symbol=AAPL")
    assert (fresh.json()["price"], fresh.json()["volume"], fresh.json()["stale"]) == ("170.77", 1000, False)
    assert "x-data-stale" not in fresh.headers
    world.provider.failure = ProviderError("timeout", "polygon did not answer")
    world.now += 60
    stale = await http.get("/v1/market/quote?symbol=AAPL")
    assert (stale.status_code, stale.json()["stale"], stale.headers["x-data-stale"]) == (200, True, "true")
    gone = await http.get("/v1/market/quote?symbol=KO")
    assert (gone.status_code, "polygon" in gone.json()["detail"]) == (503, True)
    assert (await http.get("/v1/market/quote?symbol=a/b")).status_code == 422


async def test_metrics_and_readiness_show_the_breaker(http: httpx.AsyncClient, world: World) -> None:
    world.provider.failure = ProviderError("status", "500")
    for _ in range(2):
        await http.get("/v1/market/quote?symbol=AAPL")
    assert (await http.get("/health/ready")).json()["providers"] == {"polygon": "open"}
    text = (await http.get("/metrics")).text
    assert 'circuit_breaker_state{provider="polygon"} 1.0' in text
    assert 'provider_requests_total{endpoint="quote",provider="polygon",status="status"} 3.0' in text
    assert "provider_latency_seconds_bucket" in text


async def test_a_pdf_is_made_where_rights_allow_it(http: httpx.AsyncClient) -> None:
    of = await portfolio(http)
    await trade(http, of)
    made = await http.post("/v1/exports/pdf", json={"portfolio_id": of})
    assert (made.status_code, made.headers["content-type"], made.content[:5]) == (200, "application/pdf", b"%PDF-")


async def test_an_export_is_refused_with_the_reason(http: httpx.AsyncClient, world: World) -> None:
    of = await portfolio(http)
    await trade(http, of)
    world.rights.known["fixture"] = Right("fixture", False, False, "")
    refused = await http.post("/v1/exports/pdf", json={"portfolio_id": of})
    assert (refused.status_code, "does not allow PDF" in refused.json()["detail"]) == (403, True)
    del world.rights.known["fixture"]
    assert "unknown means no" in (await http.post("/v1/exports/pdf", json={"portfolio_id": of})).json()["detail"]


def test_the_same_sheet_gives_the_same_bytes() -> None:
    row = ("AAPL", "1", "2", "USD", "1", "2")
    sheet = Sheet("<A & B>", "USD", "2026-11-24", "PP-1", "ab", True, (row,) * 80, "160", ("line",))
    assert render(sheet) == render(sheet) != render(replace(sheet, total="161"))


@pytest.fixture(scope="module")
def exporter() -> Iterator[InMemorySpanExporter]:
    """The provider can be set once per process, so it stays; only this module reads it."""
    made = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(made))
    trace.set_tracer_provider(provider)
    yield made
    made.shutdown()


def spans(exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    found = [s for s in exporter.get_finished_spans() if s.context and f"{s.context.trace_id:032x}" == TRACE]
    exporter.clear()
    return found


async def test_a_request_is_part_of_its_callers_trace(http: httpx.AsyncClient, exporter: InMemorySpanExporter) -> None:
    of = await portfolio(http)
    await trade(http, of)
    exporter.clear()
    await http.get(f"/v1/portfolios/{of}/valuation", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    found = spans(exporter)
    (request,) = [s for s in found if s.name == "http.request"]
    assert request.attributes is not None
    assert request.attributes["http.route"] == "/v1/portfolios/{portfolio_id}/valuation"
    assert request.attributes["http.response.status_code"] == 200
    assert {"cache.get", "calculation"} <= {s.name for s in found}
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert request.context is not None
    parents = {s.context.span_id: s.parent.span_id if s.parent else None for s in found if s.context}
    for name in ("cache.get", "calculation"):
        at = next(s.context.span_id for s in found if s.name == name and s.context)
        # The framework may have spans of its own in between.
        while at != request.context.span_id:
            above = parents.get(at)
            assert above is not None, f"{name} does not descend from http.request"
            at = above


async def test_a_failing_request_is_marked(
    http: httpx.AsyncClient, world: World, exporter: InMemorySpanExporter
) -> None:
    world.probe.down = True
    await http.get("/health/ready", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    (request,) = [s for s in spans(exporter) if s.name == "http.request"]
    assert request.status.status_code is trace.StatusCode.ERROR


async def test_a_delivery_belongs_to_the_trace_of_the_request(
    http: httpx.AsyncClient, world: World, exporter: InMemorySpanExporter
) -> None:
    of = await portfolio(http)
    made = (await http.post("/v1/alerts", json=alert(of, webhook_url=HOOK))).json()
    exporter.clear()
    header = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    await http.post(f"/v1/alerts/{made['alert_id']}/test", headers=header)
    await world.deliveries.deliver(ANNA)
    assert {"http.request", "alert.deliver"} <= {s.name for s in spans(exporter)}


def test_spans_of_queries_and_stored_parents(exporter: InMemorySpanExporter) -> None:
    exporter.clear()
    with from_traceparent(f"00-{TRACE}-00f067aa0ba902b7-01"), span("job", job="x"):
        assert (current_traceparent() or "").startswith(f"00-{TRACE}")
        query_span("SELECT  1", 0.5, None)
        query_span("SELECT 2", 0.1, ValueError("no"))
    one, two, _ = spans(exporter)
    assert one.attributes is not None
    assert one.end_time is not None
    assert one.start_time is not None
    assert (one.attributes["db.query.text"], round((one.end_time - one.start_time) / 1e9, 3)) == ("SELECT 1", 0.5)
    assert two.status.status_code is trace.StatusCode.ERROR
    with from_traceparent(None):
        assert current_traceparent() is None


LOOPS = ("deliver_forever", "evaluate_forever", "replay_forever", "nights_forever")
TRACED_JOB = """
import os
from app import tracing
from app.services.tracing import span
from app.settings import ClientSettings, Settings
stop = tracing.configure(Settings("d", "r", "s" * 32, clients=ClientSettings.from_env(os.environ)), "job")
with span("job", job="build_pack") as opened:
    print(opened.is_recording())
stop()
"""


@pytest.mark.parametrize("configured", [True, False], ids=["address", "no address"])
def test_spans_are_exported_to_the_address_and_only_with_one(configured: bool) -> None:
    """In a process of its own: a process can set its tracer provider only once."""
    with receiving() as collector:
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(BACKEND)}
        if configured:
            env["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url.removesuffix("/hook")
        command = [sys.executable, "-c", TRACED_JOB]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.returncode) == (f"{configured}\n", 0), done.stderr
    exported = [resource for body in collector.bodies() for resource in body["resourceSpans"]]
    assert len(exported) == configured
    for resource in exported:
        service = {"key": "service.name", "value": {"stringValue": "dawsos-job"}}
        assert service in resource["resource"]["attributes"]
        assert [span["name"] for scope in resource["scopeSpans"] for span in scope["spans"]] == ["job"]


async def test_the_workers_pages(world: World) -> None:
    ended: list[int] = []
    app = worker.create_worker(world.settings, lambda: ended.append(1), world.connect)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as http:
        # The loops meet a database that is not there and wait for it.
        assert (await http.get("/health/ready")).json()["status"] == "ready"
        assert "alert_delivery_success_total" in (await http.get("/metrics")).text
        world.probe.down = True
        assert (await http.get("/health/ready")).status_code == 503
        world.probe.down = False
        app.state.tasks[0].cancel()
        await asyncio.wait(app.state.tasks[:1], timeout=1)
        broken = await http.get("/health/ready")
        assert (broken.status_code, broken.json()["broken"]) == (503, ["deliver_forever"])
    assert {name: type(end) for name, end in app.state.ends.items()} == dict.fromkeys(LOOPS, asyncio.CancelledError)
    assert ended == [], "a cancelled loop has not ended by itself"


async def test_a_loop_that_ends_by_itself_is_reported_and_stops_the_worker(world: World) -> None:
    ended = asyncio.Event()
    world.tenants.users = broken  # type: ignore[method-assign]
    app = worker.create_worker(world.settings, ended.set, world.connect)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as http:
        await asyncio.wait_for(ended.wait(), 5)
        answer = await http.get("/health/ready")
    assert (answer.status_code, answer.json()["broken"]) == (503, ["evaluate_forever"])
    assert repr(app.state.ends["evaluate_forever"]) == "KeyError('bug')"
    assert isinstance(app.state.ends["nights_forever"], asyncio.CancelledError)


async def broken() -> list[UUID]:
    raise KeyError("bug")


async def test_a_worker_whose_loop_ends_at_once_exits_1_with_the_reason(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.tenants.users = broken  # type: ignore[method-assign]
    monkeypatch.setattr(worker, "connect", world.connect)
    assert await asyncio.wait_for(worker.serve(world.settings, Listen("127.0.0.1", free_port())), 10) == 1
    assert "the worker's loop evaluate_forever ended: KeyError('bug')" in capsys.readouterr().err


def test_a_worker_without_a_port_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    env = {"DATABASE_URL": "d", "REDIS_URL": "r", "JWT_SECRET": SECRET}
    assert worker.main(env) == 2
    assert "WORKER_PORT is not set" in capsys.readouterr().err


def test_settings_of_the_clients() -> None:
    found = ClientSettings.from_env(
        {"PROVIDERS_URL": "http://s/", "FRED_URL": "http://f", "WEBHOOK_NETWORKS": "127.0.0.0/8, ::1/128"}
    )
    assert found.provider_urls == {"polygon": "http://s/polygon", "fmp": "http://s/fmp", "fred": "http://f"}
    assert [str(network) for network in found.webhook_networks] == ["127.0.0.0/8", "::1/128"]
    assert ClientSettings.from_env({}).provider_urls == {}


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"ALERT_INTERVAL": "soon"}, "ALERT_INTERVAL must be a number of seconds"),
        ({"PROVIDER_TIMEOUT": "0"}, "PROVIDER_TIMEOUT"),
        ({"SMTP_URL": "http://x"}, "SMTP_URL must be smtp://"),
        ({"WEBHOOK_NETWORKS": "localhost"}, "WEBHOOK_NETWORKS"),
    ],
)
def test_bad_settings_say_which_and_how(env: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ClientSettings.from_env(env)


def test_messages_name_the_change_and_carry_the_deliverys_id() -> None:
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    sent = Delivery(uuid4(), uuid4(), uuid4(), at.date(), Decimal("-0.10000000"), "email", "a@example.org", at)
    message = message_of(sent, "alerts@example.org")
    assert message["Subject"] == "DawsOS: your portfolio moved by -10 %"
    assert message["Message-ID"] == f"<{sent.id}@dawsos.invalid>"
    assert b'"change":"-0.1"' in body_of(sent)
    assert "test message" in message_of(replace(sent, change=None), "x@example.org")["Subject"]
    assert b'"type":"alert.test"' in body_of(replace(sent, change=None))


def test_mail_servers_are_read_from_an_address() -> None:
    assert MailServer.parse("smtp://h", "s").port == 25
    found = MailServer.parse("smtps://u%40x:p%3A@h:2465", "s")
    assert (found.port, found.user, found.password, found.tls) == (2465, "u@x", "p:", True)
    with pytest.raises(ValueError, match="smtp://"):
        MailServer.parse("http://h", "s")


def message(recipient: str) -> Delivery:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    return Delivery(uuid4(), uuid4(), uuid4(), now.date(), None, "webhook", recipient, now, secret="whsec_AAAA")


async def sent(recipient: str, handler: Any = lambda _: httpx.Response(204)) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
        await WebhookSender(client, lambda: datetime.now(UTC)).send(message(recipient))


@pytest.mark.parametrize("host", ["a" * 64 + ".example.org", "a..example.org"], ids=["long label", "empty label"])
async def test_a_name_that_no_resolver_takes_is_a_failed_delivery_and_no_crash(host: str) -> None:
    with pytest.raises(DeliveryError) as refused:
        await sent(f"https://{host}/")
    assert refused.value.reason == "unresolved"


@pytest.mark.parametrize(
    "host",
    ["[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[fec0::1]", "224.0.0.1"],
    ids=["translated loopback", "translated metadata", "6to4 loopback", "6to4 private", "site", "multicast"],
)
async def test_an_address_that_stands_for_an_inner_one_is_forbidden(host: str) -> None:
    with pytest.raises(DeliveryError) as refused:
        await sent(f"http://{host}/")
    assert (refused.value.reason, refused.value.final) == ("forbidden", True)


@pytest.mark.parametrize(
    "host", ["93.184.216.34", "[2606:2800:220:1::1]", "[64:ff9b::5db8:d822]", "[2002:5db8:d822::]"]
)
async def test_an_address_of_the_public_internet_is_reached(host: str) -> None:
    seen: list[httpx.Request] = []

    def receive(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(204)

    await sent(f"http://{host}/", receive)
    (request,) = seen
    assert (request.method, request.url.host, request.headers["host"]) == ("POST", host.strip("[]"), host)


async def test_a_receiver_that_answers_without_end_is_not_read_to_its_end() -> None:
    read = answered = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            assert read < 100, "the client reads a body that it does not need"
            yield b"x" * 1024

    def receive(_: httpx.Request) -> httpx.Response:
        nonlocal answered
        answered += 1
        return httpx.Response(200, content=endless())

    await sent("http://93.184.216.34/", receive)
    assert answered == 1


async def test_the_whole_exchange_with_a_receiver_has_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.clients.webhook.TIMEOUT_SECONDS", 0.05)

    async def dripping(_: httpx.Request) -> httpx.Response:
        # Each byte is in time, so no limit of a single read ends this.
        await asyncio.sleep(30)
        return httpx.Response(200)

    with pytest.raises(DeliveryError) as refused:
        await sent("http://93.184.216.34/", dripping)
    assert refused.value.reason == "timeout"


@pytest.mark.parametrize("local", ["=?utf-8?q??=", "=?utf-8?q?=0a?="], ids=["empty code", "line break"])
async def test_an_address_that_makes_no_message_is_a_failed_delivery_and_no_crash(local: str) -> None:
    """A rule made before such addresses were refused must not end the worker, again and again."""
    sender = MailSender(MailServer("127.0.0.1", 1, None, None, tls=False, sender="alerts@example.org"))
    with pytest.raises(DeliveryError) as refused:
        await sender.send(message(f"{local}@example.org"))
    assert (refused.value.reason, refused.value.final) == ("address", True)


async def test_a_pack_id_that_no_database_can_hold_is_422(http: httpx.AsyncClient) -> None:
    wanted = {"portfolio_id": await portfolio(http), "pricing_pack_id": "PP\x00"}
    assert (await http.post("/v1/exports/pdf", json=wanted)).status_code == 422
    assert (await http.post("/v1/exports/pdf", json=wanted | {"pricing_pack_id": "PP-unknown"})).status_code == 404


async def test_a_name_of_pictures_is_reached_by_its_ascii_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """IDNA 2008 does not know such names, browsers and registries do; the client's own decoding of them raises."""
    asked: list[str] = []
    seen: list[httpx.Request] = []

    async def resolve(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(None, None, None, "", ("93.184.216.34", 443))]

    def receive(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(204)

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    await sent("https://xn--158h.example/", receive)
    assert asked == ["xn--158h.example"]
    assert (seen[0].url.host, seen[0].headers["host"]) == ("93.184.216.34", "xn--158h.example")
    assert seen[0].extensions["sni_hostname"] == "xn--158h.example"


@pytest.mark.parametrize("name", ["REDIS_URL", "SMTP_URL"])
@pytest.mark.parametrize("host", ["h", "[h"], ids=["port", "bracket"])
def test_an_address_that_cannot_be_read_is_named_and_not_shown(name: str, host: str) -> None:
    """An unescaped slash makes the beginning of a password look like a port, and the library's message repeats it."""
    env = {"DATABASE_URL": "d", "REDIS_URL": "r", "JWT_SECRET": SECRET}
    scheme = "redis" if name == "REDIS_URL" else "smtps"
    with pytest.raises(SettingsError, match=f"{name} is not an address") as refused:
        Settings.from_env(env | {name: f"{scheme}://user" + ":" + "sesame/open@" + host})
    assert "sesame" not in f"{refused.value} {refused.value.__cause__}"
    assert refused.value.__suppress_context__
