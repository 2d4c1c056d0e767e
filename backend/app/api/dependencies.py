"""The dependencies of endpoints."""

from __future__ import annotations

from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Request

from app.api import auth
from app.services.context import Services


def services(request: Request) -> Services:
    """The services of this application, put there by its lifespan."""
    return cast("Services", request.app.state.services)


async def user(request: Request) -> UUID:
    """The authenticated user; 401 without a valid token, 429 above the rate limit."""
    found = services(request)
    user_id = auth.verify(found.settings.jwt_secret, auth.bearer(request.headers.get("authorization")))
    await found.limiter.count(user_id)
    return user_id


ServicesDep = Annotated[Services, Depends(services)]
CurrentUser = Annotated[UUID, Depends(user)]
