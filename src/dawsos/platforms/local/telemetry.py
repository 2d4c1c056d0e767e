"""What the judge sees of an environment on this machine: Envoy's counters, the supervisor's restarts, the service's counters."""

from __future__ import annotations

import math
import re
import time
from dataclasses import replace
from pathlib import Path

from dawsos.adapters.http import HttpClient, HttpError
from dawsos.model.policy import CrashLoop
from dawsos.model.rollout import Counts, Sample
from dawsos.platforms.local.admin import COUNTERS, Admin, counters_of
from dawsos.platforms.local.state import read_desired, read_roles, read_status


class EnvoyTelemetry:
    """Implements ``contract.Telemetry`` over one environment's files and Envoy's admin page."""

    def __init__(self, folder: Path, failure_counters: tuple[str, ...], crash_loop: CrashLoop) -> None:
        self._folder = folder
        self._names = failure_counters
        self._crash_loop = crash_loop
        self._admin = Admin(read_desired(folder).proxy["admin"])
        self._pages = HttpClient(timeout=2.0)
        self._before: dict[str, dict[str, float]] | None = None
        self._latency: dict[str, dict[float, int]] = {}
        self._counters_before: dict[str, float] = {}
        self._since = time.time()
        self._last = time.monotonic()

    async def close(self) -> None:
        await self._admin.close()
        await self._pages.close()

    async def sample(self, at: float, weight: int) -> Sample:
        """Return what happened since the last call; not ``complete`` when Envoy is away or was restarted."""
        now = time.monotonic()
        seconds, self._last = now - self._last, now
        roles = read_roles(self._folder)
        clusters = [name for name in (roles.canary, roles.stable) if name]
        base = Sample(at, seconds, weight, complete=False)
        base = self._with_processes(base, roles.canary or "")
        base = replace(base, counters=await self._failures(roles.canary or ""))
        try:
            values = await counters_of(self._admin, clusters)
            latency = await self._latencies(clusters)
        except HttpError:
            self._before = None
            return base
        before, latency_before = self._before, self._latency
        self._before, self._latency = values, latency
        if before is None or any(_backwards(before.get(name, {}), values[name]) for name in clusters):
            return base
        parts = {
            name: _difference(before.get(name, {}), values[name], latency_before.get(name, {}), latency[name])
            for name in clusters
        }
        nothing = Counts()
        return replace(
            base,
            canary=parts.get(roles.canary or "", nothing),
            stable=parts.get(roles.stable or "", nothing),
            complete=True,
        )

    async def _latencies(self, deployments: list[str]) -> dict[str, dict[float, int]]:
        found = await self._admin.latency([*deployments, *(f"to-{name}" for name in deployments)])
        merged: dict[str, dict[float, int]] = {}
        for name in deployments:
            parts = (found.get(name, {}), found.get(f"to-{name}", {}))
            merged[name] = {edge: sum(part.get(edge, 0) for part in parts) for edge in {*parts[0], *parts[1]}}
        return merged

    def _with_processes(self, sample: Sample, canary: str) -> Sample:
        processes = [p for p in read_status(self._folder, True).processes if p.group == canary]
        recent = [
            [at for at in p.restarts if at >= self._since and time.time() - at < self._crash_loop.window]
            for p in processes
        ]
        return replace(
            sample,
            restarts=sum(map(len, recent)),
            crash_looping=any(len(times) >= self._crash_loop.restarts for times in recent),
        )

    async def _failures(self, canary: str) -> dict[str, float]:
        """Return how far each named counter rose on the canary since the first sample that could read it."""
        if not self._names:
            return {}
        totals: dict[str, float] = {}
        for port in read_desired(self._folder).deployments.get(canary, {}).get("ports", ()):
            try:
                page = await self._pages.page(f"http://127.0.0.1:{port}/metrics")
            except HttpError:
                continue
            for name in self._names:
                # Every replica reads the same store, so the largest is the truth, not the sum.
                totals[name] = max(totals.get(name, 0.0), _counter(page, name))
        # A counter that could not be read in the first sample starts from where it is first read: it counts from the
        # start of the store, not of this rollout.
        self._counters_before = totals | self._counters_before
        return {name: value - self._counters_before[name] for name, value in totals.items()}


def _counter(page: str, name: str) -> float:
    found = re.findall(rf"^{re.escape(name)}(?:\{{[^}}]*\}})? ([0-9.eE+-]+)$", page, re.MULTILINE)
    return sum(float(value) for value in found)


def _backwards(before: dict[str, float], after: dict[str, float]) -> bool:
    return any(after[key] < before.get(key, 0.0) for key in COUNTERS if key != "upstream_rq_active")


def _difference(
    before: dict[str, float], after: dict[str, float], latency_before: dict[float, int], latency: dict[float, int]
) -> Counts:
    """Return the counts between two readings.

    Retries hide errors from users, not from the judge: an answer 5xx that was retried counts, and so does a request that
    the canary refused or reset.  Every try counts as a request.
    """
    delta = {key: after[key] - before.get(key, 0.0) for key in COUNTERS}
    refused = delta["upstream_rq_pending_failure_eject"]
    requests = int(delta["upstream_rq_total"] + refused)
    errors = int(delta["upstream_rq_5xx"] + delta["retry.upstream_rq_5xx"] + refused + delta["upstream_rq_rx_reset"])
    edges = tuple((edge, latency[edge] - latency_before.get(edge, 0)) for edge in sorted(latency))
    return Counts(requests, min(errors, requests), edges if edges and math.isinf(edges[-1][0]) else ())
