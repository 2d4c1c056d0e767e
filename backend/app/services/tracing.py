"""Spans through the OpenTelemetry API. Without a configured provider (app.tracing) these functions do nothing.

The names are `http.request`, `db.query`, `cache.get`, `calculation`, `job` and `alert.deliver`. Work that
outlives its request stores the W3C traceparent, so that it belongs to the trace of that request.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

PROPAGATOR = TraceContextTextMapPropagator()


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator[trace.Span]:
    """A span around a block; an exception that leaves the block marks it as failed."""
    with trace.get_tracer("dawsos").start_as_current_span(name, attributes=attributes) as opened:
        yield opened


@contextmanager
def from_traceparent(traceparent: str | None) -> Iterator[None]:
    """Continue the trace of a stored traceparent within the block; None keeps the current trace."""
    if traceparent is None:
        yield
        return
    token = context.attach(PROPAGATOR.extract({"traceparent": traceparent}, context.Context()))
    try:
        yield
    finally:
        context.detach(token)


def query_span(statement: str, seconds: float, error: BaseException | None) -> None:
    """Record a `db.query` span for a statement that has ended. It leaves out the values, which are a user's data."""
    # Only statements within a trace are recorded: polling loops have none, and would fill the collector.
    if not trace.get_current_span().get_span_context().is_valid:
        return
    end = time.time_ns()
    made = trace.get_tracer("dawsos").start_span(
        "db.query",
        kind=trace.SpanKind.CLIENT,
        attributes={"db.system.name": "postgresql", "db.query.text": " ".join(statement.split())[:300]},
        start_time=end - int(seconds * 1e9),
    )
    if error is not None:
        made.set_status(trace.StatusCode.ERROR, type(error).__name__)
    made.end(end)


def current_traceparent() -> str | None:
    """The W3C traceparent of the current span, None outside of any."""
    carrier: dict[str, str] = {}
    PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")
