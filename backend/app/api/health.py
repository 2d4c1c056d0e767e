"""Health and metrics: open to the platform, no token."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.api.dependencies import ServicesDep
from app.api.problems import problem
from app.api.telemetry import ScrapeFacts
from app.core.errors import PackWarmingError, StoreUnavailableError
from app.services import packs, reconciliation

router = APIRouter()


@router.get("/health")
async def health(services: ServicesDep) -> dict[str, str]:
    """Liveness. It needs no other server, so that a database outage does not restart a healthy process."""
    return {"status": "healthy", "version": services.settings.git_sha}


@router.get("/health/ready")
async def ready(services: ServicesDep) -> Response:
    """Readiness. Without Redis answers are slower but correct (`degraded`); without the database it is not ready."""
    cache = await services.cache.available()
    try:
        await services.database.ping()
    except StoreUnavailableError as error:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), database="down", redis="up" if cache else "down")
    return JSONResponse(
        {
            "status": "ready" if cache else "degraded",
            "database": "up",
            "redis": "up" if cache else "down",
            # An unavailable provider does not affect readiness: quotes come from the cache, marked stale.
            "providers": services.market.states(),
        }
    )


@router.get("/health/pack")
async def pack(services: ServicesDep) -> dict[str, Any]:
    """State of the pricing pack: warming until the first is fresh, error when the newest build failed."""
    try:
        served = await packs.current(services.packs, services.jobs)
    except PackWarmingError:
        return {"status": "warming", "pack_id": None, "is_fresh": False, "updated_at": None}
    attempt = await services.jobs.last_attempt(packs.BUILD_JOB)
    failed = attempt is not None and attempt.status == "failed"
    status = "error" if failed else "warming" if served.stale else "fresh"
    return {
        "status": status,
        "pack_id": served.pack.id,
        "is_fresh": not served.stale,
        "updated_at": served.pack.created_at.isoformat(),
    }


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={HTTPStatus.OK: {"content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request, services: ServicesDep) -> Response:
    """Prometheus exposition. It answers without the database too, because metrics matter most in an outage."""
    facts: ScrapeFacts | None
    try:
        facts = ScrapeFacts(
            await services.jobs.of_deployment(packs.BUILD_JOB),
            await services.jobs.of_deployment(reconciliation.RECONCILE_JOB),
            await services.packs.newest(),
        )
    except StoreUnavailableError:
        facts = None
    services.market.states()
    text = request.app.state.telemetry.render(facts) + generate_latest(services.registry)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
