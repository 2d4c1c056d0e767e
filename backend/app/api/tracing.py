"""One span per request, as part of the caller's trace when it sent a W3C traceparent."""

from __future__ import annotations

from opentelemetry import context, trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.telemetry import METHODS, UNMATCHED
from app.services.tracing import PROPAGATOR

SERVER_ERROR = 500


class TracingMiddleware:
    """Pure ASGI, so that the span is current in the endpoint itself and everything it awaits."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open the span, pass the request on, name the span by the route template that matched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        parent = PROPAGATOR.extract(headers, context.Context())
        tracer = trace.get_tracer("dawsos")
        with tracer.start_as_current_span("http.request", parent, kind=trace.SpanKind.SERVER) as span:

            async def observed(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= SERVER_ERROR:
                        span.set_status(trace.StatusCode.ERROR)
                await send(message)

            try:
                await self._app(scope, receive, observed)
            finally:
                method = scope["method"] if scope["method"] in METHODS else "OTHER"
                span.set_attribute("http.request.method", method)
                span.set_attribute("http.route", getattr(scope.get("route"), "path", UNMATCHED))
