"""The analysis over the real database: nights, what they store, and the reference data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from app.api.auth import issue
from app.core.attribution import Holding, attribute_portfolio
from app.core.pack import PackHeader
from app.core.performance import Performance
from app.core.ratings import rate
from app.core.regression import Fit
from app.core.styles import Tilt
from app.services.macro import MacroService
from app.services.reference import load_reference
from app.storage.analysis import PgAnalysisStore, PgMacroStore, PgRatingStore
from app.storage.db import Database
from app.storage.packs import PgPackStore
from tests.support.servers import SECRET, Running, Stack, refused, run

REFERENCE = load_reference()
D = Decimal
BEFORE, AFTER = date(2023, 9, 29), date(2023, 10, 31)


def client(service: Running, user: UUID) -> httpx.Client:
    token = issue(SECRET, user, datetime.now(UTC), timedelta(minutes=5))
    return httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)


@pytest.fixture(scope="module")
def recorded_days(stack: Stack) -> None:
    """Packs of the days the market data was observed on."""
    done = run(stack.env(), "app.seed")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def user() -> UUID:
    """Nobody else's."""
    return uuid4()


@pytest.fixture
def anna(service: Running, user: UUID) -> Iterator[httpx.Client]:
    """A client of that user."""
    with client(service, user) as made:
        yield made


def bought(anna: httpx.Client) -> str:
    """A portfolio in Canadian dollars with 100 AAPL since the end of September 2023."""
    made = anna.post("/v1/portfolios", json={"name": "North", "base_currency": "CAD"}).json()
    order = {"symbol": "AAPL", "action": "buy", "quantity": "100", "price": "171.21", "trade_date": BEFORE.isoformat()}
    assert anna.post("/v1/trades", json=order | {"portfolio_id": made["portfolio_id"]}).status_code == 201
    return str(made["portfolio_id"])


def test_apple_in_october_over_http(anna: httpx.Client, recorded_days: None) -> None:
    portfolio = bought(anna)
    span = f"start={BEFORE}&end={AFTER}"
    found = anna.get(f"/v1/portfolios/{portfolio}/attribution?{span}").json()
    assert (found["whole"]["total"], found["whole"]["fx"]) == ("0.02900429", "0.03165558")
    assert anna.get(f"/v1/portfolios/{portfolio}/twr?{span}").json()["twr"] == "0.02900429"


def test_the_night_stores_what_the_service_shows(
    stack: Stack, service: Running, anna: httpx.Client, recorded_days: None
) -> None:
    portfolio = bought(anna)
    # The date is taken once: midnight may have passed since the packs of the session, and may pass between two jobs.
    today = datetime.now(UTC).date()
    # A return needs two days with prices in the year.
    yesterday = today - timedelta(days=1)
    packs = [(job, day) for day in (yesterday, today) for job in ("build_pack", "mark_pack_fresh")]
    for job, day in [*packs, ("compute_metrics", today), ("prewarm_factors", today)]:
        done = run(stack.env(), f"jobs.{job}", "--date", day.isoformat())
        assert done.returncode == 0, done.stderr
    stored = anna.get(f"/v1/portfolios/{portfolio}/metrics").json()[0]
    tilts = anna.get(f"/v1/macro/factor-exposure?portfolio_id={portfolio}").json()
    assert tilts["growth"]["tilt"] == "0.5", "Apple costs more than 25 times its earnings"
    assert stored["tilts"]["growth"] == tilts["growth"]
    assert stored["asof_date"] == today.isoformat()
    with client(service, uuid4()) as ben:
        for path in (f"portfolios/{portfolio}/metrics", f"macro/factor-exposure?portfolio_id={portfolio}"):
            assert ben.get(f"/v1/{path}").status_code == 404
    regime = anna.get("/v1/macro/regime?date=2008-12-31").json()
    assert (regime["regime"], regime["confidence"]) == ("deep_contraction", "0.95")
    (rating,) = anna.get("/v1/quality/ratings?symbols=KO").json()
    assert rating["history"][0]["overall"] == rating["overall"]


async def test_series_and_regimes_read_back_as_they_were(db: Database, night: None) -> None:
    store = PgMacroStore(db)
    assert await store.save_macro(REFERENCE.macro) is False, "the night has loaded them"
    assert await store.series([*REFERENCE.macro.series, "NOPE"]) == dict(REFERENCE.macro.series)
    found = await store.regimes(date(2008, 10, 1), date(2008, 12, 31))
    assert [(s.regime.label, s.regime.confidence) for s in found] == [("deep_contraction", D("0.95"))]
    again = replace(found[0], dataset=REFERENCE.macro.digest)
    await store.save_regimes([again])
    assert await store.regimes(date(2008, 10, 1), date(2008, 12, 31)) == [again]


async def test_a_revision_replaces_the_values(
    db: Database, owner: asyncpg.Connection[asyncpg.Record], night: None
) -> None:
    store, gdp = PgMacroStore(db), REFERENCE.macro.series["GDP"]
    revised = replace(gdp, values=(*gdp.values[:-1], D("1")))
    digest = f"{uuid4().int:064x}"[:64]
    try:
        assert await store.save_macro(replace(REFERENCE.macro, digest=digest, series={"GDP": revised})) is True
        assert (await store.series(["GDP"]))["GDP"] == revised
    finally:
        back = f"{uuid4().int:064x}"[:64]
        assert await store.save_macro(replace(REFERENCE.macro, digest=back)) is True
    assert (await store.series(["GDP"]))["GDP"] == gdp
    assert await MacroService(store, REFERENCE).load() == "macro data unchanged"


async def test_ratings_are_replaced_and_listed(db: Database) -> None:
    store = PgRatingStore(db)
    company = REFERENCE.fundamentals["KO"].company
    assert company is not None
    rating = replace(rate(company), symbol=f"T{uuid4().hex[:8]}")
    await store.save_ratings([rating, replace(rating, fiscal_year=2022)], "1")
    await store.save_ratings([replace(rating, overall=D("1.00"))], "2")
    found = await store.rating_history(rating.symbol)
    assert [(r.fiscal_year, r.overall, r.dataset.strip()) for r in found] == [
        (2023, D("1.00"), "2"),
        (2022, D("6.97"), "1"),
    ]


async def _pack(db: Database) -> PackHeader:
    pack = await PgPackStore(db).newest()
    assert pack is not None
    return pack


@pytest.fixture
async def portfolio(db: Database, user: UUID) -> UUID:
    """An empty portfolio of the user."""
    async with db.as_user(user) as connection:
        await connection.execute("INSERT INTO users (id) VALUES ($1)", user)
        made = await connection.fetchval(
            "INSERT INTO portfolios (user_id, title, base_currency) VALUES ($1, 'P', 'USD') RETURNING id", user
        )
    assert isinstance(made, UUID)
    return made


async def test_results_are_replaced_by_a_rerun_and_are_nobody_elses(
    db: Database, night: None, user: UUID, portfolio: UUID
) -> None:
    store, pack = PgAnalysisStore(db), await _pack(db)
    start = pack.asof_date - timedelta(days=7)
    first = Performance(start, pack.asof_date, 5, D("0.1"), None, D("0.2"), None, D("-0.3"))
    held = [Holding(s, c, D(1), (D(1), D(2)), (D(1), D(3))) for s, c in (("A", "USD"), ("B", "EUR"))]
    tilts = {"growth": Tilt(D("0.5"), D(1)), "value": Tilt(None, D(0))}
    explained = Fit(60, D("0.1"), {"market": D("0.9")}, D("0.75"), {"market": D("0.75")}, D("0.25"))
    for run_no in (1, 2):
        await store.save_performance(user, portfolio, pack, replace(first, periods=run_no))
        await store.save_attribution(user, portfolio, pack, start, attribute_portfolio(held[: 3 - run_no]))
        await store.save_tilts(user, portfolio, pack, tilts)
        await store.save_regression(user, portfolio, pack, replace(explained, alpha=D(run_no)))
    (found,) = await store.metrics(user, portfolio, 10)
    assert (found.performance, found.pack_id, found.tilts) == (replace(first, periods=2), pack.id, tilts)
    assert found.regression == replace(explained, alpha=D(2))
    assert found.attribution == (start, attribute_portfolio(held[:1]).whole)
    async with db.as_user(user) as connection:
        lines = await connection.fetch("SELECT line FROM currency_attribution WHERE portfolio_id = $1", portfolio)
    assert {row["line"] for row in lines} == {"portfolio", "USD"}
    assert await store.metrics(uuid4(), portfolio, 10) == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _as_another(db, user, portfolio, pack)


async def _as_another(db: Database, user: UUID, portfolio: UUID, pack: PackHeader) -> None:
    """Plant a row with the victim's id from another user's transaction."""
    async with db.as_user(uuid4()) as connection:
        await connection.execute(
            "INSERT INTO factor_exposures (portfolio_id, user_id, asof_date, style, pricing_pack_id, coverage) "
            "VALUES ($1, $2, $3, 'x', $4, 0)",
            *(portfolio, user, pack.asof_date, pack.id),
        )


async def test_the_fresh_pack_of_each_day_is_the_last_written(db: Database, recorded_days: None) -> None:
    found = await PgPackStore(db).fresh_heads(date(2023, 4, 1), AFTER)
    days = [header.asof_date for header in found]
    assert days == sorted(set(days))
    assert {date(2023, 4, 28), BEFORE, AFTER} <= set(days)
    assert all(header.is_fresh for header in found)


async def test_the_database_refuses_impossible_results(owner: asyncpg.Connection[asyncpg.Record], night: None) -> None:
    assert await refused(owner, "INSERT INTO macro_observations VALUES ('GDP', '2020-01-02', 1)") == "23514"
    assert await refused(owner, "INSERT INTO macro_observations VALUES ('NOPE', '2020-01-01', 1)") == "23503"
    # NB: the owner is bound by row security too.
    state = await refused(
        owner,
        "INSERT INTO factor_exposures (portfolio_id, user_id, asof_date, style, pricing_pack_id, coverage) "
        "SELECT gen_random_uuid(), gen_random_uuid(), '2020-01-01', 'x', id, 0 FROM pricing_pack LIMIT 1",
    )
    assert state == "42501"
