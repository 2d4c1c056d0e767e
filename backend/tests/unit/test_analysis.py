"""Returns, exposures, the economy and companies over HTTP and through the night, with the ports in memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.core.bookings import CashMovement, Dividend, Split
from app.core.errors import AnalysisError
from app.core.factors import explain
from app.core.fx import FxRate
from app.core.history import Mark
from app.core.pack import PackContent, Price
from app.core.performance import DatedPeriod
from app.core.twr import Period
from app.services.demo import seed
from app.services.nightly import run_job
from app.services.packs import load_market_data
from app.services.performance import PackHistory, events_of
from app.settings import PACKAGED_MARKET_DATA
from tests.support.memory import FX
from tests.unit.test_api import ANNA, BEN, DAY, Site, opened, token

D = Decimal
SPAN = "start=2023-09-29&end=2023-10-31"


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """After the seed (which brings the recorded days) and one night."""
    async with opened() as made:
        world = made.world
        await seed(world.tenants, world.packs, FX, load_market_data(PACKAGED_MARKET_DATA), DAY)
        await made.night()
        yield made


async def get(site: Site, path: str, user: UUID = ANNA) -> httpx.Response:
    return await site.http.get(f"/v1/{path}", headers=token(user))


async def post(site: Site, path: str, body: dict[str, Any], user: UUID = ANNA) -> httpx.Response:
    return await site.http.post(f"/v1/{path}", json=body, headers=token(user))


async def canadian(site: Site, *trades: tuple[str, str, str]) -> str:
    """A portfolio in Canadian dollars that bought (symbol, quantity, price) on 2023-09-29."""
    made = await post(site, "portfolios", {"name": "North", "base_currency": "CAD"})
    portfolio = str(made.json()["portfolio_id"])
    for symbol, quantity, price in trades:
        order = {"portfolio_id": portfolio, "symbol": symbol, "action": "buy", "quantity": quantity, "price": price}
        booked = await post(site, "trades", order | {"trade_date": "2023-09-29"})
        assert booked.status_code == 201, booked.text
    return portfolio


APPLE = ("AAPL", "100", "171.21")


async def test_apple_in_october_2023_seen_from_canada(site: Site) -> None:
    portfolio = await canadian(site, APPLE)
    found = (await get(site, f"portfolios/{portfolio}/attribution?{SPAN}")).json()
    assert (found["start"], found["end"], found["base_currency"]) == ("2023-09-29", "2023-10-31", "CAD")
    whole = found["whole"]
    assert (whole["local"], whole["fx"], whole["interaction"]) == ("-0.00256994", "0.03165558", "-0.00008135")
    assert whole["total"] == "0.02900429"
    assert [line["name"] for line in found["currencies"]] == ["USD"]
    assert found["pricing_pack_id"] == "PP-2023-10-31-v1"
    returns = (await get(site, f"portfolios/{portfolio}/twr?{SPAN}")).json()
    assert (returns["twr"], returns["periods"]) == ("0.02900429", 1)
    assert returns["annualised"] is not None


async def test_a_return_reaches_to_today_when_no_end_is_given(site: Site) -> None:
    portfolio = await canadian(site, APPLE)
    found = (await get(site, f"portfolios/{portfolio}/twr?start=2023-09-29")).json()
    assert (found["end"], found["periods"]) == (DAY.isoformat(), 2)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("start=2023-10-31&end=2023-10-31", "start must be before"),
        ("start=2023-10-30&end=2023-10-31", "only 1 day"),
        ("start=2023-04-28&end=2023-09-28", "only 1 day"),
    ],
)
async def test_too_short_a_span_is_said_to_be(site: Site, query: str, message: str) -> None:
    portfolio = await canadian(site, APPLE)
    for kind in ("twr", "attribution"):
        answer = await get(site, f"portfolios/{portfolio}/{kind}?{query}")
        assert answer.status_code == 422
        assert message in answer.json()["detail"]


async def test_before_anything_was_bought_there_is_neither(site: Site) -> None:
    portfolio = await canadian(site)
    assert "something invested" in (await get(site, f"portfolios/{portfolio}/twr?{SPAN}")).json()["detail"]
    assert "nothing was held" in (await get(site, f"portfolios/{portfolio}/attribution?{SPAN}")).json()["detail"]


@pytest.mark.parametrize("kind", ["twr", "attribution", "metrics"])
async def test_another_users_portfolio_does_not_exist(site: Site, kind: str) -> None:
    portfolio = await canadian(site, APPLE)
    foreign, unknown = [await get(site, f"portfolios/{p}/{kind}", BEN) for p in (portfolio, uuid4())]
    assert (foreign.status_code, foreign.content) == (404, unknown.content)
    exposed = await get(site, f"macro/factor-exposure?portfolio_id={portfolio}", BEN)
    assert (exposed.status_code, exposed.content) == (404, unknown.content)
    assert (await post(site, "macro/scenarios/recession", {"portfolio_id": portfolio}, BEN)).status_code == 404


async def test_the_night_keeps_what_it_found(site: Site) -> None:
    portfolio = await canadian(site, APPLE, ("KO", "10", "55.98"))
    assert (await get(site, f"portfolios/{portfolio}/metrics")).json() == []
    await site.night()
    # A year back from the night there is no other day with prices, so there is no return to keep.
    assert (await get(site, f"portfolios/{portfolio}/metrics")).json() == []
    await site.night(asof=date(2026, 11, 25))
    (found,) = (await get(site, f"portfolios/{portfolio}/metrics")).json()
    assert (found["asof_date"], found["attribution_since"]) == ("2026-11-25", "2026-11-24")
    assert found["performance"]["periods"] == 1
    assert D(found["attribution"]["local"]) == 0
    assert set(found["tilts"]) == {"growth", "value", "momentum", "quality"}


async def test_a_night_without_anything_held_through_keeps_the_return_alone(site: Site) -> None:
    portfolio = await canadian(site)
    order = {"portfolio_id": portfolio, "symbol": "KO", "action": "buy", "quantity": "1", "price": "50"}
    await post(site, "trades", order | {"trade_date": "2026-11-25"})
    await site.night(asof=date(2026, 11, 25))
    (found,) = (await get(site, f"portfolios/{portfolio}/metrics")).json()
    assert (found["attribution"], found["attribution_since"]) == (None, None)


def test_every_booking_becomes_what_the_history_knows() -> None:
    day = date(2024, 1, 2)
    paid = Dividend(uuid4(), "A", day, day, D(100), D("0.25"), D("3.75"), "USD", D("1.36"))
    split, moved = Split(uuid4(), "A", day, D(2), D(1)), CashMovement(uuid4(), day, "USD", D(5), D(1))
    income, doubled = events_of([paid, split, moved])
    assert (income.income, income.quantity) == (D("28.9"), D(0))
    assert doubled.ratio == 2


async def test_a_span_of_too_many_days_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.performance.MAX_MARKS", 2)
    history = PackHistory(site.world.packs)
    with pytest.raises(AnalysisError, match="4 days have prices in this span; ask for at most 2"):
        await history.headers(date(2023, 1, 1), DAY)
    for header in site.world.packs.headers.values():
        await history.content(header)
    assert len(history._contents) == 2


async def test_uat_017_and_018(site: Site) -> None:
    year = [{"date": "2025-01-01", "value": "100000"}, {"date": "2026-01-01", "value": "110000"}]
    assert (await post(site, "analytics/twr", {"values": year})).json()["twr"] == "0.1"
    before = {"date": "2025-06-30", "value": "100000"}
    after = {"date": "2025-07-01", "value": "150000", "flow": "50000"}
    flow = [year[0], before, after, {"date": "2026-01-01", "value": "165000"}]
    assert (await post(site, "analytics/twr", {"values": flow})).json()["twr"] == "0.1"


async def test_a_series_is_not_distorted_by_taking_out_nearly_everything(site: Site) -> None:
    """As of a portfolio: what goes out had its share of the day. At its start it would leave 10 to earn 100."""
    days = [("2025-01-01", "1000", "0"), ("2025-01-02", "110", "-990"), ("2025-01-03", "110", "0")]
    body = {"values": [{"date": d, "value": v, "flow": f} for d, v, f in days]}
    assert (await post(site, "analytics/twr", body)).json()["twr"] == "0.1"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([("2025-01-02", "1", "0"), ("2025-01-01", "1", "0")], "ascend"),
        ([("2025-01-01", "1", "1"), ("2025-01-02", "1", "0")], "opens the span"),
        ([("2025-01-01", "0", "0"), ("2025-01-02", "1", "-1")], "nothing invested"),
    ],
)
async def test_a_series_that_has_no_return_is_refused(
    site: Site, values: list[tuple[str, str, str]], message: str
) -> None:
    body = {"values": [{"date": d, "value": v, "flow": f} for d, v, f in values]}
    answer = await post(site, "analytics/twr", body)
    assert answer.status_code == 422
    assert message in answer.text


def segment(name: str, *numbers: str) -> dict[str, str]:
    fields = ("portfolio_weight", "benchmark_weight", "portfolio_return", "benchmark_return")
    return {"name": name} | dict(zip(fields, numbers, strict=True))


async def test_brinson_over_http(site: Site) -> None:
    period = [segment("equity", "0.7", "0.6", "0.1", "0.08"), segment("bonds", "0.3", "0.4", "0.01", "0.02")]
    one = (await post(site, "analytics/brinson", {"periods": [period]})).json()
    assert (one["active_return"], one["effects"][0]["allocation"]) == ("0.017", "0.0024")
    assert sum(D(e["total"]) for e in one["effects"]) == D(one["active_return"])
    two = (await post(site, "analytics/brinson", {"periods": [period, period]})).json()
    assert sum(D(e["total"]) for e in two["effects"]) == D(two["active_return"])
    uneven = await post(site, "analytics/brinson", {"periods": [[segment("a", "0.5", "1", "0", "0")]]})
    assert (uneven.status_code, "add to 0.5" in uneven.json()["detail"]) == (422, True)


async def test_factor_exposure_of_given_returns(site: Site) -> None:
    stocks = [f"0.{n % 7:02}" for n in range(60)]
    bonds = [f"-0.{n % 5:02}" for n in range(60)]
    returns = [str(D("0.6") * D(s) + D("0.4") * D(b)) for s, b in zip(stocks, bonds, strict=True)]
    body = {"returns": returns, "factors": {"stocks": stocks, "bonds": bonds}}
    found = (await post(site, "analytics/factor-exposure", body)).json()
    assert (found["betas"], found["r_squared"]) == ({"stocks": "0.6", "bonds": "0.4"}, "1")
    flat = await post(site, "analytics/factor-exposure", body | {"factors": {"flat": ["1"] * 60}})
    assert (flat.status_code, "explain each other" in flat.json()["detail"]) == (422, True)
    short = {"returns": returns[:59], "factors": {"stocks": stocks[:59]}}
    assert (await post(site, "analytics/factor-exposure", short)).status_code == 422


async def test_indicators_and_regime(site: Site) -> None:
    found = (await get(site, "economic/indicators?series=GDP,CPIAUCSL,UNRATE")).json()
    assert [(i["series"], i["stale"]) for i in found] == [("GDP", True), ("CPIAUCSL", True), ("UNRATE", True)]
    assert found[0]["units"] == "Bil. of $, SAAR"
    assert found[0]["age_days"] > 1000
    unknown = await get(site, "economic/indicators?series=NOPE")
    assert (unknown.status_code, "known are CPIAUCSL" in unknown.json()["detail"]) == (404, True)
    regime = (await get(site, "macro/regime?date=2008-12-31")).json()
    assert (regime["quarter"], regime["regime"], regime["confidence"]) == ("2008Q4", "deep_contraction", "0.95")
    assert (await get(site, "macro/regime")).json()["stale"] is True
    history = (await get(site, "macro/regimes?start=2020-01-01&end=2020-12-31")).json()
    assert [q["regime"] for q in history] == [
        "early_contraction",
        "deep_contraction",
        "early_expansion",
        "early_expansion",
    ]
    metrics = (await site.http.get("/metrics")).text
    assert 'regime_classification_total{regime="deep_contraction"} 1.0' in metrics


async def test_tilts_of_a_portfolio(site: Site) -> None:
    portfolio = await canadian(site, ("AAPL", "10", "171.21"), ("KO", "10", "55.98"), ("TM.T", "10", "2677"))
    found = (await get(site, f"macro/factor-exposure?portfolio_id={portfolio}")).json()
    apple, coke, toyota = D("170.77"), D("56.49"), D("2597")
    # Apple trades above 25 times earnings, Coca-Cola below; of Toyota there are no statements.
    assert abs(D(found["growth"]["tilt"]) - (apple / (apple + coke) - D("0.5"))) < D("1e-7")
    assert D(found["growth"]["coverage"]) < 1
    assert (found["value"]["tilt"], found["quality"]["tilt"]) == ("-0.5", "0.5")
    assert found["regression"] is None
    assert "two are needed" in found["why_no_regression"]
    # Toyota rose from 1847 to 2597 since April, the others did not by 15 %.
    assert (found["momentum"]["coverage"], D(found["momentum"]["tilt"]) < 0) == ("1", True)
    assert toyota > 0


async def test_daily_returns_are_explained_once_there_are_sixty(site: Site, tmp_path: Path) -> None:
    """Sixty-one days in which Apple alone moves, and a portfolio of Apple in dollars: all of it is the market."""
    raw = json.loads(PACKAGED_MARKET_DATA.read_text())
    base, first = raw["observations"][-1]["closes"], date(2026, 2, 2)
    for n in range(62):
        closes = base | {"AAPL": str(100 + n % 5)}
        raw["observations"].append({"date": (first + timedelta(days=n)).isoformat(), "closes": closes})
    market = tmp_path / "market.json"
    market.write_text(json.dumps(raw))
    made = await post(site, "portfolios", {"name": "P", "base_currency": "USD"})
    portfolio = str(made.json()["portfolio_id"])
    order = {"portfolio_id": portfolio, "symbol": "AAPL", "action": "buy", "quantity": "7", "price": "100"}
    await post(site, "trades", order | {"trade_date": "2026-02-02"})
    packs = site.world.packs
    packs.headers.clear()
    document = load_market_data(market)
    for observation in document.observations[-62:]:
        content = document.content(observation.day, FX.fixing(observation.day))
        header = await packs.append(content, document.universe)
        await packs.mark(header.id, "fresh", "test")
    found = (await get(site, f"macro/factor-exposure?portfolio_id={portfolio}")).json()["regression"]
    assert (found["observations"], found["r_squared"], found["residual"]) == (61, "1", "0")
    # One of eight securities moved, so the market moved an eighth of it.
    assert (found["betas"]["market"], found["betas"]["dollar"]) == ("8", "0")
    await site.night(market_data=market, asof=date(2026, 4, 5))
    (stored,) = (await get(site, f"portfolios/{portfolio}/metrics")).json()
    assert stored["regression"]["observations"] == 62


async def test_without_prices_of_half_a_year_ago_there_is_no_momentum(site: Site) -> None:
    packs = site.world.packs
    packs.headers = {k: h for k, h in packs.headers.items() if "2023-04" not in k}
    portfolio = await canadian(site, ("TM.T", "10", "2677"))
    found = (await get(site, f"macro/factor-exposure?portfolio_id={portfolio}")).json()
    assert found["momentum"] == {"tilt": None, "coverage": "0"}
    assert found["growth"] == {"tilt": None, "coverage": "0"}


async def test_without_a_count_of_shares_there_are_no_multiples(site: Site) -> None:
    exposure = site.world.analysis.exposure
    known = exposure._reference.fundamentals["WMT"]
    assert known.shares is None
    exposure._reference.fundamentals["TM.T"] = known  # type: ignore[index]
    try:
        portfolio = await canadian(site, ("TM.T", "10", "2677"))
        found = (await get(site, f"macro/factor-exposure?portfolio_id={portfolio}")).json()
    finally:
        del exposure._reference.fundamentals["TM.T"]  # type: ignore[attr-defined]
    assert (found["growth"]["tilt"], found["quality"]["tilt"]) == (None, "0.5")


async def test_a_recession(site: Site) -> None:
    portfolio = await canadian(site, APPLE)
    found = (await post(site, "macro/scenarios/recession", {"portfolio_id": portfolio})).json()
    low, high = (D(v) for v in found["interval"])
    assert D(found["worst"]) <= low < D(found["drawdown_at_risk"]) < high < 0
    assert (found["base_currency"], len(found["episodes"])) == ("CAD", 9)
    assert abs(D(found["loss"]) + D(found["value"]) * D(found["drawdown_at_risk"])) < D("1e-6")
    mixed = {"weights": {"equity": "0.6", "bonds": "0.4"}}
    milder = (await post(site, "macro/scenarios/recession", mixed)).json()
    assert D(found["drawdown_at_risk"]) < D(milder["drawdown_at_risk"]) < 0
    assert milder["value"] is None
    assert (await post(site, "macro/scenarios/boom", mixed)).status_code == 404
    assert "scenario_runs_total 2.0" in (await site.http.get("/metrics")).text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"portfolio_id": str(uuid4()), "weights": {"equity": "1"}},
        {"weights": {"equity": "0.7", "bonds": "0.4"}},
        {"weights": {"gold": "1"}},
        {"weights": {}},
    ],
)
async def test_a_scenario_needs_one_thing_to_look_at(site: Site, body: dict[str, Any]) -> None:
    assert (await post(site, "macro/scenarios/recession", body)).status_code == 422


async def test_ratings_over_http(site: Site) -> None:
    moats = (await get(site, "quality/moat?symbols=KO,WMT,JNJ")).json()
    assert [(m["symbol"], m["score"]) for m in moats] == [("KO", "8.25"), ("WMT", "5.25"), ("JNJ", "9.5")]
    assert moats[2]["judgements"] == {"switching_costs": "10", "network_effects": "3"}
    safety = (await get(site, "quality/dividend-safety?symbol=JNJ")).json()
    assert safety["components"]["streak_years"]["value"] == "60"
    assert {"payout_ratio", "fcf_coverage"} < set(safety["components"])
    (whole,) = (await get(site, "quality/ratings?symbols=KO")).json()
    assert (whole["overall"], whole["history"]) == (
        "6.97",
        [{"fiscal_year": 2023, "method": "buffett_v1", "overall": "6.97"}],
    )
    assert (await get(site, "quality/moat?symbols=AAPL")).status_code == 404
    assert (await get(site, "quality/moat?symbols=KO,,")).status_code == 422
    assert 'rating_calculations_total{rating_type="overall"} 1.0' in (await site.http.get("/metrics")).text


async def test_before_the_first_night_the_economy_is_not_loaded() -> None:
    async with opened() as site:
        answer = await get(site, "macro/regime")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_a_scenario_of_a_portfolio_says_that_its_pack_is_stale(site: Site, tmp_path: Path) -> None:
    portfolio = await canadian(site, APPLE)
    fresh = await post(site, "macro/scenarios/recession", {"portfolio_id": portfolio})
    assert "x-pricing-pack-stale" not in fresh.headers
    await run_job(site.context(market_data=tmp_path / "gone"), "build_pack")
    stale = await post(site, "macro/scenarios/recession", {"portfolio_id": portfolio})
    assert (stale.status_code, stale.headers["x-pricing-pack-stale"]) == (200, "true")
    # Weights rest on no pack.
    mixed = await post(site, "macro/scenarios/recession", {"weights": {"equity": "1"}})
    assert "x-pricing-pack-stale" not in mixed.headers


async def test_a_security_that_earlier_packs_do_not_know_stops_neither_answers_nor_the_night(site: Site) -> None:
    """A listing joined the universe, and somebody booked a purchase of before it did."""
    packs = site.world.packs
    for name, header in packs.headers.items():
        content = packs.contents[name]
        if header.asof_date < DAY:
            prices = tuple(p for p in content.prices if p.symbol != "AAPL")
            packs.contents[name] = replace(content, prices=prices)
            packs.headers[name] = replace(header, hash=packs.contents[name].digest())
    portfolio = await canadian(site, APPLE)
    for path in (f"twr?{SPAN}", "valuation?pricing_pack_id=PP-2023-10-31-v1"):
        answer = await get(site, f"portfolios/{portfolio}/{path}")
        assert (answer.status_code, "no price for AAPL" in answer.json()["detail"]) == (422, True)
    assert (await get(site, f"portfolios/{portfolio}/valuation")).status_code == 200
    performance, october = site.world.analysis.performance, packs.headers["PP-2023-10-31-v1"]
    assert await performance.store_night(ANNA, UUID(portfolio), october) is False
    with pytest.raises(AnalysisError, match="no price for AAPL"):
        await performance.regression(ANNA, UUID(portfolio), october.asof_date)


async def test_a_holding_that_the_served_pack_does_not_price_yet_can_be_watched(site: Site) -> None:
    served = next(h for h in site.world.packs.headers.values() if h.asof_date == DAY)
    content = site.world.packs.contents[served.id]
    bare = replace(content, asof_date=DAY + timedelta(days=1), prices=content.prices[1:])
    await site.world.packs.mark((await site.world.packs.append(bare, ())).id, "fresh", "test")
    portfolio = await canadian(site, APPLE)
    for path in (f"portfolios/{portfolio}/valuation", f"macro/factor-exposure?portfolio_id={portfolio}"):
        answer = await get(site, path)
        assert (answer.status_code, "no price for AAPL" in answer.json()["detail"]) == (422, True)
    rule = {"portfolio_id": portfolio, "op": "<", "threshold": "-0.05", "window": "intraday"}
    made = await post(site, "alerts", rule)
    assert (made.status_code, made.json()["reference"]) == (201, None)
    assert await site.world.alerts.evaluate(ANNA, UUID(portfolio), "intraday") == 0


def test_a_return_without_bounds_is_explained_all_the_same() -> None:
    """A day begins with next to nothing, and what it pays out is a fortune, as far as the bookings say."""
    days = [DAY + timedelta(days=n) for n in range(62)]
    pack = PackContent(
        DAY,
        "P",
        (Price("AAPL", D(100), "USD", "fixture", DAY),),
        (FxRate("USD", "EUR", D("0.5")), FxRate("EUR", "USD", D(2))),
    )
    moved = replace(
        pack, prices=(replace(pack.prices[0], close=D(101)),), rates=(replace(pack.rates[0], rate=D("0.4")),)
    )
    marks = [Mark(day, moved if n % 3 == 0 else pack) for n, day in enumerate(days)]
    steps = [DatedPeriod(day, Period(D(100), D(n % 5), D(101))) for n, day in enumerate(days[1:])]
    steps[7] = replace(steps[7], period=Period(D("1e-10"), D(0), D(1), D(10) ** 9))
    assert explain(steps, marks).observations == 61
