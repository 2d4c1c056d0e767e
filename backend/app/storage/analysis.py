"""Results of the analysis in PostgreSQL: macro series, regimes and ratings for all, the rest behind the user."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from datetime import date
from decimal import Decimal
from uuid import UUID

import asyncpg

from app.core.attribution import Contribution, PortfolioAttribution
from app.core.money import plain
from app.core.pack import PackHeader
from app.core.performance import Performance
from app.core.ratings import METHOD, Rating, Score
from app.core.regime import Readings, Regime
from app.core.regression import Fit
from app.core.series import Series, SeriesInfo
from app.core.styles import Tilt
from app.services.analysis_ports import MacroData, RegimeSnapshot, StoredMetrics, StoredRating
from app.storage.db import Database


class PgMacroStore:
    """Implements services.analysis_ports.MacroStore."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def save_macro(self, data: MacroData) -> bool:
        """All series in one transaction; two loaders of one data set do not both do it."""
        async with self._db.transaction() as connection:
            new = await connection.fetchval(
                "INSERT INTO macro_dataset (sha256, vintage) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING TRUE",
                *(data.digest, data.vintage),
            )
            if not new:
                return False
            await connection.executemany(
                "INSERT INTO macro_series (id, title, units, frequency, origin, dataset) "
                "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET title = excluded.title, "
                "units = excluded.units, frequency = excluded.frequency, origin = excluded.origin, "
                "dataset = excluded.dataset",
                [(*astuple(one.info), data.digest) for _, one in sorted(data.series.items())],
            )
            # One statement for all values: a row at a time would take longer than a statement may.
            rows = [(name, one.period(i), v) for name, one in data.series.items() for i, v in enumerate(one.values)]
            await connection.execute(
                "INSERT INTO macro_observations (series_id, period, reading) "
                "SELECT * FROM unnest($1::text [], $2::date [], $3::numeric []) "
                "ON CONFLICT (series_id, period) DO UPDATE SET reading = excluded.reading",
                *([row[at] for row in rows] for at in range(3)),
            )
        return True

    async def series(self, ids: Sequence[str]) -> dict[str, Series]:
        """Whole series by id; an unknown one is left out."""
        async with self._db.connection() as connection:
            infos = await connection.fetch(
                "SELECT id, title, units, frequency, origin FROM macro_series WHERE id = ANY($1::text [])", list(ids)
            )
            rows = await connection.fetch(
                "SELECT series_id, min(period) AS start, array_agg(reading ORDER BY period) AS readings "
                "FROM macro_observations WHERE series_id = ANY($1::text []) GROUP BY series_id",
                list(ids),
            )
        values = {row["series_id"]: row for row in rows}
        return {
            info["id"]: Series(SeriesInfo(*info), values[info["id"]]["start"], tuple(values[info["id"]]["readings"]))
            for info in infos
        }

    async def save_regimes(self, snapshots: Sequence[RegimeSnapshot]) -> None:
        """Insert or replace by quarter and method."""
        async with self._db.transaction() as connection:
            await connection.executemany(
                "INSERT INTO macro_regime_snapshots (quarter, method, label, confidence, gdp_yoy, gdp_saar, "
                "unemployment, unemployment_change, sahm, curve, production, dataset) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
                "ON CONFLICT (quarter, method) DO UPDATE SET label = excluded.label, "
                "confidence = excluded.confidence, gdp_yoy = excluded.gdp_yoy, gdp_saar = excluded.gdp_saar, "
                "unemployment = excluded.unemployment, unemployment_change = excluded.unemployment_change, "
                "sahm = excluded.sahm, curve = excluded.curve, production = excluded.production, "
                "dataset = excluded.dataset",
                [
                    (s.quarter, s.method, s.regime.label, s.regime.confidence, *astuple(s.readings), s.dataset)
                    for s in snapshots
                ],
            )

    async def regimes(self, start: date, end: date) -> list[RegimeSnapshot]:
        """By quarter, ascending."""
        async with self._db.connection() as connection:
            rows = await connection.fetch(
                "SELECT quarter, label, confidence, method, dataset, gdp_yoy, gdp_saar, unemployment, "
                "unemployment_change, sahm, curve, production "
                "FROM macro_regime_snapshots WHERE quarter BETWEEN $1 AND $2 ORDER BY quarter, method",
                *(start, end),
            )
        return [
            RegimeSnapshot(
                row["quarter"],
                Regime(row["label"], row["confidence"]),
                Readings(*tuple(row)[5:]),
                row["method"],
                row["dataset"],
            )
            for row in rows
        ]


class PgRatingStore:
    """Implements services.analysis_ports.RatingStore."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def save_ratings(self, ratings: Sequence[Rating], dataset: str) -> None:
        """Insert or replace by symbol, method and fiscal year."""
        async with self._db.transaction() as connection:
            await connection.executemany(
                "INSERT INTO ratings (symbol, method, fiscal_year, dividend_safety, moat, resilience, overall, "
                "inputs_json, dataset) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
                "ON CONFLICT (symbol, method, fiscal_year) DO UPDATE SET dividend_safety = excluded.dividend_safety, "
                "moat = excluded.moat, resilience = excluded.resilience, overall = excluded.overall, "
                "inputs_json = excluded.inputs_json, dataset = excluded.dataset, rated_at = now()",
                [
                    (
                        r.symbol,
                        METHOD,
                        r.fiscal_year,
                        *(s.score for s in _scores(r).values()),
                        r.overall,
                        _inputs(r),
                        dataset,
                    )
                    for r in ratings
                ],
            )

    async def rating_history(self, symbol: str) -> list[StoredRating]:
        """Newest fiscal year first."""
        async with self._db.connection() as connection:
            rows = await connection.fetch(
                "SELECT symbol, method, fiscal_year, overall, dataset FROM ratings WHERE symbol = $1 "
                "ORDER BY fiscal_year DESC, method",
                symbol,
            )
        return [StoredRating(*row) for row in rows]


def _scores(rating: Rating) -> dict[str, Score]:
    return {"dividend_safety": rating.dividend_safety, "moat": rating.moat, "resilience": rating.resilience}


def _inputs(rating: Rating) -> str:
    return json.dumps(
        {
            area: {
                name: {"value": None if part.value is None else plain(part.value), "score": plain(part.score)}
                for name, part in score.components.items()
            }
            for area, score in _scores(rating).items()
        },
        sort_keys=True,
    )


METRICS = """
SELECT
    m.asof_date, m.pricing_pack_id, m.start_date, m.periods, m.twr, m.annualised, m.volatility, m.sharpe, m.mwr,
    a.start_date AS since, a.weight, a.local_return, a.fx_return, a.interaction,
    r.observations, r.alpha, r.r_squared, r.residual, r.betas_json, r.variance_share_json
FROM portfolio_metrics AS m
LEFT JOIN currency_attribution AS a
    ON a.portfolio_id = m.portfolio_id AND a.asof_date = m.asof_date AND a.line = 'portfolio'
LEFT JOIN factor_regressions AS r ON r.portfolio_id = m.portfolio_id AND r.asof_date = m.asof_date
WHERE m.portfolio_id = $1 ORDER BY m.asof_date DESC LIMIT $2
"""


class PgAnalysisStore:
    """Implements services.analysis_ports.AnalysisStore."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def save_performance(self, user_id: UUID, portfolio_id: UUID, pack: PackHeader, result: Performance) -> None:
        """One row per portfolio and date."""
        r = result
        async with self._db.as_user(user_id) as connection:
            await connection.execute(
                "INSERT INTO portfolio_metrics (portfolio_id, user_id, asof_date, pricing_pack_id, start_date, "
                "periods, twr, annualised, volatility, sharpe, mwr) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
                "ON CONFLICT (portfolio_id, asof_date) DO UPDATE SET pricing_pack_id = excluded.pricing_pack_id, "
                "start_date = excluded.start_date, periods = excluded.periods, twr = excluded.twr, "
                "annualised = excluded.annualised, volatility = excluded.volatility, sharpe = excluded.sharpe, "
                "mwr = excluded.mwr",
                *(portfolio_id, user_id, pack.asof_date, pack.id, r.start, r.periods, r.twr),
                *(r.annualised, r.volatility, r.sharpe, r.mwr),
            )

    async def save_attribution(
        self, user_id: UUID, portfolio_id: UUID, pack: PackHeader, start: date, result: PortfolioAttribution
    ) -> None:
        """The whole and each currency; lines of an earlier run of the same date go."""
        async with self._db.as_user(user_id) as connection:
            await connection.execute(
                "DELETE FROM currency_attribution WHERE portfolio_id = $1 AND asof_date = $2",
                *(portfolio_id, pack.asof_date),
            )
            await connection.executemany(
                "INSERT INTO currency_attribution (portfolio_id, user_id, asof_date, line, pricing_pack_id, "
                "start_date, weight, local_return, fx_return, interaction) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                [
                    (
                        portfolio_id,
                        user_id,
                        pack.asof_date,
                        c.name,
                        pack.id,
                        start,
                        c.weight,
                        c.local,
                        c.fx,
                        c.interaction,
                    )
                    for c in (result.whole, *result.currencies)
                ],
            )

    async def save_tilts(self, user_id: UUID, portfolio_id: UUID, pack: PackHeader, tilts: Mapping[str, Tilt]) -> None:
        """One row per style."""
        async with self._db.as_user(user_id) as connection:
            await connection.executemany(
                "INSERT INTO factor_exposures (portfolio_id, user_id, asof_date, style, pricing_pack_id, tilt, "
                "coverage) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (portfolio_id, asof_date, style) DO UPDATE "
                "SET pricing_pack_id = excluded.pricing_pack_id, tilt = excluded.tilt, coverage = excluded.coverage",
                [
                    (portfolio_id, user_id, pack.asof_date, style, pack.id, tilt.tilt, tilt.coverage)
                    for style, tilt in sorted(tilts.items())
                ],
            )

    async def save_regression(self, user_id: UUID, portfolio_id: UUID, pack: PackHeader, result: Fit) -> None:
        """One row per portfolio and date."""
        async with self._db.as_user(user_id) as connection:
            await connection.execute(
                "INSERT INTO factor_regressions (portfolio_id, user_id, asof_date, pricing_pack_id, observations, "
                "alpha, r_squared, residual, betas_json, variance_share_json) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (portfolio_id, asof_date) DO UPDATE "
                "SET pricing_pack_id = excluded.pricing_pack_id, observations = excluded.observations, "
                "alpha = excluded.alpha, r_squared = excluded.r_squared, residual = excluded.residual, "
                "betas_json = excluded.betas_json, variance_share_json = excluded.variance_share_json",
                *(portfolio_id, user_id, pack.asof_date, pack.id, result.observations, result.alpha),
                *(result.r_squared, result.residual, _by_factor(result.betas), _by_factor(result.variance_share)),
            )

    async def metrics(self, user_id: UUID, portfolio_id: UUID, limit: int) -> list[StoredMetrics]:
        """Newest first."""
        async with self._db.as_user(user_id, snapshot=True) as connection:
            rows = await connection.fetch(METRICS, portfolio_id, limit)
            styles = await connection.fetch(
                "SELECT asof_date, style, tilt, coverage FROM factor_exposures "
                "WHERE portfolio_id = $1 AND asof_date = ANY($2::date [])",
                *(portfolio_id, [row["asof_date"] for row in rows]),
            )
        return [_metrics(row, [s for s in styles if s["asof_date"] == row["asof_date"]]) for row in rows]


def _by_factor(numbers: Mapping[str, Decimal]) -> str:
    return json.dumps({name: plain(number) for name, number in numbers.items()}, sort_keys=True)


def _factors(text: str) -> dict[str, Decimal]:
    return {name: Decimal(number) for name, number in json.loads(text).items()}


def _regression(row: asyncpg.Record) -> Fit | None:
    if row["observations"] is None:
        return None
    return Fit(
        row["observations"],
        row["alpha"],
        _factors(row["betas_json"]),
        row["r_squared"],
        _factors(row["variance_share_json"]),
        row["residual"],
    )


def _metrics(row: asyncpg.Record, styles: Sequence[asyncpg.Record]) -> StoredMetrics:
    performance = Performance(
        row["start_date"],
        row["asof_date"],
        *(row[name] for name in ("periods", "twr", "annualised", "volatility", "sharpe", "mwr")),
    )
    attribution = None
    if row["since"] is not None:
        parts = (row[name] for name in ("weight", "local_return", "fx_return", "interaction"))
        attribution = (row["since"], Contribution("portfolio", *parts))
    tilts = {s["style"]: Tilt(s["tilt"], s["coverage"]) for s in styles}
    return StoredMetrics(row["asof_date"], row["pricing_pack_id"], performance, attribution, tilts, _regression(row))
