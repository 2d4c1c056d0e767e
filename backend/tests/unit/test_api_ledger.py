"""Bookings, journals and reconciliations over HTTP; limits; the description of the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.services.rate_limit import RateLimiter
from tests.support.memory import EPOCH
from tests.unit.test_api import ANNA, BEN, Site, opened, token


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with opened() as made:
        await made.night()
        yield made


async def post(site: Site, path: str, body: dict[str, Any], user: UUID = ANNA) -> httpx.Response:
    return await site.http.post(f"/v1/{path}", json=body, headers=token(user))


async def get(site: Site, path: str, user: UUID = ANNA) -> httpx.Response:
    return await site.http.get(f"/v1/{path}", headers=token(user))


async def test_a_portfolio_opens_with_cash_and_is_listed(site: Site) -> None:
    made = await post(site, "portfolios", {"name": "Main", "base_currency": "CAD", "opening_cash": "10.50"})
    assert (made.status_code, made.json()["cash"]) == (201, {"CAD": "10.5"})
    portfolio = made.json()["portfolio_id"]
    assert [p["portfolio_id"] for p in (await get(site, "portfolios")).json()] == [portfolio]
    assert (await get(site, "portfolios", BEN)).json() == []
    assert (await get(site, f"portfolios/{portfolio}")).json()["cash"] == {"CAD": "10.5"}
    journal = await get(site, f"portfolios/{portfolio}/journal")
    assert journal.headers["content-type"] == "text/plain; charset=utf-8"
    assert "opening balance" in journal.text


async def test_a_life_with_dividend_split_and_cash(site: Site) -> None:
    portfolio = await site.portfolio()
    bought = (await site.buy(portfolio, trade_date="2023-11-09")).json()
    assert bought["ledger_tx_id"] == bought["transaction_id"]
    dividend = await post(
        site,
        "corporate-actions/dividends",
        {
            "portfolio_id": portfolio,
            "symbol": "AAPL",
            "ex_date": "2023-11-10",
            "pay_date": "2023-11-16",
            "gross_per_share": "1.00",
            "withheld_per_share": "0.10",
        },
    )
    assert dividend.status_code == 201, dividend.text
    assert [dividend.json()[k] for k in ("gross", "withheld", "net", "pay_fx_rate")] == ["100", "10", "90", "1"]
    split = await post(
        site,
        "corporate-actions/splits",
        {"portfolio_id": portfolio, "symbol": "AAPL", "new_shares": "2", "date": "2023-12-01"},
    )
    assert split.status_code == 201, split.text
    (lot,) = split.json()["open_lots"]
    assert (lot["quantity"], lot["unit_cost"], lot["cost_base"]) == ("200", "75", "15000")
    cash = await post(site, "cash-movements", {"portfolio_id": portfolio, "currency": "USD", "amount": "-90"})
    assert (cash.status_code, cash.json()["balance"]) == (201, "-15000")
    await post(site, "cash-movements", {"portfolio_id": portfolio, "currency": "EUR", "amount": "1"})
    history = (await get(site, f"portfolios/{portfolio}/transactions")).json()
    assert [(h["type"], h["cash"], h["currency"]) for h in history] == [
        ("deposit", "1", "EUR"),
        ("withdrawal", "-90", "USD"),
        ("split", None, None),
        ("dividend", "90", "USD"),
        ("buy", "-15000", "USD"),
    ]
    page = (await get(site, f"portfolios/{portfolio}/transactions?limit=1&before={history[1]['seq']}")).json()
    assert [h["type"] for h in page] == ["split"]
    assert [lot["quantity"] for lot in (await get(site, f"portfolios/{portfolio}/lots")).json()] == ["200"]


async def test_reconciliation_is_an_outcome_and_kept(site: Site) -> None:
    portfolio = await site.portfolio()
    await site.buy(portfolio)
    good = await post(site, f"portfolios/{portfolio}/reconciliations", {})
    assert (good.status_code, good.json()["status"], good.json()["discrepancies"]) == (201, "OK", [])
    assert len(good.json()["ledger_commit_hash"]) == 40
    key = UUID(portfolio)
    site.world.ledger.files[key] = site.world.ledger.files[key].replace(b"100 AAPL", b"10 AAPL")
    bad = (await post(site, f"portfolios/{portfolio}/reconciliations", {"asof_date": "2026-11-24"})).json()
    assert (bad["status"], bad["run_no"]) == ("FAIL", 2)
    (position,) = [d for d in bad["discrepancies"] if d["kind"] == "position"]
    assert (position["ledger_qty"], position["db_qty"], position["qty_diff"]) == ("10", "100", "-90")
    runs = (await get(site, f"portfolios/{portfolio}/reconciliations")).json()
    assert [run["status"] for run in runs] == ["FAIL", "OK"]


async def test_a_ledger_that_is_away_is_503_to_who_asks_for_it(site: Site) -> None:
    portfolio = await site.portfolio()
    site.world.ledger.down = True
    assert (await site.buy(portfolio)).status_code == 201
    answer = await get(site, f"portfolios/{portfolio}/journal")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


PRIVATE = ("", "/lots", "/transactions", "/journal", "/reconciliations", "/valuation")


@pytest.mark.parametrize("path", PRIVATE)
async def test_nothing_of_a_foreign_portfolio_can_be_read(site: Site, path: str) -> None:
    portfolio = await site.portfolio()
    foreign, unknown = [await get(site, f"portfolios/{p}{path}", BEN) for p in (portfolio, uuid4())]
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("cash-movements", {"currency": "USD", "amount": "1"}),
        ("corporate-actions/splits", {"symbol": "AAPL", "new_shares": "2"}),
        (
            "corporate-actions/dividends",
            {"symbol": "AAPL", "ex_date": "2023-11-10", "pay_date": "2023-11-16", "gross_per_share": "1"},
        ),
    ],
)
async def test_nothing_of_a_foreign_portfolio_can_be_changed(site: Site, path: str, body: dict[str, Any]) -> None:
    portfolio = await site.portfolio()
    await site.buy(portfolio, trade_date="2023-11-09")
    before = site.world.ledger.files[UUID(portfolio)]
    assert (await post(site, path, {"portfolio_id": portfolio, **body}, BEN)).status_code == 404
    assert (await post(site, f"portfolios/{portfolio}/reconciliations", {}, BEN)).status_code == 404
    assert site.world.ledger.files[UUID(portfolio)] == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("portfolios", {"name": "a\x00b", "base_currency": "USD"}),
        ("portfolios", {"name": "Main", "base_currency": "USD", "opening_cash": "-1"}),
        ("cash-movements", {"portfolio_id": str(uuid4()), "currency": "USD", "amount": "0"}),
        ("trades", {"portfolio_id": str(uuid4()), "symbol": "aapl\n", "action": "buy", "quantity": "1", "price": "1"}),
    ],
)
async def test_what_cannot_be_kept_is_422(site: Site, path: str, body: dict[str, Any]) -> None:
    assert (await post(site, path, body)).status_code == 422


async def test_too_many_requests_are_429_until_the_next_minute(site: Site) -> None:
    world = site.world
    now = EPOCH
    world.services = replace(world.services, limiter=RateLimiter(world.cache, lambda: now, 3))
    site.app.state.services = world.services
    statuses = [(await get(site, "portfolios")).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = await get(site, "portfolios")
    assert (refused.headers["retry-after"], refused.headers["content-type"]) == ("60", "application/problem+json")
    assert (await get(site, "portfolios", BEN)).status_code == 200
    now = EPOCH.replace(minute=1)
    assert (await get(site, "portfolios")).status_code == 200


async def test_without_the_cache_each_process_counts_for_itself(site: Site) -> None:
    world = site.world
    now = EPOCH
    site.app.state.services = replace(world.services, limiter=RateLimiter(world.cache, lambda: now, 2))
    world.raw_cache.down = True
    assert [(await get(site, "portfolios")).status_code for _ in range(3)] == [200, 200, 429]
    assert (await get(site, "portfolios")).status_code == 429, "while the cache is left alone"
    now = EPOCH.replace(minute=1)
    assert (await get(site, "portfolios")).status_code == 200


async def test_a_large_body_is_413_with_and_without_its_length(site: Site) -> None:
    body = b'{"name": "' + b"x" * 70_000 + b'"}'
    headers = token(ANNA) | {"Content-Type": "application/json"}
    declared = await site.http.post("/v1/portfolios", content=body, headers=headers)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    streamed = await site.http.post("/v1/portfolios", content=chunks(), headers=headers)
    for answer in (declared, streamed):
        assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
        assert answer.json()["detail"] == "the request body is too large"


async def test_a_wrong_method_says_which_are_right(site: Site) -> None:
    answer = await site.http.put("/v1/trades", headers=token(ANNA))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_the_description_names_every_refusal_and_no_foreign_one(site: Site) -> None:
    described = (await site.http.get("/openapi.json")).json()
    assert described is not None
    assert set(described["components"]["securitySchemes"]) == {"bearer"}
    assert not {"HTTPValidationError", "ValidationError"} & set(described["components"]["schemas"])
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            wanted = {"401", "404", "413", "422", "429", "503"} if path.startswith("/v1/") else {"503"}
            assert wanted <= set(operation["responses"]), (method, path)
            assert ("security" in operation) is path.startswith("/v1/")
            refusal = operation["responses"]["503"]["content"]
            assert list(refusal) == ["application/problem+json"]
    assert described == (await site.http.get("/openapi.json")).json()
