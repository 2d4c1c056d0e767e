"""Failures as application/problem+json (RFC 9457). One table says which error has which status."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.core import errors
from app.services.alerting import AlertRefusedError
from app.services.exports import ExportRefusedError
from app.services.provider_ports import ProviderUnavailableError

MEDIA_TYPE = "application/problem+json"
STATUS: dict[type[errors.DawsosError], HTTPStatus] = {
    errors.AuthError: HTTPStatus.UNAUTHORIZED,
    errors.RateLimitedError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.LedgerUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.TradeRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.AnalysisError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnpricedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotReadyError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.PackWarmingError: HTTPStatus.SERVICE_UNAVAILABLE,
    AlertRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ExportRefusedError: HTTPStatus.FORBIDDEN,
    ProviderUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StoreUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}
HEADERS: dict[HTTPStatus, dict[str, str]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": 'Bearer realm="dawsos"'},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "1"},
}


def problem(status: HTTPStatus, detail: str, **extra: object) -> Response:
    """A problem document; `type` is about:blank because the status says it all."""
    body = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail, **extra}
    return Response(json.dumps(body), status, HEADERS.get(status), MEDIA_TYPE)


async def _expected(_: Request, error: Exception) -> Response:
    # An error without a row is a bug, and its text may name internals.
    status = STATUS.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)  # type: ignore[arg-type]
    detail = "internal error" if status is HTTPStatus.INTERNAL_SERVER_ERROR else str(error)
    answer = problem(status, detail)
    if isinstance(error, errors.RateLimitedError):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


async def _http(_: Request, error: Exception) -> Response:
    failure = cast("HTTPException", error)  # registered for this type only
    answer = problem(HTTPStatus(failure.status_code), str(failure.detail))
    # Such as Allow, without which a 405 is not complete.
    answer.headers.update(failure.headers or {})
    return answer


async def _invalid(_: Request, error: Exception) -> Response:
    invalid = cast("RequestValidationError", error)  # registered for this type only
    # The input is left out: it may contain secrets.
    found = [{"where": ".".join(str(part) for part in e["loc"]), "what": e["msg"]} for e in invalid.errors()]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "the request is not valid", errors=found)


async def _bug(_: Request, __: Exception) -> Response:
    # Starlette raises the error again after this answer, so the server's log has the traceback.
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(errors.DawsosError, _expected)
    app.add_exception_handler(Exception, _bug)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
