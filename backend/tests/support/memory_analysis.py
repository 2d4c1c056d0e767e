"""The ports of the analysis in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from app.core.attribution import Contribution, PortfolioAttribution
from app.core.pack import PackHeader
from app.core.performance import Performance
from app.core.ratings import METHOD, Rating
from app.core.regression import Fit
from app.core.series import Series
from app.core.styles import Tilt
from app.services.analysis import AnalysisStores
from app.services.analysis_ports import MacroData, RegimeSnapshot, StoredMetrics, StoredRating

Key = tuple[UUID, UUID, date]


class MemoryAnalysis:
    """services.analysis_ports.{MacroStore, RatingStore, AnalysisStore}; results are kept by user and portfolio."""

    def __init__(self) -> None:
        self.digests: list[str] = []
        self.known: dict[str, Series] = {}
        self.snapshots: dict[date, RegimeSnapshot] = {}
        self.rated: dict[tuple[str, int], StoredRating] = {}
        self.performances: dict[Key, tuple[str, Performance]] = {}
        self.attributions: dict[Key, tuple[date, PortfolioAttribution]] = {}
        self.tilts: dict[Key, Mapping[str, Tilt]] = {}
        self.regressions: dict[Key, Fit] = {}

    def all(self) -> AnalysisStores:
        """This object behind each of the three ports."""
        return AnalysisStores(self, self, self)

    async def save_macro(self, data: MacroData) -> bool:
        if data.digest in self.digests:
            return False
        self.digests.append(data.digest)
        self.known.update(data.series)
        return True

    async def series(self, ids: Sequence[str]) -> dict[str, Series]:
        return {name: self.known[name] for name in ids if name in self.known}

    async def save_regimes(self, snapshots: Sequence[RegimeSnapshot]) -> None:
        self.snapshots.update({s.quarter: s for s in snapshots})

    async def regimes(self, start: date, end: date) -> list[RegimeSnapshot]:
        return [s for quarter, s in sorted(self.snapshots.items()) if start <= quarter <= end]

    async def save_ratings(self, ratings: Sequence[Rating], dataset: str) -> None:
        for r in ratings:
            self.rated[r.symbol, r.fiscal_year] = StoredRating(r.symbol, METHOD, r.fiscal_year, r.overall, dataset)

    async def rating_history(self, symbol: str) -> list[StoredRating]:
        found = [r for (name, _), r in self.rated.items() if name == symbol]
        return sorted(found, key=lambda r: -r.fiscal_year)

    async def save_performance(self, user_id: UUID, portfolio_id: UUID, pack: PackHeader, result: Performance) -> None:
        self.performances[user_id, portfolio_id, pack.asof_date] = pack.id, result

    async def save_attribution(
        self, user_id: UUID, portfolio_id: UUID, pack: PackHeader, start: date, result: PortfolioAttribution
    ) -> None:
        self.attributions[user_id, portfolio_id, pack.asof_date] = start, result

    async def save_tilts(self, user_id: UUID, portfolio_id: UUID, pack: PackHeader, tilts: Mapping[str, Tilt]) -> None:
        self.tilts[user_id, portfolio_id, pack.asof_date] = tilts

    async def save_regression(self, user_id: UUID, portfolio_id: UUID, pack: PackHeader, result: Fit) -> None:
        self.regressions[user_id, portfolio_id, pack.asof_date] = result

    async def metrics(self, user_id: UUID, portfolio_id: UUID, limit: int) -> list[StoredMetrics]:
        mine = sorted((key for key in self.performances if key[:2] == (user_id, portfolio_id)), reverse=True)
        return [self._metrics(key) for key in mine[:limit]]

    def _metrics(self, key: Key) -> StoredMetrics:
        pack_id, performance = self.performances[key]
        split: tuple[date, Contribution] | None = None
        if key in self.attributions:
            start, attribution = self.attributions[key]
            split = start, attribution.whole
        return StoredMetrics(key[2], pack_id, performance, split, self.tilts.get(key, {}), self.regressions.get(key))
