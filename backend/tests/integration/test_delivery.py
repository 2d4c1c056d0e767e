"""Alerts through real servers: database, worker process, webhook receiver, mail server, trace collector."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from statistics import median
from uuid import uuid4

import httpx
import pytest

from app.api.auth import issue
from app.clients.mail import MailSender, MailServer
from app.services.alert_ports import Delivery, DeliveryError
from app.services.alerting import new_secret
from tests.support import evidence
from tests.support.external import Receiver, StandIns, receiving, stand_ins, wait_for, worker
from tests.support.midnight import stay_within_a_day
from tests.support.servers import SECRET, Running, Stack, run, serving

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


def now() -> datetime:
    return datetime.now(UTC)


def person(service: Running) -> httpx.Client:
    token = issue(SECRET, uuid4(), now(), timedelta(minutes=10))
    return httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {token}"}, timeout=10)


@pytest.fixture(scope="module")
def standins(stack: Stack, night: None) -> Iterator[StandIns]:
    with stand_ins(stack.env()) as standin:
        yield standin


@pytest.fixture(scope="module")
def site(stack: Stack, standins: StandIns) -> Iterator[Running]:
    with serving(stack.env(**standins.env)) as service:
        yield service


@pytest.fixture(scope="module")
def pages(stack: Stack, standins: StandIns) -> Iterator[str]:
    with worker(stack.env(**standins.env)) as url:
        yield url


@pytest.fixture(autouse=True)
def _one_day(site: Running, pages: str) -> None:
    """A night between a fall and its evaluation would value the portfolio after the fall, and no rule would fire."""
    with person(site) as http:
        stay_within_a_day(http)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def holding(http: httpx.Client, shares: str = "100") -> str:
    body = {"name": "Main", "base_currency": "USD", "opening_cash": "100000"}
    portfolio = str(http.post("/v1/portfolios", json=body).raise_for_status().json()["portfolio_id"])
    trade(http, portfolio, "buy", shares)
    return portfolio


def trade(http: httpx.Client, portfolio: str, action: str, shares: str) -> None:
    order = {"portfolio_id": portfolio, "symbol": "AAPL", "action": action, "quantity": shares, "price": "150"}
    http.post("/v1/trades", json=order).raise_for_status()


def rule(http: httpx.Client, portfolio: str, **changes: object) -> dict[str, str]:
    body = {"portfolio_id": portfolio, "op": "<", "threshold": "-0.05", "window": "intraday"} | changes
    made = http.post("/v1/alerts", json=body)
    assert made.status_code == 201, made.text
    found: dict[str, str] = made.json()
    return found


def test_a_fall_is_delivered_by_webhook_and_mail_within_seconds(
    site: Running, pages: str, standins: StandIns, receiver: Receiver
) -> None:
    with person(site) as http:
        mailbox = f"{uuid4()}@example.org"
        portfolio = holding(http)
        made = rule(http, portfolio, webhook_url=receiver.url, emails=[mailbox])
        trade(http, portfolio, "sell", "50")
        wait_for(lambda: receiver.messages and standins.mails(mailbox), "nothing was delivered")
        wait_for(
            lambda: all(d["status"] == "delivered" for d in http.get("/v1/notifications").json()[0]["deliveries"]),
            "the deliveries are not written down",
        )
        (told,) = http.get("/v1/notifications").json()
        # The rule goes on holding and is looked at every second: the cooldown keeps it quiet.
        seen = http.get("/v1/alerts").json()[0]["last_evaluated_at"]
        wait_for(lambda: http.get("/v1/alerts").json()[0]["last_evaluated_at"] > seen, "the rule is not evaluated")
        assert len(http.get("/v1/notifications").json()) == 1
    (body,) = receiver.bodies()
    assert (body["type"], body["change"], body["portfolio_id"]) == ("alert.fired", "-0.5", portfolio)
    assert receiver.genuine(made["webhook_secret"])
    assert not receiver.genuine(new_secret())
    (mail,) = standins.mails(mailbox)
    assert "your portfolio moved by -50 %" in mail
    seconds = [d["seconds"] for d in told["deliveries"] if d["method"] != "in_app"]
    evidence.note("alert_latency_median_seconds", median(seconds))
    assert median(seconds) <= 60
    assert 'alert_delivery_duration_seconds_count{delivery_method="webhook"}' in httpx.get(f"{pages}/metrics").text


def test_a_receiver_that_is_away_is_tried_again_then_replayed_and_told_once(
    site: Running, pages: str, receiver: Receiver, stack: Stack
) -> None:
    with person(site) as http:
        made = rule(http, holding(http), webhook_url=receiver.url)
        receiver.answers = [500, 503, 500]
        http.post(f"/v1/alerts/{made['alert_id']}/test").raise_for_status()

        def hook() -> dict[str, object]:
            found = http.get("/v1/notifications").json()[0]["deliveries"]
            return next(d for d in found if d["method"] == "webhook")

        wait_for(lambda: hook()["status"] == "dead", "it does not become a dead letter", within=45)
        assert (hook()["attempts"], receiver.messages) == (3, [])
        for _ in range(2):
            assert run(stack.env(), "jobs.replay_dlq").returncode == 0
        wait_for(lambda: hook()["status"] == "delivered", "it is not replayed", within=45)
        assert run(stack.env(), "jobs.replay_dlq").returncode == 0
        assert [body["id"] for body in receiver.bodies()] == [hook()["delivery_id"]]


def test_one_trace_from_the_request_to_the_database_to_the_worker(
    site: Running, pages: str, standins: StandIns, receiver: Receiver
) -> None:
    trace_id = uuid4().hex
    with person(site) as http:
        made = rule(http, holding(http), webhook_url=receiver.url)
        header = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
        http.post(f"/v1/alerts/{made['alert_id']}/test", headers=header).raise_for_status()
        # No rule watches this one: neither its making nor the worker has cached a valuation, it has to be calculated.
        http.get(f"/v1/portfolios/{holding(http)}/valuation", headers=header).raise_for_status()
    wanted = {("dawsos-api", "http.request"), ("dawsos-api", "db.query"), ("dawsos-api", "cache.get")}
    wanted |= {("dawsos-api", "calculation"), ("dawsos-worker", "alert.deliver"), ("dawsos-worker", "db.query")}
    wait_for(
        lambda: wanted <= {(s["service"], s["name"]) for s in standins.spans(trace_id)},
        lambda: f"spans are missing: {wanted - {(s['service'], s['name']) for s in standins.spans(trace_id)}}",
    )
    spans = {s["span"]: s for s in standins.spans(trace_id)}
    requests = [s for s in spans.values() if s["name"] == "http.request"]
    assert {s["parent"] for s in requests} == {"00f067aa0ba902b7"}
    assert all(spans[s["parent"]]["name"] != "db.query" for s in spans.values() if s["parent"] in spans)


@pytest.mark.parametrize(
    ("mailbox", "final"), [("refuse-me@example.org", True), ("busy@example.org", False)], ids=["refused", "busy"]
)
async def test_what_a_mail_server_says_decides(standins: StandIns, mailbox: str, final: bool) -> None:
    delivery = Delivery(uuid4(), uuid4(), uuid4(), now().date(), None, "email", mailbox, now())
    sender = MailSender(MailServer.parse(standins.env["SMTP_URL"], "alerts@example.org"))
    with pytest.raises(DeliveryError) as failed:
        await sender.send(delivery)
    assert (failed.value.reason, failed.value.final) == ("refused", final)
    with pytest.raises(DeliveryError, match="does not answer"):
        await MailSender(MailServer.parse("smtp://127.0.0.1:1", "a@example.org")).send(delivery)


def test_quotes_come_from_the_stand_in_and_go_stale_when_it_fails(
    stack: Stack, standins: StandIns, night: None
) -> None:
    env = stack.env(**standins.env, PROVIDER_TIMEOUT="0.3")
    with serving(env) as service, person(service) as http:
        asked = datetime.now(UTC)
        quote = http.get("/v1/market/quote?symbol=MSFT")
        assert (quote.status_code, quote.json()["price"]) == (200, "338.11")
        assert (datetime.now(UTC) - asked).total_seconds() < 5
        assert http.get("/v1/market/quote?symbol=BMW.DE").json()["provider"] == "fmp"
        standins.fault("polygon", "timeout")
        standins.fault("fmp", "timeout")
        try:
            statuses = {http.get("/v1/market/quote?symbol=KO").status_code for _ in range(3)}
            assert statuses == {503}
            with ThreadPoolExecutor(4) as threads:
                started = datetime.now(UTC)
                list(threads.map(lambda _: http.get("/v1/market/quote?symbol=KO"), range(8)))
            assert (datetime.now(UTC) - started).total_seconds() < 2, "an open breaker makes nobody wait"
            assert http.get("/health/ready").json()["providers"]["polygon"] == "open"
        finally:
            standins.fault("polygon", "ok")
            standins.fault("fmp", "ok")


def test_a_pdf_of_a_portfolio(site: Running) -> None:
    with person(site) as http:
        made = http.post("/v1/exports/pdf", json={"portfolio_id": holding(http)})
    assert (made.status_code, made.content[:5]) == (200, b"%PDF-")
