"""The OpenAPI document, completed with the error responses that all routes share.

A route declares its success response. The error responses are the same for all routes, so they are added here, also for
future routes.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.api.problems import MEDIA_TYPE

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}, "description": "Where a request is not valid."},
    },
}
REFUSALS = {
    HTTPStatus.BAD_REQUEST: "The body is not JSON.",
    HTTPStatus.UNAUTHORIZED: "No valid bearer token.",
    HTTPStatus.FORBIDDEN: "The rights of a data provider do not allow it.",
    HTTPStatus.NOT_FOUND: "It does not exist, or it is not yours: the two cannot be told apart.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request is not valid, or breaks a rule.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests, or too many test messages; see Retry-After.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database, the ledger or the first pricing pack is not there; see Retry-After.",
}
OPEN_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE)


def install(app: FastAPI) -> None:
    """Replace the document by the completed one, which is made at the first request for it."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(get_openapi(title=app.title, version=app.version, routes=app.routes))
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # the documented way to extend it


def _complete(schema: dict[str, Any]) -> dict[str, Any]:
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    # FastAPI describes its own form of 422, which this service never sends.
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    for path, methods in schema["paths"].items():
        protected = path.startswith("/v1/")
        for operation in methods.values():
            refusals = REFUSALS if protected else OPEN_REFUSALS
            if protected:
                operation["security"] = [{"bearer": []}]
            operation["responses"] |= {str(int(status)): _refusal(status) for status in refusals}
    return schema


def _refusal(status: HTTPStatus) -> dict[str, Any]:
    return {
        "description": REFUSALS[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
