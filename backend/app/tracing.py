"""Where spans go: to the OTLP collector that OTEL_EXPORTER_OTLP_ENDPOINT names, or nowhere.

The sampler is chosen by the standard variables (OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG). A caller's sampled
traceparent is followed in any case when the sampler is a parent-based one.
"""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from app.settings import Settings

# A trace is looked at soon after the request, and a burst of spans should not wait for a full batch.
EXPORT_MILLISECONDS = 1000


def configure(settings: Settings, role: str) -> Callable[[], None]:
    """Send this process's spans out, if there is an address; what is returned sends the last ones and ends it."""
    if not settings.clients.otlp_endpoint:
        return lambda: None
    resource = Resource.create(
        {
            "service.name": f"dawsos-{role}",
            "service.version": settings.git_sha,
            "service.instance.id": settings.deployment_id,
        }
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    # The exporter reads the address from the variable itself, as every OTLP exporter does.
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=EXPORT_MILLISECONDS))
    trace.set_tracer_provider(provider)
    return provider.shutdown
