"""Alerts, providers, exports and traces (020-024, 031, 032, 042, 045), with the stand-ins of external services.

STANDIN_PORT is where the environment's recorded data, mailbox and trace collector are. Quotes come first and broken
providers last: a breaker that was opened stays open for a minute.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.support.external import Hook, StandIns, wait_for
from tests.uat.world import opened, order, required, seen

uat = pytest.mark.uat
SECONDS_OF_A_BREAKER = 75.0


@pytest.fixture(scope="module")
def standins() -> StandIns:
    return StandIns(f"http://127.0.0.1:{required('STANDIN_PORT')}", {})


@pytest.fixture
def receiver(standins: StandIns) -> Hook:
    """A receiver that the service can reach wherever it runs: it knows the stand-ins by the address of a provider."""
    name = str(uuid4())
    outside = required("POLYGON_URL").removesuffix("/polygon")
    return Hook(standins, name, f"{outside}/hooks/{name}")


@pytest.fixture
def broken(standins: StandIns) -> Iterator[Callable[[str], None]]:
    """Breaks all providers of quotes in one way; mended afterwards."""

    def break_all(mode: str) -> None:
        for provider in ("polygon", "fmp"):
            standins.fault(provider, mode)

    yield break_all
    break_all("ok")


def watched(client: httpx.Client, **rule: Any) -> tuple[str, dict[str, Any]]:
    """A portfolio of 100 AAPL with a rule for a fall of five percent within the day."""
    portfolio = opened(client, opening_cash="100000")
    assert order(client, portfolio, "buy", "100", "AAPL").status_code == 201
    body = {"portfolio_id": portfolio, "op": "<", "threshold": "-0.05", "window": "intraday", **rule}
    made = client.post("/v1/alerts", json=body)
    assert made.status_code == 201, made.text
    return portfolio, made.json()


def sent(client: httpx.Client) -> list[dict[str, Any]]:
    """Every message of every notification."""
    return [message for told in seen(client, "notifications") for message in told["deliveries"]]


def delivered(client: httpx.Client, count: int) -> bool:
    """Whether so many messages were made and all arrived."""
    messages = sent(client)
    return len(messages) == count and all(message["status"] == "delivered" for message in messages)


def looked_at_again(client: httpx.Client) -> None:
    """Wait until the worker has evaluated the rule once more, from its beginning."""
    for _ in range(2):
        before = seen(client, "alerts")[0]["last_evaluated_at"]
        wait_for(
            lambda was=before: seen(client, "alerts")[0]["last_evaluated_at"] != was,  # type: ignore[misc]
            "the worker does not evaluate",
            within=60,
        )


@pytest.mark.smoke
@pytest.mark.p1
@uat("020")
def test_a_fall_is_delivered_by_webhook_and_mail(
    anna: httpx.Client, standins: StandIns, receiver: Hook, note: Callable[[str, float], None]
) -> None:
    mailbox = f"{uuid4()}@example.org"
    portfolio, rule = watched(anna, webhook_url=receiver.url, emails=[mailbox])
    assert order(anna, portfolio, "sell", "50", "AAPL").status_code == 201
    wait_for(lambda: delivered(anna, 3), "the alert is not delivered", within=60)
    (body,) = receiver.bodies()
    assert (body["change"], body["portfolio_id"]) == ("-0.5", portfolio)
    assert receiver.genuine(rule["webhook_secret"])
    assert len(standins.mails(mailbox)) == 1
    latency = median(message["seconds"] for message in sent(anna) if message["method"] != "in_app")
    note("alert_latency_median_seconds", latency)
    assert latency <= 60


@pytest.mark.p1
@uat("021")
def test_the_same_condition_within_the_cooldown_is_told_once(anna: httpx.Client, receiver: Hook) -> None:
    portfolio, _ = watched(anna, webhook_url=receiver.url)
    order(anna, portfolio, "sell", "50", "AAPL")
    wait_for(lambda: delivered(anna, 2), "the alert is not delivered", within=60)
    order(anna, portfolio, "sell", "25", "AAPL")
    looked_at_again(anna)
    assert (len(seen(anna, "notifications")), len(receiver.messages)) == (1, 1)


@pytest.mark.p1
@uat("022")
def test_the_same_alert_of_two_users_is_processed_once_for_each(
    anna: httpx.Client, ben: httpx.Client, receiver: Hook
) -> None:
    for client in (anna, ben):
        portfolio, _ = watched(client, webhook_url=receiver.url)
        order(client, portfolio, "sell", "50", "AAPL")
    wait_for(lambda: delivered(anna, 2) and delivered(ben, 2), "the alerts are not delivered", within=60)
    looked_at_again(ben)
    assert len({body["id"] for body in receiver.bodies()}) == len(receiver.messages) == 2
    assert len({body["portfolio_id"] for body in receiver.bodies()}) == 2


@pytest.mark.p1
@uat("023")
def test_a_quote_within_half_a_second(anna: httpx.Client) -> None:
    path = "/v1/market/quote?symbol=AAPL"
    # A suite that was run a moment ago has left the breakers open.
    wait_for(lambda: anna.get(path).status_code == 200, "no quote", within=SECONDS_OF_A_BREAKER)
    started = time.perf_counter()
    quote = anna.get(path)
    seconds = time.perf_counter() - started
    assert quote.status_code == 200, quote.text
    assert float(quote.json()["price"]) > 0
    assert quote.json()["volume"] > 0
    assert {"time", "provider", "stale"} <= quote.json().keys()
    assert seconds <= 0.5


@pytest.mark.p1
@uat("042")
def test_one_trace_from_the_request_to_the_database_to_the_worker(
    anna: httpx.Client, standins: StandIns, receiver: Hook
) -> None:
    _, rule = watched(anna, webhook_url=receiver.url)
    trace_id = uuid4().hex
    header = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    assert anna.post(f"/v1/alerts/{rule['alert_id']}/test", headers=header).status_code == 202
    wanted = {("dawsos-api", "http.request"), ("dawsos-api", "db.query"), ("dawsos-worker", "alert.deliver")}
    wanted |= {("dawsos-worker", "db.query")}
    wait_for(
        lambda: wanted <= {(span["service"], span["name"]) for span in standins.spans(trace_id)},
        lambda: f"not in the trace: {wanted - {(s['service'], s['name']) for s in standins.spans(trace_id)}}",
        within=60,
    )


@pytest.mark.p2
@uat("032")
def test_a_portfolio_as_pdf(anna: httpx.Client) -> None:
    portfolio, _ = watched(anna)
    made = anna.post("/v1/exports/pdf", json={"portfolio_id": portfolio})
    assert (made.status_code, made.headers["content-type"]) == (200, "application/pdf"), made.text
    assert made.content.startswith(b"%PDF-")


@pytest.mark.p2
@uat("031")
def test_no_pdf_where_rights_forbid_it(anna: httpx.Client) -> None:
    """The operator withdraws the right for the source of the prices, and gives it back."""
    portfolio, _ = watched(anna)
    asyncio.run(_allow(False))
    try:
        refused = anna.post("/v1/exports/pdf", json={"portfolio_id": portfolio})
    finally:
        asyncio.run(_allow(True))
    assert (refused.status_code, "does not allow PDF export" in refused.json()["detail"]) == (403, True)


async def _allow(allowed: bool) -> None:
    owner = await asyncpg.connect(required("DATABASE_OWNER_URL"))
    try:
        await owner.execute("UPDATE provider_rights SET allows_pdf = $1 WHERE provider = 'fixture'", allowed)
    finally:
        await owner.close()


@pytest.mark.p1
@uat("024")
def test_a_provider_that_times_out_opens_its_circuit(
    anna: httpx.Client, anonymous: httpx.Client, broken: Callable[[str], None]
) -> None:
    broken("timeout")
    answers = []

    def opened_everywhere() -> bool:
        started = time.perf_counter()
        answers.append(anna.get("/v1/market/quote?symbol=KO"))
        return time.perf_counter() - started < 0.5 and answers[-1].status_code == 503

    # Each replica has a breaker of its own; in a row of four quick answers both have been asked.
    wait_for(lambda: all(opened_everywhere() for _ in range(4)), "the breaker does not open", within=90)
    assert {answer.status_code for answer in answers} <= {200, 503}
    problem = answers[-1].json()
    assert (problem["status"], "polygon" in problem["detail"]) == (503, True)
    assert anonymous.get("/health/ready").json()["providers"]["polygon"] == "open"


@pytest.mark.p1
@uat("045")
def test_without_any_provider_nothing_breaks_and_staleness_is_said(
    anna: httpx.Client, broken: Callable[[str], None]
) -> None:
    portfolio, _ = watched(anna)
    broken("down")
    statuses: set[int] = set()

    def stale() -> bool:
        answer = anna.get("/v1/market/quote?symbol=AAPL")
        statuses.add(answer.status_code)
        return answer.status_code == 200 and answer.json()["stale"] and answer.headers["x-data-stale"] == "true"

    wait_for(stale, "the remembered quote is not served as stale", within=60)
    for symbol in ("AAPL", "HSBC.L", "NONE"):
        statuses.add(anna.get(f"/v1/market/quote?symbol={symbol}").status_code)
    assert statuses <= {200, 404, 503}
    assert anna.get(f"/v1/portfolios/{portfolio}/valuation").status_code == 200
