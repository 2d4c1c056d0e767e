"""The services of the analysis, put together from their ports."""

from __future__ import annotations

from dataclasses import dataclass

from app.services.analysis_ports import AnalysisStore, MacroStore, RatingStore, ReferenceData
from app.services.exposure import ExposureService
from app.services.macro import MacroService
from app.services.performance import PackHistory, PerformanceService
from app.services.ports import JobLog, PackStore, TenantStore
from app.services.quality import QualityService


@dataclass(frozen=True, slots=True)
class AnalysisStores:
    """Where results are kept."""

    macro: MacroStore
    ratings: RatingStore
    results: AnalysisStore


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything an endpoint or a job may ask about returns, exposures, the economy and companies."""

    performance: PerformanceService
    exposure: ExposureService
    macro: MacroService
    quality: QualityService

    @classmethod
    def over(
        cls, tenants: TenantStore, packs: PackStore, jobs: JobLog, stores: AnalysisStores, reference: ReferenceData
    ) -> Analysis:
        """All four, sharing the packs they have read."""
        history = PackHistory(packs)
        return cls(
            PerformanceService(tenants, history, stores.results),
            ExposureService(tenants, packs, jobs, history, stores.results, reference),
            MacroService(stores.macro, reference),
            QualityService(stores.ratings, reference),
        )
