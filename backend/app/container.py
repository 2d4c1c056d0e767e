"""The composition root: builds the services over their adapters, which connect when they are first used."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.container_clients import open_clients, utc_now
from app.services.alerting import AlertService
from app.services.analysis import Analysis, AnalysisStores
from app.services.bookings import BookingService
from app.services.cache import OptionalCache
from app.services.context import Services
from app.services.delivery import DeliveryService
from app.services.exports import ExportService
from app.services.journals import Journals
from app.services.market import MarketService
from app.services.portfolios import PortfolioService
from app.services.rate_limit import RateLimiter
from app.services.reconciliation import Reconciler
from app.services.reference import load_reference
from app.services.tracing import query_span
from app.settings import Settings
from app.storage.alerts import PgAlertStore
from app.storage.analysis import PgAnalysisStore, PgMacroStore, PgRatingStore
from app.storage.beancount import read_journal
from app.storage.cache import RedisCache
from app.storage.db import Database
from app.storage.ecb import EcbHistory
from app.storage.jobs import PgJobLog
from app.storage.ledger import GitLedger
from app.storage.locks import PgMutex
from app.storage.packs import PgPackStore
from app.storage.rights import PgRights
from app.storage.tenants import PgTenantStore


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Services]:
    """Services over PostgreSQL and Redis, closed on leaving."""
    on_query = query_span if settings.clients.otlp_endpoint else None
    database = Database(settings.database_url, settings.db_pool_max, settings.db_query_seconds, on_query)
    redis = RedisCache(settings.redis_url)
    cache = OptionalCache(redis, time.monotonic)
    tenants = PgTenantStore(database)
    packs = PgPackStore(database)
    jobs = PgJobLog(database, settings.git_sha, settings.deployment_id)
    fx = EcbHistory()
    clock = utc_now
    ledger = GitLedger(settings.ledger_dir)
    journals = Journals(tenants, ledger)
    bookings = BookingService(tenants, packs, fx, journals, clock)
    reconciler = Reconciler(tenants, journals, read_journal)
    portfolios = PortfolioService(tenants, packs, jobs, cache)
    limiter = RateLimiter(cache, clock, settings.rate_limit_per_minute)
    stores = AnalysisStores(PgMacroStore(database), PgRatingStore(database), PgAnalysisStore(database))
    analysis = Analysis.over(tenants, packs, jobs, stores, load_reference())
    alert_store = PgAlertStore(database)
    try:
        async with open_clients(settings.clients) as clients:
            yield Services(
                settings=settings,
                tenants=tenants,
                packs=packs,
                jobs=jobs,
                cache=cache,
                database=database,
                portfolios=portfolios,
                fx=fx,
                bookings=bookings,
                reconciler=reconciler,
                ledger=ledger,
                limiter=limiter,
                analysis=analysis,
                alerts=AlertService(alert_store, tenants, portfolios, clock, mail=bool(settings.clients.smtp_url)),
                deliveries=DeliveryService(alert_store, tenants, clients.senders, clock, clients.deliveries),
                market=MarketService(clients.providers, cache, clock),
                exports=ExportService(portfolios, packs, PgRights(database)),
                mutex=PgMutex(database),
                registry=clients.registry,
            )
    finally:
        await redis.close()
        await database.close()
