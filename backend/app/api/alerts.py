"""/v1/alerts and /v1/notifications."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from app.api.alert_schemas import AlertMadeOut, AlertOut, NewAlertIn, NotificationOut
from app.api.decimal_json import DecimalJsonRoute
from app.api.dependencies import CurrentUser, ServicesDep

router = APIRouter(prefix="/v1", route_class=DecimalJsonRoute)


@router.post("/alerts", status_code=HTTPStatus.CREATED)
async def create(body: NewAlertIn, user: CurrentUser, services: ServicesDep) -> AlertMadeOut:
    """Make a rule. The answer holds the secret that signs its webhooks; it is not shown again."""
    return AlertMadeOut.made(await services.alerts.create(user, body.wanted()))


@router.get("/alerts")
async def rules(user: CurrentUser, services: ServicesDep) -> list[AlertOut]:
    """The caller's rules."""
    return [AlertOut.of(rule) for rule in await services.alerts.rules(user)]


@router.delete("/alerts/{alert_id}", status_code=HTTPStatus.NO_CONTENT)
async def remove(alert_id: UUID, user: CurrentUser, services: ServicesDep) -> Response:
    """Remove a rule; its notifications stay."""
    await services.alerts.remove(user, alert_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post("/alerts/{alert_id}/test", status_code=HTTPStatus.ACCEPTED)
async def test(alert_id: UUID, user: CurrentUser, services: ServicesDep) -> NotificationOut:
    """Send a test message to every recipient of a rule; the worker delivers it within moments.

    An hour has five of them to one recipient and ten to all: then 429, and `Retry-After` says when there may be more.
    """
    return NotificationOut.of(await services.alerts.test(user, alert_id), [])


@router.get("/notifications")
async def notifications(
    user: CurrentUser, services: ServicesDep, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> list[NotificationOut]:
    """Firings, newest first, with the status of each message."""
    return [NotificationOut.of(*found) for found in await services.alerts.notifications(user, limit)]
