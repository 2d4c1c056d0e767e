"""Portfolios, bookings, the ledger, access, metrics: cases 001-006, 009-016, 036-040, 043, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import httpx
import pytest
import redis

from app.services.nightly import SACRED_ORDER
from tests.uat.world import NEW_YEAR, JournalFile, booked, job, journal, opened, order, required, seen

D = Decimal
uat = pytest.mark.uat


@pytest.mark.smoke
@pytest.mark.p0
@uat("001")
def test_a_portfolio_is_opened_and_its_journal_exists(anna: httpx.Client) -> None:
    portfolio = opened(anna)
    read = seen(anna, f"portfolios/{portfolio}")
    assert (read["name"], read["base_currency"], read["lots"]) == ("Acceptance", "USD", [])
    assert JournalFile(portfolio).read() == journal(anna, portfolio)


@pytest.mark.smoke
@pytest.mark.p0
@uat("002")
@uat("039")
@pytest.mark.parametrize("path", ["", "/valuation", "/lots", "/transactions", "/journal", "/reconciliations"])
def test_another_users_portfolio_does_not_exist(anna: httpx.Client, ben: httpx.Client, path: str) -> None:
    """The plan accepts 403, 404 or empty; the service answers 404 with the body of an unknown id."""
    portfolio = opened(anna)
    foreign, unknown = [ben.get(f"/v1/portfolios/{p}{path}") for p in (portfolio, uuid4())]
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content
    assert order(ben, portfolio, "buy", "1", "AAPL").status_code == 404
    assert seen(anna, f"portfolios/{portfolio}")["lots"] == []


@pytest.mark.smoke
@pytest.mark.p0
@uat("003")
def test_a_purchase_opens_a_lot(anna: httpx.Client) -> None:
    portfolio = opened(anna)
    bought = order(anna, portfolio, "buy", "100", "AAPL", price="150")
    assert bought.status_code == 201, bought.text
    assert bought.json()["action"] == "buy"
    (lot,) = bought.json()["open_lots"]
    assert (lot["quantity"], lot["unit_cost"], lot["cost_base"]) == ("100", "150", "15000")
    assert f'ledger_tx_id: "{UUID(bought.json()["ledger_tx_id"])}"' in journal(anna, portfolio)


@pytest.mark.p0
@uat("004")
def test_a_sale_is_first_in_first_out(anna: httpx.Client) -> None:
    portfolio = opened(anna)
    order(anna, portfolio, "buy", "100", "AAPL", price="150")
    order(anna, portfolio, "buy", "10", "AAPL", price="160")
    sold = order(anna, portfolio, "sell", "40", "AAPL", price="170").json()
    assert [(lot["quantity"], lot["unit_cost"]) for lot in sold["open_lots"]] == [("60", "150"), ("10", "160")]
    assert sold["realised"]["total"] == "800"


@pytest.mark.p0
@uat("005")
def test_a_foreign_purchase_locks_the_rate_of_its_day(anna: httpx.Client) -> None:
    """The ECB's rate of 2 January 2024 was 1.0956 dollars to the euro."""
    day = {"trade_date": NEW_YEAR}
    bought = order(anna, opened(anna), "buy", "50", "BMW.DE", price="90", **day).json()
    assert bought["fx_rate"] == "1.0956"
    assert D(bought["open_lots"][0]["cost_base"]) == 50 * 90 * D("1.0956")


@pytest.mark.smoke
@pytest.mark.p0
@uat("006")
def test_a_pack_is_complete_and_not_fresh_before_it_is_marked(anna: httpx.Client) -> None:
    served = seen(anna, f"pricing/packs/{seen(anna, 'pricing/latest')['pricing_pack_id']}")
    built = job("build_pack", "--date", NEW_YEAR)
    assert built.returncode == 0, built.stderr
    warming = seen(anna, f"pricing/latest?date={NEW_YEAR}")
    assert (served["is_fresh"], warming["is_fresh"]) == (True, False)
    for pack in (served, seen(anna, f"pricing/packs/{warming['pricing_pack_id']}")):
        assert len(pack["prices"]) >= 8
        currencies = {r["base"] for r in pack["rates"]}
        assert {p["currency"] for p in pack["prices"]} <= currencies
        assert len(pack["rates"]) == len(currencies) * (len(currencies) - 1)
        assert all(D(p["close"]) > 0 for p in pack["prices"])
        assert all(D(r["rate"]) > 0 and r["observed_on"] <= pack["asof_date"] for r in pack["rates"])


@pytest.mark.p0
@uat("009")
def test_value_in_three_currencies(anna: httpx.Client) -> None:
    portfolio = opened(anna)
    held = {"AAPL": "100", "BMW.DE": "50", "HSBC.L": "200"}
    for symbol, quantity in held.items():
        assert order(anna, portfolio, "buy", quantity, symbol).status_code == 201
    value = seen(anna, f"portfolios/{portfolio}/valuation")
    pack = seen(anna, f"pricing/packs/{value['pricing_pack_id']}")
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
    """Once computed, once from the cache, once computed anew."""
    portfolio = opened(anna)
    order(anna, portfolio, "buy", "3", "HSBC.L")
    path = f"/v1/portfolios/{portfolio}/valuation?pricing_pack_id={seen(anna, 'pricing/latest')['pricing_pack_id']}"
    first, second = anna.get(path), anna.get(path)
    with redis.Redis.from_url(required("REDIS_URL")) as cache:
        cache.flushdb()
    third = anna.get(path)
    assert first.content == second.content == third.content
    assert [a.headers["x-cache"] for a in (first, second, third)] == ["miss", "hit", "miss"]


@pytest.mark.p0
@uat("011")
def test_a_cash_dividend_is_paid(anna: httpx.Client) -> None:
    portfolio = opened(anna, opening_cash="2000")
    order(anna, portfolio, "buy", "100", "AAPL", price="10", trade_date=NEW_YEAR)
    before = D(seen(anna, f"portfolios/{portfolio}")["cash"]["USD"])
    paid = {"symbol": "AAPL", "ex_date": "2024-02-09", "pay_date": "2024-02-15", "gross_per_share": "0.25"}
    booked(anna, "corporate-actions/dividends", portfolio_id=portfolio, **paid)
    assert D(seen(anna, f"portfolios/{portfolio}")["cash"]["USD"]) == before + 25
    assert seen(anna, f"portfolios/{portfolio}/transactions")[0]["type"] == "dividend"


@pytest.mark.p0
@uat("012")
def test_an_adr_dividend_is_converted_at_its_pay_date(anna: httpx.Client) -> None:
    """Real rates of the ECB: 1.38097912571 on the ex-date, 1.37256890036 on the pay date."""
    portfolio = opened(anna, base="CAD")
    order(anna, portfolio, "buy", "100", "BABA", trade_date="2023-11-01")
    dates = {"ex_date": "2023-11-10", "pay_date": "2023-11-16"}
    amounts = {"gross_per_share": "1.00", "withheld_per_share": "0.10"}
    paid = booked(anna, "corporate-actions/dividends", portfolio_id=portfolio, symbol="BABA", **dates, **amounts)
    assert (paid["gross"], paid["withheld"], paid["net"]) == ("100", "10", "90")
    assert paid["pay_fx_rate"] == "1.37256890036"
    assert D(paid["net_base"]) == round(90 * D("1.37256890036"), 8)
    text = journal(anna, portfolio)
    for leg in ("Assets:Cash  90 USD", "Expenses:Withholding-Tax  10 USD", "Income:Dividends  -100 USD"):
        assert leg in text


@pytest.mark.p0
@uat("013")
def test_a_split_doubles_shares_and_keeps_the_cost(anna: httpx.Client) -> None:
    portfolio = opened(anna)
    order(anna, portfolio, "buy", "100", "MSFT", price="500", trade_date=NEW_YEAR)
    split = booked(
        anna, "corporate-actions/splits", portfolio_id=portfolio, symbol="MSFT", new_shares="2", date="2024-06-10"
    )
    (lot,) = split["open_lots"]
    assert (lot["quantity"], lot["unit_cost"], lot["cost_base"]) == ("200", "250", "50000")


@pytest.mark.p0
@uat("014")
def test_a_journal_begins_with_the_opening_balance(anna: httpx.Client) -> None:
    text = journal(anna, opened(anna, opening_cash="250000"))
    assert '* "opening balance"\n  Assets:Cash  250000 USD\n  Equity:Opening-Balances  -250000 USD\n' in text


@pytest.mark.smoke
@pytest.mark.p0
@uat("015")
def test_a_portfolio_reconciles_and_the_commit_is_kept(anna: httpx.Client) -> None:
    """Ten lots in four currencies, a sale, a dividend and a split."""
    portfolio = opened(anna, base="CAD", opening_cash="250000")
    for number in range(10):
        symbol = ("AAPL", "BMW.DE", "HSBC.L", "RY.TO", "KO")[number % 5]
        assert order(anna, portfolio, "buy", f"{number + 1}.5", symbol, trade_date=NEW_YEAR).status_code == 201
    assert order(anna, portfolio, "sell", "3", "AAPL", price="11").status_code == 201
    dates = {"ex_date": "2024-03-14", "pay_date": "2024-04-01"}
    booked(anna, "corporate-actions/dividends", portfolio_id=portfolio, symbol="KO", gross_per_share="0.485", **dates)
    booked(anna, "corporate-actions/splits", portfolio_id=portfolio, symbol="BMW.DE", new_shares="7", old_shares="3")
    run = booked(anna, f"portfolios/{portfolio}/reconciliations")
    assert (run["status"], run["discrepancies"]) == ("OK", [])
    assert len(run["ledger_commit_hash"]) == 40


@pytest.mark.smoke
@pytest.mark.p0
@uat("015")
@uat("036")
def test_the_night_kept_the_sacred_order_and_reconciled(anna: httpx.Client) -> None:
    night = seen(anna, "jobs/latest")
    assert night["order_ok"] is True, night["problem"]
    assert tuple(run["job"] for run in night["runs"]) == SACRED_ORDER
    assert {run["status"] for run in night["runs"]} == {"succeeded"}


@pytest.mark.p0
@uat("016")
def test_a_tampered_journal_fails_with_details(anna: httpx.Client) -> None:
    portfolio = opened(anna)
    order(anna, portfolio, "buy", "100", "AAPL", price="150")
    file = JournalFile(portfolio)
    good = file.read()
    try:
        file.write(good.replace("100 AAPL", "90 AAPL"))
        bad = booked(anna, f"portfolios/{portfolio}/reconciliations")
    finally:
        file.write(good)
    assert bad["status"] == "FAIL"
    (position,) = [d for d in bad["discrepancies"] if d["kind"] == "position"]
    assert (position["symbol"], position["ledger_qty"], position["db_qty"]) == ("AAPL", "90", "100")
    mended = booked(anna, f"portfolios/{portfolio}/reconciliations")
    assert (mended["status"], mended["run_no"]) == ("OK", bad["run_no"] + 1)


@pytest.mark.p0
@uat("035")
def test_the_pack_is_fresh_by_a_quarter_past_midnight(anna: httpx.Client, note: Callable[[str, float], None]) -> None:
    """The recorded night, moved to a clock that shows 00:00 at its first job."""
    runs = seen(anna, "jobs/latest")["runs"]
    fresh = next(run for run in runs if run["job"] == "mark_pack_fresh")
    elapsed = datetime.fromisoformat(fresh["finished"]) - datetime.fromisoformat(runs[0]["started"])
    note("pack_fresh_seconds", elapsed.total_seconds())
    assert datetime(2026, 1, 1, tzinfo=UTC) + elapsed <= datetime(2026, 1, 1, 0, 15, tzinfo=UTC)
    pack = seen(anna, "pricing/latest")
    assert pack["is_fresh"] is True
    assert pack["asof_date"] <= datetime.now(UTC).date().isoformat()


@pytest.mark.smoke
@pytest.mark.p0
@uat("037")
@pytest.mark.parametrize("path", ["pricing/latest", "jobs/latest", "portfolios", f"portfolios/{uuid4()}"])
def test_no_token_is_401(anonymous: httpx.Client, path: str) -> None:
    answer = anonymous.get(f"/v1/{path}")
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
    assert order(anna, str(uuid4()), "buy", "1", "AAPL").status_code == 404


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
