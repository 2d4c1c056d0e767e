"""The services of one process, as endpoints, jobs and the worker get them.

`app.container` builds them over PostgreSQL, Redis and the clients; the unit tests build them in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from prometheus_client import CollectorRegistry

from app.services.alert_ports import Mutex
from app.services.alerting import AlertService
from app.services.analysis import Analysis
from app.services.bookings import BookingService
from app.services.cache import OptionalCache
from app.services.delivery import DeliveryService
from app.services.exports import ExportService
from app.services.market import MarketService
from app.services.nightly import JobContext
from app.services.portfolios import PortfolioService
from app.services.ports import FxHistory, JobLog, JournalStore, PackStore, Probe, TenantStore
from app.services.rate_limit import RateLimiter
from app.services.reconciliation import Reconciler
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Everything an endpoint or a job may use."""

    settings: Settings
    tenants: TenantStore
    packs: PackStore
    jobs: JobLog
    cache: OptionalCache
    database: Probe
    portfolios: PortfolioService
    fx: FxHistory
    bookings: BookingService
    reconciler: Reconciler
    ledger: JournalStore
    limiter: RateLimiter
    analysis: Analysis
    alerts: AlertService
    deliveries: DeliveryService
    market: MarketService
    exports: ExportService
    mutex: Mutex
    # Metrics of providers, deliveries and nights. Those of requests belong to the application that answers them.
    registry: CollectorRegistry

    def night(self, asof: date) -> JobContext:
        """What the nightly jobs of one date work with."""
        return JobContext(
            asof=asof,
            market_data=self.settings.market_data,
            tenants=self.tenants,
            packs=self.packs,
            jobs=self.jobs,
            portfolios=self.portfolios,
            fx=self.fx,
            reconciler=self.reconciler,
            analysis=self.analysis,
            alerts=self.alerts,
        )
