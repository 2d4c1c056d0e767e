"""The HTTP surface, called through ASGI without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.api import alerts, analysis, auth, bookings, macro, market, portfolios, pricing, quality
from app.api.decimal_json import DecimalJsonRoute
from app.api.factory import create_app
from app.services.nightly import JobContext, run_job, run_night
from tests.support.memory import FX, SECRET, World

ANNA, BEN = uuid4(), uuid4()
DAY = date(2026, 11, 24)


def token(user: UUID, ttl: int = 900) -> dict[str, str]:
    return {"Authorization": "Bearer " + auth.issue(SECRET, user, datetime.now(UTC), timedelta(seconds=ttl))}


@dataclass
class Site:
    world: World
    http: httpx.AsyncClient
    app: FastAPI

    async def night(self, **changes: Any) -> None:
        await run_night(self.context(**changes))

    def context(self, market_data: Path | None = None, asof: date = DAY) -> JobContext:
        w = self.world
        file = market_data or w.settings.market_data
        return JobContext(asof, file, w.tenants, w.packs, w.jobs, w.portfolios, FX, w.reconciler, w.analysis)

    async def portfolio(self, user: UUID = ANNA) -> str:
        answer = await self.http.post(
            "/v1/portfolios", json={"name": "Main", "base_currency": "USD"}, headers=token(user)
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["portfolio_id"])

    async def buy(self, portfolio: str, **changes: Any) -> httpx.Response:
        body = {"portfolio_id": portfolio, "symbol": "AAPL", "action": "buy", "quantity": "100", "price": "150"}
        return await self.http.post("/v1/trades", json=body | changes, headers=token(ANNA))


@asynccontextmanager
async def opened() -> AsyncIterator[Site]:
    world = World()
    app = create_app(world.settings, world.connect)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as http:
        yield Site(world, http, app)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with opened() as made:
        yield made


async def test_health_asks_nobody(site: Site) -> None:
    site.world.probe.down = site.world.raw_cache.down = True
    answer = await site.http.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy", "version": "sha-1"})


async def test_ready_degraded_and_not_ready(site: Site) -> None:
    assert (await site.http.get("/health/ready")).json()["status"] == "ready"
    site.world.raw_cache.down = True
    degraded = await site.http.get("/health/ready")
    assert (degraded.status_code, degraded.json()["status"], degraded.json()["redis"]) == (200, "degraded", "down")
    site.world.probe.down = True
    gone = await site.http.get("/health/ready")
    assert (gone.status_code, gone.headers["content-type"]) == (503, "application/problem+json")
    assert (gone.json()["database"], gone.headers["retry-after"]) == ("down", "1")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/pricing/latest",
        "/v1/portfolios/00000000-0000-4000-8000-000000000000",
        "/v1/pricing/packs/x",
        "/v1/jobs/latest",
    ],
)
async def test_no_token_no_answer(site: Site, path: str) -> None:
    answer = await site.http.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


def forged(**changes: Any) -> str:
    now = datetime.now(UTC)
    claims = {"sub": str(ANNA), "iss": auth.ISSUER, "aud": auth.AUDIENCE, "exp": now + timedelta(minutes=5)}
    claims = {key: value for key, value in (claims | changes).items() if value is not None}
    return jwt.encode(claims, SECRET, algorithm="HS256")


@pytest.mark.parametrize(
    "bad",
    [
        forged(exp=datetime.now(UTC) - timedelta(minutes=1)),
        forged(exp=None),
        forged(iss="somebody"),
        forged(aud="something"),
        forged(sub="not-a-uuid"),
        forged(sub=None),
        jwt.encode({"sub": str(ANNA)}, "another-secret-of-sufficient-length!", algorithm="HS256"),
        jwt.encode(
            {"sub": str(ANNA), "iss": auth.ISSUER, "aud": auth.AUDIENCE, "exp": 9999999999}, "", algorithm="none"
        ),
        "garbage",
    ],
)
async def test_a_bad_token_is_401_and_says_no_more(site: Site, bad: str) -> None:
    answer = await site.http.get("/v1/jobs/latest", headers={"Authorization": f"Bearer {bad}"})
    assert (answer.status_code, answer.json()["detail"]) == (401, "the bearer token is not valid")


@pytest.mark.parametrize("header", ["Basic eA==", "Bearer", "Bearer  ", "token"])
async def test_another_scheme_is_401(site: Site, header: str) -> None:
    answer = await site.http.get("/v1/jobs/latest", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["detail"]) == (401, "a bearer token is required")


async def test_the_first_pack_warms(site: Site) -> None:
    assert (await site.http.get("/health/pack")).json()["status"] == "warming"
    answer = await site.http.get("/v1/pricing/latest", headers=token(ANNA))
    assert (answer.status_code, "warming" in answer.json()["detail"]) == (503, True)


async def test_latest_pack_and_its_rows(site: Site) -> None:
    await site.night()
    latest = await site.http.get("/v1/pricing/latest", headers=token(ANNA))
    assert latest.status_code == 200
    assert "x-pricing-pack-stale" not in latest.headers
    pack = latest.json()
    assert (pack["pricing_pack_id"], pack["is_fresh"], pack["supersedes"]) == ("PP-2026-11-24-v1", True, None)
    detail = (await site.http.get(f"/v1/pricing/packs/{pack['pricing_pack_id']}", headers=token(ANNA))).json()
    assert detail["hash"] == pack["hash"]
    assert (len(detail["prices"]), len(detail["rates"])) == (8, 42)
    assert detail["prices"][0] == {
        "symbol": "AAPL",
        "close": "170.77",
        "currency": "USD",
        "source": "fixture",
        "observed_on": "2023-10-31",
    }
    assert (await site.http.get("/health/pack")).json()["status"] == "fresh"
    assert (await site.http.get("/v1/pricing/latest?date=2026-11-24", headers=token(ANNA))).json() == pack
    assert (await site.http.get("/v1/pricing/latest?date=2026-11-23", headers=token(ANNA))).status_code == 404
    assert (await site.http.get("/v1/pricing/packs/none", headers=token(ANNA))).status_code == 404


async def test_stale_is_said_on_every_answer_that_rests_on_the_pack(site: Site, tmp_path: Path) -> None:
    await site.night()
    portfolio = await site.portfolio()
    await run_job(site.context(market_data=tmp_path / "gone"), "build_pack")
    for path in ("/v1/pricing/latest", f"/v1/portfolios/{portfolio}/valuation"):
        answer = await site.http.get(path, headers=token(ANNA))
        assert (answer.status_code, answer.headers["x-pricing-pack-stale"]) == (200, "true")
    assert (await site.http.get("/health/pack")).json()["status"] == "error"


async def test_while_a_restatement_warms_health_says_so(site: Site) -> None:
    await site.night()
    content = next(iter(site.world.packs.contents.values()))
    await site.world.packs.append(type(content)(date(2026, 11, 25), content.policy, content.prices, content.rates), ())
    answer = (await site.http.get("/health/pack")).json()
    assert (answer["status"], answer["is_fresh"], answer["pack_id"]) == ("warming", False, "PP-2026-11-24-v1")


async def test_trade_and_read_back(site: Site) -> None:
    await site.night()
    portfolio = await site.portfolio()
    bought = (await site.buy(portfolio)).json()
    assert (bought["action"], bought["open_lots"][0]["cost_base"], bought["realised"]) == ("buy", "15000", None)
    sold = (await site.buy(portfolio, action="sell", quantity="40", price="170", trade_date="2026-11-24")).json()
    assert sold["realised"] == {"price": "800", "fx": "0", "total": "800"}
    read = (await site.http.get(f"/v1/portfolios/{portfolio}", headers=token(ANNA))).json()
    assert [(lot["symbol"], lot["quantity"]) for lot in read["lots"]] == [("AAPL", "60")]
    value = await site.http.get(f"/v1/portfolios/{portfolio}/valuation", headers=token(ANNA))
    assert value.json()["total"] == "10246.2"
    assert value.headers["x-cache"] == "miss"
    again = await site.http.get(
        f"/v1/portfolios/{portfolio}/valuation",
        params={"pricing_pack_id": value.json()["pricing_pack_id"]},
        headers=token(ANNA),
    )
    assert (again.headers["x-cache"], again.content) == ("hit", value.content)


async def test_somebody_elses_portfolio_reads_like_an_unknown_one(site: Site) -> None:
    portfolio = await site.portfolio()
    foreign = await site.http.get(f"/v1/portfolios/{portfolio}", headers=token(BEN))
    unknown = await site.http.get(f"/v1/portfolios/{uuid4()}", headers=token(BEN))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": "0"},
        {"quantity": "-1"},
        {"quantity": "NaN"},
        {"price": "1e30"},
        {"quantity": "0.00000000001"},
        {"action": "gift"},
        {"colour": "red"},
        {"symbol": ""},
    ],
)
async def test_a_senseless_trade_is_422_with_the_place(site: Site, changes: dict[str, str]) -> None:
    answer = await site.buy(str(uuid4()), **changes)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert next(iter(changes)) in answer.json()["errors"][0]["where"]


async def test_a_refused_trade_says_why(site: Site) -> None:
    await site.night()
    portfolio = await site.portfolio()
    answer = await site.buy(portfolio, action="sell")
    assert (answer.status_code, answer.json()["detail"]) == (422, "cannot sell 100: only 0 held")


async def test_a_lost_database_is_503_and_a_bug_is_500_without_details(site: Site) -> None:
    portfolio = await site.portfolio()
    site.world.tenants.down = True
    gone = await site.http.get(f"/v1/portfolios/{portfolio}", headers=token(ANNA))
    assert (gone.status_code, gone.json()["detail"]) == (503, "the database does not answer")
    site.world.tenants.down = False
    site.world.packs.securities = None  # type: ignore[method-assign, assignment]
    bug = await site.buy(portfolio)
    assert (bug.status_code, bug.json()["detail"]) == (500, "internal error")
    assert bug.headers["content-type"] == "application/problem+json"


async def test_an_altered_pack_is_500_without_internals(site: Site) -> None:
    await site.night()
    site.world.portfolios._contents.clear()
    site.world.packs.contents.clear()
    answer = await site.http.get("/v1/pricing/packs/PP-2026-11-24-v1", headers=token(ANNA))
    assert (answer.status_code, answer.json()["detail"]) == (500, "internal error")


async def test_the_newest_night_is_judged(site: Site) -> None:
    empty = (await site.http.get("/v1/jobs/latest", headers=token(ANNA))).json()
    assert (empty["order_ok"], empty["runs"]) == (False, [])
    await site.night()
    judged = (await site.http.get("/v1/jobs/latest", headers=token(ANNA))).json()
    assert (judged["order_ok"], judged["problem"], len(judged["runs"])) == (True, None, 6)


async def test_metrics_count_by_route_template(site: Site) -> None:
    for _ in range(3):
        await site.http.get(f"/v1/portfolios/{uuid4()}", headers=token(ANNA))
    await site.http.get("/made/up")
    await site.http.request("BREW", "/health")
    text = (await site.http.get("/metrics")).text
    template = 'endpoint="/v1/portfolios/{portfolio_id}",method="GET"'
    assert f'http_requests_total{{{template},status="404"}} 3.0' in text
    assert 'http_requests_total{endpoint="unmatched",method="GET",status="404"} 1.0' in text
    assert 'method="OTHER"' in text
    assert (
        f"http_request_duration_seconds_bucket{{{template.replace(',', ',le=' + chr(34) + '1.2' + chr(34) + ',')}}} 3.0"
        in text
    )
    assert 'dawsos_app_info{deployment_id="unit",version="sha-1"} 1.0' in text


async def test_metrics_tell_when_the_process_started(site: Site) -> None:
    text = (await site.http.get("/metrics")).text
    started = [float(line.split()[1]) for line in text.splitlines() if line.startswith("process_start_time_seconds ")]
    assert len(started) == 1
    assert 0 < started[0] <= datetime.now(UTC).timestamp()


async def test_metrics_tell_builds_from_the_job_record(site: Site, tmp_path: Path) -> None:
    before = (await site.http.get("/metrics")).text
    assert "pricing_pack_build_failures_total 0.0" in before
    await site.night()
    await run_job(site.context(market_data=tmp_path / "gone"), "build_pack")
    text = (await site.http.get("/metrics")).text
    assert "pricing_pack_build_failures_total 1.0" in text
    assert "pricing_pack_build_success_total 1.0" in text
    assert 'pricing_pack_build_duration_seconds_bucket{le="60.0"} 2.0' in text
    assert 'pricing_pack_is_fresh{date="2026-11-24"} 1.0' in text


async def test_metrics_count_what_was_opened_booked_and_found_different(site: Site) -> None:
    await site.night()
    portfolio = await site.portfolio()
    assert (await site.buy(portfolio)).status_code == 201
    assert (await site.buy(portfolio, action="sell", quantity="40")).status_code == 201
    assert (await site.buy(portfolio, action="sell", quantity="4000")).status_code == 422
    before = (await site.http.get("/metrics")).text
    assert "portfolio_count_total 1.0" in before
    assert 'trade_volume_total{action="buy"} 1.0' in before
    assert 'trade_volume_total{action="sell"} 1.0' in before
    assert "reconciliation_failures_total 0.0" in before
    site.world.ledger.down = True
    await site.night()
    assert "reconciliation_failures_total 1.0" in (await site.http.get("/metrics")).text


async def test_metrics_survive_the_database(site: Site) -> None:
    site.world.packs.down = True
    answer = await site.http.get("/metrics")
    assert answer.status_code == 200
    assert "http_request_duration_seconds" in answer.text
    assert "pricing_pack_is_fresh" not in answer.text


async def cash(site: Site, portfolio: str, **changes: str) -> httpx.Response:
    """A deposit whose fields are written into the body as they are: a client's JSON library would round a number."""
    fields = {"portfolio_id": f'"{portfolio}"', "currency": '"USD"', "amount": '"1"'} | changes
    body = "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"
    headers = token(ANNA) | {"content-type": "application/json"}
    return await site.http.post("/v1/cash-movements", content=body, headers=headers)


async def test_an_amount_that_was_sent_as_a_number_is_booked_to_its_last_digit(site: Site) -> None:
    portfolio = await site.portfolio()
    booked = await cash(site, portfolio, amount="123456789012345678.12")
    assert (booked.status_code, booked.json()["amount"]) == (201, "123456789012345678.12")
    for amount in ("1e999999999999999999999", "NaN", "Infinity", "0.00000000001"):
        assert (await cash(site, portfolio, amount=amount)).status_code in {400, 422}


def test_no_route_reads_numbers_in_any_other_way() -> None:
    routers = (module.router for module in (alerts, analysis, bookings, macro, market, portfolios, pricing, quality))
    routes = [route for router in routers for route in router.routes]
    read = [route for route in routes if isinstance(route, APIRoute) and route.body_field is not None]
    assert len(read) > 10
    assert {type(route) for route in read} == {DecimalJsonRoute}


@pytest.mark.parametrize("day", ["0", "86400000", '"0"', '"2024-01-02T00:00:00Z"', '"20240102"'])
async def test_a_date_is_written_as_one_and_not_as_seconds_since_1970(site: Site, day: str) -> None:
    portfolio = await site.portfolio()
    refused = await cash(site, portfolio, date=day)
    assert (refused.status_code, refused.json()["errors"][0]["where"]) == (422, "body.date")
    asked = await site.http.get(f"/v1/pricing/latest?date={day.strip(chr(34))}", headers=token(ANNA))
    assert asked.status_code == 422
    assert (await cash(site, portfolio, date='"2024-01-02"')).status_code == 201


async def test_a_reconciliation_of_a_day_to_come_is_refused(site: Site) -> None:
    """It would be the newest of the list for good."""
    portfolio = await site.portfolio()
    path = f"/v1/portfolios/{portfolio}/reconciliations"
    refused = await site.http.post(path, json={"asof_date": "9999-12-31"}, headers=token(ANNA))
    assert (refused.status_code, refused.json()["detail"]) == (422, "9999-12-31 is in the future")
    assert (await site.http.get(path, headers=token(ANNA))).json() == []


async def test_a_declared_length_that_is_no_number_a_machine_has_is_too_large(site: Site) -> None:
    headers = token(ANNA) | {"content-length": "9" * 5000}
    assert (await site.http.post("/v1/portfolios", content=b"{}", headers=headers)).status_code == 413
