"""Builds the ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from app.api import alerts, analysis, bookings, health, macro, market, openapi, portfolios, pricing, problems, quality
from app.api.body_limit import BodyLimitMiddleware
from app.api.telemetry import MetricsMiddleware, Telemetry
from app.api.tracing import TracingMiddleware
from app.services.context import Services
from app.settings import Settings

Connect = Callable[[Settings], AbstractAsyncContextManager[Services]]


def create_app(settings: Settings, connect: Connect) -> FastAPI:
    """The ASGI application; `connect` opens the services for as long as it runs."""
    telemetry = Telemetry(settings.git_sha, settings.deployment_id)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with connect(settings) as services:
            app.state.services = services
            app.state.telemetry = telemetry
            yield

    app = FastAPI(title="DawsOS", version=settings.git_sha, lifespan=lifespan)
    problems.install(app)
    openapi.install(app)
    app.add_middleware(BodyLimitMiddleware, max_bytes=settings.max_body_bytes)
    app.add_middleware(MetricsMiddleware, telemetry=telemetry)
    app.add_middleware(TracingMiddleware)
    for module in (health, portfolios, bookings, pricing, analysis, macro, quality, alerts, market):
        app.include_router(module.router)
    return app
