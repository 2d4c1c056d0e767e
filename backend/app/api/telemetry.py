"""Prometheus metrics: of requests, counted by this process, and of jobs, computed from the job record at scrape time.

A job runs in a short-lived process that is not scraped. Its result is in job_runs, so every process of a deployment
reports the jobs of that deployment, with the same numbers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.pack import PackHeader
from app.services.ports import JobRun

REQUEST_BUCKETS = (0.1, 0.5, 1.0, 1.2, 2.0, 5.0, 10.0)
BUILD_BUCKETS = (60.0, 300.0, 600.0, 900.0, 1200.0)
# Raw paths would let any visitor create a time series per made-up URL.
UNMATCHED = "unmatched"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class ScrapeFacts:
    """What a scrape reads from the database."""

    builds: Sequence[JobRun]
    reconciliations: Sequence[JobRun]
    newest: PackHeader | None


class _JobCollector(Collector):
    """Turns one set of facts into metric families."""

    def __init__(self, facts: ScrapeFacts) -> None:
        self._facts = facts

    def collect(self) -> Iterable[Metric]:
        builds = self._facts.builds
        for outcome, label in (("succeeded", "success"), ("failed", "failures")):
            number = sum(run.status == outcome for run in builds)
            text = f"Pack builds of this deployment that {outcome}."
            yield CounterMetricFamily(f"pricing_pack_build_{label}", text, value=number)
        seconds = [run.seconds for run in builds if run.seconds is not None]
        buckets = [(str(b), sum(s <= b for s in seconds)) for b in BUILD_BUCKETS] + [("+Inf", len(seconds))]
        yield HistogramMetricFamily(
            "pricing_pack_build_duration_seconds", "Duration of this deployment's builds.", buckets, sum(seconds)
        )
        differed = sum(run.status == "failed" for run in self._facts.reconciliations)
        yield CounterMetricFamily(
            "reconciliation_failures", "Reconciliations of journals and database that failed.", value=differed
        )
        fresh = GaugeMetricFamily("pricing_pack_is_fresh", "1 when the newest pack is fresh.", labels=["date"])
        if self._facts.newest is not None:
            fresh.add_metric([self._facts.newest.asof_date.isoformat()], float(self._facts.newest.is_fresh))
        yield fresh


class Telemetry:
    """The metrics of one application; a registry of its own, so that two applications in one process do not mix."""

    def __init__(self, version: str, deployment_id: str) -> None:
        self.registry = CollectorRegistry()
        # When it started, memory, processor time: Flagger's check for a crash loop reads the first (docs/exports.md).
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "http_requests_total", "Requests answered.", ["method", "endpoint", "status"], registry=self.registry
        )
        self.duration = Histogram(
            "http_request_duration_seconds",
            "Time to answer.",
            ["method", "endpoint"],
            buckets=REQUEST_BUCKETS,
            registry=self.registry,
        )
        self.regimes = Counter("regime_classification_total", "Regimes asked for.", ["regime"], registry=self.registry)
        self.scenarios = Counter("scenario_runs_total", "Scenarios run.", registry=self.registry)
        self.ratings = Counter(
            "rating_calculations_total", "Ratings asked for.", ["rating_type"], registry=self.registry
        )
        # Neither amounts of several currencies nor shares of several companies add up, so trades are counted.
        self.trades = Counter("trade_volume_total", "Trades booked.", ["action"], registry=self.registry)
        # No role may count the portfolios of all tenants, so what is counted is their opening.
        self.portfolios = Counter("portfolio_count_total", "Portfolios opened.", registry=self.registry)
        Info("dawsos_app", "What is running.", registry=self.registry).info(
            {"version": version, "deployment_id": deployment_id}
        )

    def render(self, facts: ScrapeFacts | None) -> bytes:
        """The exposition; without facts (database away) the families of jobs are absent rather than zero."""
        text = generate_latest(self.registry)
        if facts is not None:
            jobs = CollectorRegistry(auto_describe=False)
            jobs.register(_JobCollector(facts))
            text += generate_latest(jobs)
        return text


class MetricsMiddleware:
    """Counts and times every request by route template. Pure ASGI: it adds no task and no copy of the body."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and record its status; a request without a response counts as 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            endpoint = getattr(scope.get("route"), "path", UNMATCHED)
            self._telemetry.requests.labels(method, endpoint, str(status)).inc()
            self._telemetry.duration.labels(method, endpoint).observe(time.perf_counter() - started)
