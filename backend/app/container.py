"""The one place where ports meet adapters. Nothing connects here; the first use of each adapter does."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.services.cache import OptionalCache
from app.services.portfolios import PortfolioService
from app.services.ports import FxHistory, JobLog, PackStore, Probe, TenantStore
from app.settings import Settings
from app.storage.cache import RedisCache
from app.storage.db import Database
from app.storage.ecb import EcbHistory
from app.storage.jobs import PgJobLog
from app.storage.packs import PgPackStore
from app.storage.tenants import PgTenantStore


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


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Services]:
    """Services over PostgreSQL and Redis, closed on leaving."""
    database = Database(settings.database_url)
    redis = RedisCache(settings.redis_url)
    cache = OptionalCache(redis, time.monotonic)
    tenants = PgTenantStore(database)
    packs = PgPackStore(database)
    jobs = PgJobLog(database, settings.git_sha, settings.deployment_id)
    fx = EcbHistory()
    portfolios = PortfolioService(tenants, packs, jobs, cache, fx)
    try:
        yield Services(settings, tenants, packs, jobs, cache, database, portfolios, fx)
    finally:
        await redis.close()
        await database.close()
