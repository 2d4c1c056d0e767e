"""Prometheus metrics of providers and deliveries, by the names and buckets that dashboards and alert rules use."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.services.alert_ports import Method
from app.services.provider_ports import Endpoint

DELIVERY_BUCKETS = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
LATENCY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class ProviderMetrics:
    """Implements services.provider_ports.ProviderMeter."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "provider_requests_total", "Calls to data providers.", ["provider", "endpoint", "status"], registry=registry
        )
        self._latency = Histogram(
            "provider_latency_seconds", "Time of a call.", ["provider"], buckets=LATENCY_BUCKETS, registry=registry
        )
        self._state = Gauge("circuit_breaker_state", "0 closed, 1 open, 2 half-open.", ["provider"], registry=registry)

    def called(self, provider: str, endpoint: Endpoint, status: str, seconds: float) -> None:
        """Record a call, also one that was not made (`open`, `limited`)."""
        self._requests.labels(provider, endpoint, status).inc()
        if status not in {"open", "limited"}:
            self._latency.labels(provider).observe(seconds)

    def breaker(self, provider: str, gauge: int) -> None:
        """Set the state of a circuit breaker."""
        self._state.labels(provider).set(gauge)


class NightMetrics:
    """Implements services.worker_loops.NightMeter, for the nights of this worker."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._nights = Counter("nights_total", "Nights run by this worker.", ["outcome"], registry=registry)
        self._failed = Gauge(
            "night_failed_tries", "Failed nights of this worker since its last success.", registry=registry
        )
        self._seconds = Gauge(
            "night_over_seconds", "From midnight to the end of the last successful night.", registry=registry
        )
        for outcome in ("succeeded", "failed"):
            self._nights.labels(outcome)

    def ended(self, ok: bool, since_midnight: float) -> None:
        """Record a night that ended, at its last job or at the first failure."""
        self._nights.labels("succeeded" if ok else "failed").inc()
        if ok:
            self._failed.set(0)
            self._seconds.set(since_midnight)
        else:
            self._failed.inc()


class DeliveryMetrics:
    """Implements services.alert_ports.DeliveryMeter."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "alert_delivery_duration_seconds",
            "From trigger to delivery.",
            ["delivery_method"],
            buckets=DELIVERY_BUCKETS,
            registry=registry,
        )
        self._success = Counter("alert_delivery_success_total", "Messages delivered.", registry=registry)
        self._failures = Counter(
            "alert_delivery_failures_total", "Tries that failed.", ["delivery_method", "error"], registry=registry
        )

    def delivered(self, method: Method, seconds: float) -> None:
        """Record a delivery, with its seconds from the firing."""
        self._seconds.labels(method).observe(seconds)
        self._success.inc()

    def failed(self, method: Method, reason: str) -> None:
        """Record a failed try."""
        self._failures.labels(method, reason).inc()
