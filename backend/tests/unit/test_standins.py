"""The stand-ins in process: their data, their faults, what they collect, and how they start."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest

from app.clients.mail import MailSender, MailServer
from app.services.alert_ports import Delivery, DeliveryError
from app.settings import PACKAGED_MARKET_DATA
from standins import recorded
from standins.__main__ import main
from standins.mail import MailHandler, mail_server
from standins.recorded import Inbox, Recording, create_app

QUOTE = "/polygon/v2/aggs/ticker/AAPL/prev"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def http(inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(Recording.load(), inbox))
    async with httpx.AsyncClient(transport=transport, base_url="http://s") as client:
        yield client


def test_the_recording_has_the_closes_of_the_packaged_market_data() -> None:
    """The stand-ins have a file of their own, because the service's package is not there where they run."""
    last = max(json.loads(PACKAGED_MARKET_DATA.read_text())["observations"], key=lambda o: str(o["date"]))
    recording = Recording.load()
    assert recording.at.date().isoformat() == last["date"]
    assert {symbol: str(close) for symbol, close in recording.closes.items()} == last["closes"]


async def test_every_market_data_response_says_that_it_is_recorded(http: httpx.AsyncClient) -> None:
    paths = [QUOTE, "/fmp/api/v3/quote/KO", "/fmp/api/v3/income-statement/KO"]
    paths += ["/fred/fred/series/observations?series_id=UNRATE", "/fmp/api/v3/quote/NONE"]
    answers = [await http.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [200] * 4 + [404]
    assert {answer.headers["x-recorded-data"] for answer in answers} == {"true"}
    assert (await http.get("/health")).json()["status"] == "healthy"


async def test_a_provider_fails_as_its_mode_says(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "TIMEOUT_SECONDS", 0.01)
    seen = []
    for mode in ("down", "timeout", "ok"):
        assert (await http.post("/faults", json={"provider": "polygon", "mode": mode})).status_code == 200
        seen.append(((await http.get(QUOTE)).status_code, (await http.get("/fmp/api/v3/quote/KO")).status_code))
    assert seen == [(503, 200), (503, 200), (200, 200)]
    assert (await http.post("/faults", json={"provider": "polygon", "mode": "slow"})).status_code == 422


async def test_spans_are_kept_by_trace_and_the_oldest_trace_is_dropped(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "MAX_TRACES", 2)
    for trace in ("a", "b", "c"):
        span = {"traceId": trace, "spanId": "1", "name": "job", "attributes": [_attribute("job", "build_pack")]}
        resource = {"attributes": [_attribute("service.name", "dawsos-job")]}
        document = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
        assert (await http.post("/v1/traces", json=document)).status_code == 200
    kept = {trace: (await http.get(f"/traces/{trace}")).json() for trace in ("a", "b", "c")}
    assert kept["a"] == []
    assert kept["b"] == kept["c"] != []
    (span,) = kept["c"]
    assert (span["service"], span["name"], span["attributes"]) == ("dawsos-job", "job", {"job": "build_pack"})


async def test_a_trace_is_found_as_at_jaeger(http: httpx.AsyncClient) -> None:
    span = {"traceId": "c" * 32, "spanId": "1" * 16, "name": "http.request"}
    resource = {"attributes": [_attribute("service.name", "dawsos-api"), _attribute("service.version", "abc1234")]}
    await http.post("/v1/traces", json={"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]})
    (found,) = (await http.get(f"/api/traces/{'c' * 32}")).json()["data"]
    (seen,) = found["spans"]
    assert (seen["traceID"], seen["spanID"], seen["operationName"]) == ("c" * 32, "1" * 16, "http.request")
    process = found["processes"][seen["processID"]]
    assert process["serviceName"] == "dawsos-api"
    assert process["tags"] == [{"key": "service.version", "type": "string", "value": "abc1234"}]
    unknown = await http.get(f"/api/traces/{'d' * 32}")
    assert (unknown.status_code, unknown.json()["errors"][0]["msg"]) == (404, "trace not found")


def _attribute(key: str, value: str) -> dict[str, object]:
    return {"key": key, "value": {"stringValue": value}}


async def test_mails_arrive_and_a_mailbox_may_refuse_them(http: httpx.AsyncClient, inbox: Inbox) -> None:
    """Over a real connection: the SMTP client of the service sends to the stand-in's server."""
    async with mail_server(MailHandler(inbox.mails), "127.0.0.1", 0) as port:
        sender = MailSender(MailServer.parse(f"smtp://127.0.0.1:{port}", "alerts@example.org"))
        await sender.send(_delivery("anna@example.org"))
        refused = []
        for mailbox in ("refuse@example.org", "busy@example.org"):
            with pytest.raises(DeliveryError) as error:
                await sender.send(_delivery(mailbox))
            refused.append((error.value.reason, error.value.final))
    assert refused == [("refused", True), ("refused", False)]
    (mail,) = (await http.get("/mail")).json()
    assert (mail["to"], mail["from"]) == ("anna@example.org", "alerts@example.org")
    assert "Subject: DawsOS test message" in mail["message"]
    with pytest.raises(DeliveryError) as gone:
        await sender.send(_delivery("anna@example.org"))
    assert (gone.value.reason, gone.value.final) == ("unreachable", False)


def _delivery(recipient: str) -> Delivery:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    return Delivery(uuid4(), uuid4(), uuid4(), now.date(), None, "email", recipient, now)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({}, "STANDIN_PORT must be a port number from 1 to 65535, not ''"),
        ({"STANDIN_PORT": "8002", "MAIL_PORT": "0"}, "MAIL_PORT must be a port number from 1 to 65535, not '0'"),
        ({"STANDIN_PORT": "70000", "MAIL_PORT": "1"}, "STANDIN_PORT must be"),
    ],
)
def test_a_wrong_port_is_named_and_exits_2(
    env: dict[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(env) == 2
    assert message in capsys.readouterr().err


async def test_a_webhook_receiver_keeps_what_it_was_sent_byte_by_byte(http: httpx.AsyncClient) -> None:
    assert (await http.get("/hooks/a")).json() == []
    sent = b'{"a": 1}\n \xff'
    assert (await http.post("/hooks/a", content=sent, headers={"Webhook-Id": "7"})).status_code == 200
    (message,) = (await http.get("/hooks/a")).json()
    assert base64.b64decode(message["body"]) == sent
    assert message["headers"]["webhook-id"] == "7"
    assert (await http.get("/hooks/b")).json() == []


async def test_a_receiver_drops_the_oldest_message_and_the_inbox_the_oldest_receiver(
    http: httpx.AsyncClient, inbox: Inbox
) -> None:
    for number in range(recorded.MAX_MESSAGES + 1):
        inbox.add_message("busy", {}, str(number).encode())
    kept = (await http.get("/hooks/busy")).json()
    assert (len(kept), base64.b64decode(kept[0]["body"])) == (recorded.MAX_MESSAGES, b"1")
    for number in range(recorded.MAX_HOOKS):
        inbox.add_message(f"other-{number}", {}, b"")
    assert (await http.get("/hooks/busy")).json() == []
