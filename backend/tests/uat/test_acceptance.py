"""Acceptance cases this version of the service supports, by the numbers of the acceptance plan.

Cases 007, 041 (a pack refuses UPDATE), 008 (supersede), 046 and 047 (migrations) need the database itself and are in
tests/integration; 044 (a killed build) is in tests/chaos.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.services.nightly import SACRED_ORDER

D = Decimal
uat = pytest.mark.uat


def open_portfolio(client: httpx.Client) -> str:
    answer = client.post("/v1/portfolios", json={"name": "Acceptance", "base_currency": "USD"})
    assert answer.status_code == 201, answer.text
    return str(UUID(answer.json()["portfolio_id"]))


def trade(client: httpx.Client, portfolio: str, action: str, amount: str, symbol: str, price: str) -> httpx.Response:
    order = {"portfolio_id": portfolio, "action": action, "symbol": symbol, "quantity": amount, "price": price}
    return client.post("/v1/trades", json=order)


def latest(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/v1/pricing/latest")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.smoke
@pytest.mark.p0
@uat("001")
def test_a_portfolio_is_opened(anna: httpx.Client) -> None:
    portfolio = open_portfolio(anna)
    read = anna.get(f"/v1/portfolios/{portfolio}").json()
    assert (read["name"], read["base_currency"], read["lots"]) == ("Acceptance", "USD", [])


@pytest.mark.smoke
@pytest.mark.p0
@uat("002")
@uat("039")
@pytest.mark.parametrize("path", ["/v1/portfolios/{}", "/v1/portfolios/{}/valuation"])
def test_another_users_portfolio_does_not_exist(anna: httpx.Client, ben: httpx.Client, path: str) -> None:
    """The plan accepts 403, 404 or empty; the service answers 404 with the body of an unknown id."""
    portfolio = open_portfolio(anna)
    foreign, unknown = ben.get(path.format(portfolio)), ben.get(path.format(uuid4()))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content
    assert trade(ben, portfolio, "buy", "1", "AAPL", "1").status_code == 404
    assert anna.get(f"/v1/portfolios/{portfolio}").json()["lots"] == []


@pytest.mark.smoke
@pytest.mark.p0
@uat("003")
def test_a_purchase_opens_a_lot(anna: httpx.Client) -> None:
    booked = trade(anna, open_portfolio(anna), "buy", "100", "AAPL", "150")
    assert booked.status_code == 201, booked.text
    assert booked.json()["action"] == "buy"
    (lot,) = booked.json()["open_lots"]
    assert (lot["quantity"], lot["unit_cost"], lot["cost_base"]) == ("100", "150", "15000")


@pytest.mark.p0
@uat("004")
def test_a_sale_is_first_in_first_out(anna: httpx.Client) -> None:
    portfolio = open_portfolio(anna)
    trade(anna, portfolio, "buy", "100", "AAPL", "150")
    sold = trade(anna, portfolio, "sell", "40", "AAPL", "170").json()
    assert sold["open_lots"][0]["quantity"] == "60"
    assert sold["realised"]["total"] == "800"


@pytest.mark.p0
@uat("005")
def test_a_foreign_purchase_locks_its_rate(anna: httpx.Client) -> None:
    bought = trade(anna, open_portfolio(anna), "buy", "50", "BMW.DE", "90").json()
    pack = anna.get(f"/v1/pricing/packs/{latest(anna)['pricing_pack_id']}").json()
    (rate,) = [r["rate"] for r in pack["rates"] if (r["base"], r["quote"]) == ("EUR", "USD")]
    assert bought["fx_rate"] == rate
    assert D(bought["open_lots"][0]["cost_base"]) == 50 * 90 * D(rate)


@pytest.mark.smoke
@pytest.mark.p0
@uat("006")
def test_the_pack_is_complete(anna: httpx.Client) -> None:
    pack = anna.get(f"/v1/pricing/packs/{latest(anna)['pricing_pack_id']}").json()
    assert len(pack["prices"]) >= 8
    currencies = {r["base"] for r in pack["rates"]}
    assert {p["currency"] for p in pack["prices"]} <= currencies
    assert len(pack["rates"]) == len(currencies) * (len(currencies) - 1)
    assert all(D(p["close"]) > 0 for p in pack["prices"])
    assert all(D(r["rate"]) > 0 for r in pack["rates"])


@pytest.mark.p0
@uat("009")
def test_value_in_three_currencies(anna: httpx.Client) -> None:
    portfolio = open_portfolio(anna)
    held = {"AAPL": "100", "BMW.DE": "50", "HSBC.L": "200"}
    for symbol, quantity in held.items():
        assert trade(anna, portfolio, "buy", quantity, symbol, "10").status_code == 201
    value = anna.get(f"/v1/portfolios/{portfolio}/valuation").json()
    pack = anna.get(f"/v1/pricing/packs/{value['pricing_pack_id']}").json()
    prices = {p["symbol"]: p for p in pack["prices"]}
    rates = {(r["base"], r["quote"]): D(r["rate"]) for r in pack["rates"]} | {("USD", "USD"): D(1)}
    expected = sum(
        D(quantity) * D(prices[symbol]["close"]) * rates[prices[symbol]["currency"], "USD"]
        for symbol, quantity in held.items()
    )
    assert abs(D(value["total"]) - expected) <= D("1e-8")


@pytest.mark.p0
@uat("010")
def test_one_pack_gives_the_same_bytes_again(anna: httpx.Client) -> None:
    portfolio = open_portfolio(anna)
    trade(anna, portfolio, "buy", "3", "HSBC.L", "6")
    path = f"/v1/portfolios/{portfolio}/valuation?pricing_pack_id={latest(anna)['pricing_pack_id']}"
    assert anna.get(path).content == anna.get(path).content


@pytest.mark.p0
@uat("035")
def test_the_pack_is_fresh(anna: httpx.Client) -> None:
    pack = latest(anna)
    assert pack["is_fresh"] is True
    assert pack["asof_date"] <= datetime.now(UTC).date().isoformat()


@pytest.mark.smoke
@pytest.mark.p0
@uat("015")
@uat("036")
def test_the_night_kept_the_sacred_order_and_reconciled(anna: httpx.Client) -> None:
    night = anna.get("/v1/jobs/latest").json()
    assert night["order_ok"] is True, night["problem"]
    assert tuple(run["job"] for run in night["runs"]) == SACRED_ORDER
    assert {run["status"] for run in night["runs"]} == {"succeeded"}


@pytest.mark.smoke
@pytest.mark.p0
@uat("037")
@pytest.mark.parametrize("path", ["/v1/pricing/latest", "/v1/jobs/latest", f"/v1/portfolios/{uuid4()}"])
def test_no_token_is_401(anonymous: httpx.Client, path: str) -> None:
    answer = anonymous.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.p0
@uat("038")
def test_an_expired_token_is_401(anonymous: httpx.Client, sign: Callable[[UUID, int], str]) -> None:
    token = sign(uuid4(), -60)
    assert anonymous.get("/v1/pricing/latest", headers={"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.p0
@uat("040")
def test_a_trade_on_an_unknown_portfolio_is_refused(anna: httpx.Client) -> None:
    assert trade(anna, str(uuid4()), "buy", "1", "AAPL", "1").status_code == 404


@pytest.mark.p0
@uat("041")
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_no_request_changes_a_pack(anna: httpx.Client, method: str) -> None:
    pack = latest(anna)
    answer = anna.request(method, f"/v1/pricing/packs/{pack['pricing_pack_id']}", json={"hash": "0"})
    assert answer.status_code == 405
    assert latest(anna)["hash"] == pack["hash"]


@pytest.mark.smoke
@pytest.mark.p1
@uat("043")
def test_metrics_are_exposed(anonymous: httpx.Client) -> None:
    text = anonymous.get("/metrics").text
    # Which replica answers is the proxy's choice, and each counts its own requests: the readiness probe reaches all.
    for name in (
        'http_requests_total{endpoint="/health/ready",method="GET",status="200"}',
        "http_request_duration_seconds_bucket",
        "pricing_pack_build_duration_seconds_bucket",
        "pricing_pack_build_success_total",
        "pricing_pack_build_failures_total",
        "pricing_pack_is_fresh",
    ):
        assert name in text


@pytest.mark.smoke
@pytest.mark.p1
@uat("044")
def test_staleness_is_said_exactly_when_it_is_so(anna: httpx.Client, anonymous: httpx.Client) -> None:
    state = anonymous.get("/health/pack").json()
    headers = anna.get("/v1/pricing/latest").headers
    assert ("x-pricing-pack-stale" in headers) is (state["status"] != "fresh")
