"""The ports of the analysis, besides those in `ports`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from app.core.attribution import Contribution, PortfolioAttribution
from app.core.pack import PackHeader
from app.core.performance import Performance
from app.core.ratings import Company, Rating
from app.core.regime import Readings, Regime
from app.core.regression import Fit
from app.core.scenario import Episode
from app.core.series import Series
from app.core.styles import Tilt


@dataclass(frozen=True, slots=True)
class MacroData:
    """All macro-economic series, with the digest of the document they came from and the day they were revised."""

    digest: str
    vintage: date
    series: Mapping[str, Series]


@dataclass(frozen=True, slots=True)
class Fundamental:
    """What is known of one security: its statements and, where there are judgements and a streak, a company to rate."""

    symbol: str
    source: str
    company: Company | None
    shares: Decimal | None
    net_income: Decimal
    equity: Decimal


@dataclass(frozen=True, slots=True)
class ReferenceData:
    """The packaged documents, read and checked."""

    macro: MacroData
    episodes: Mapping[str, tuple[Episode, ...]]
    episodes_digest: str
    fundamentals: Mapping[str, Fundamental]
    fundamentals_digest: str


@dataclass(frozen=True, slots=True)
class RegimeSnapshot:
    """The regime of a quarter as it was computed."""

    quarter: date
    regime: Regime
    readings: Readings
    method: str
    dataset: str


class MacroStore(Protocol):
    """Series and regimes: global, read by everybody, written by the night."""

    # True if it was stored, False if the data set of this digest is already there.
    async def save_macro(self, data: MacroData) -> bool: ...
    async def series(self, ids: Sequence[str]) -> dict[str, Series]: ...
    async def save_regimes(self, snapshots: Sequence[RegimeSnapshot]) -> None: ...
    async def regimes(self, start: date, end: date) -> list[RegimeSnapshot]: ...


@dataclass(frozen=True, slots=True)
class StoredRating:
    """One line of a company's rating history."""

    symbol: str
    method: str
    fiscal_year: int
    overall: Decimal
    dataset: str


class RatingStore(Protocol):
    """Ratings by symbol, method and fiscal year; computed again from a corrected document, they are replaced."""

    async def save_ratings(self, ratings: Sequence[Rating], dataset: str) -> None: ...

    # Newest fiscal year first.
    async def rating_history(self, symbol: str) -> list[StoredRating]: ...


@dataclass(frozen=True, slots=True)
class StoredMetrics:
    """What a night found for one portfolio; figures that could not be told are None."""

    asof: date
    pack_id: str
    performance: Performance
    attribution: tuple[date, Contribution] | None
    tilts: Mapping[str, Tilt]
    regression: Fit | None = None


class AnalysisStore(Protocol):
    """Results of one portfolio, behind row-level security; a rerun of the night replaces them."""

    async def save_performance(
        self, user_id: UUID, portfolio_id: UUID, pack: PackHeader, result: Performance
    ) -> None: ...

    # `start` is the day of the pack before; the lines are the whole and the currencies.
    async def save_attribution(
        self, user_id: UUID, portfolio_id: UUID, pack: PackHeader, start: date, result: PortfolioAttribution
    ) -> None: ...
    async def save_tilts(
        self, user_id: UUID, portfolio_id: UUID, pack: PackHeader, tilts: Mapping[str, Tilt]
    ) -> None: ...
    async def save_regression(self, user_id: UUID, portfolio_id: UUID, pack: PackHeader, result: Fit) -> None: ...

    # Newest first.
    async def metrics(self, user_id: UUID, portfolio_id: UUID, limit: int) -> list[StoredMetrics]: ...
