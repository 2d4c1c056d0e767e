"""What the judge sees of an environment on this machine: Envoy's counters, the processes, the service's counters."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from dawsos.adapters.http import HttpClient, HttpError
from dawsos.model.policy import CrashLoop
from dawsos.model.rollout import Counts, Sample
from dawsos.platforms.contract import Roles
from dawsos.platforms.envoy_counters import reading_with_retries
from dawsos.platforms.exposition import total
from dawsos.platforms.local.admin import Admin, counters_of
from dawsos.platforms.local.resources import Deaths, used
from dawsos.platforms.local.state import read_desired, read_roles, read_status
from dawsos.platforms.local.tries import Settled
from dawsos.platforms.readings import NOTHING, Reading, difference, restarted


class EnvoyTelemetry:
    """Implements ``contract.Telemetry`` over one environment's files and Envoy's admin page."""

    def __init__(
        self, folder: Path, failure_counters: tuple[str, ...], crash_loop: CrashLoop, page: str = "/metrics"
    ) -> None:
        self._folder = folder
        self._page = page
        self._names = failure_counters
        self._crash_loop = crash_loop
        self._admin = Admin(folder, read_desired(folder).proxy)
        self._pages = HttpClient(timeout=2.0)
        self._before: dict[str, Reading] | None = None
        self._counts_tries: bool | None = None
        self._counters_before: dict[str, float] = {}
        self._settled: defaultdict[str, Settled] = defaultdict(Settled)
        self._deaths = Deaths()
        self._since = time.time()
        self._last = time.monotonic()

    async def close(self) -> None:
        await self._admin.close()
        await self._pages.close()

    @property
    def blind(self) -> str:
        """Nothing: this Envoy counts every exchange."""
        return ""

    async def sample(self, at: float, weight: int) -> Sample:
        """Return what happened since the last call; not ``complete`` when Envoy is away or was restarted."""
        now = time.monotonic()
        seconds, self._last = now - self._last, now
        roles = read_roles(self._folder)
        clusters = [name for name in (roles.canary, roles.stable) if name]
        base = Sample(at, seconds, weight, complete=False)
        base = self._with_processes(base, roles)
        base = replace(base, counters=await self._failures(roles.canary or ""))
        try:
            after = await self._readings(clusters)
        except HttpError:
            self._before = self._counts_tries = None
            return base
        before, self._before = self._before, after
        if before is None or any(restarted(before.get(name, NOTHING), after[name]) for name in clusters):
            self._counts_tries = None
            return base
        parts = {name: self._between(name, before.get(name, NOTHING), after[name]) for name in clusters}
        nothing = Counts()
        return replace(
            base,
            canary=parts.get(roles.canary or "", nothing),
            stable=parts.get(roles.stable or "", nothing),
            complete=True,
        )

    def _between(self, deployment: str, before: Reading, after: Reading) -> Counts:
        found = difference(before, after)
        return self._settled[deployment].counts(before, after, found) if self._counts_tries else found

    async def _readings(self, deployments: list[str]) -> dict[str, Reading]:
        """Return deployment -> what Envoy has counted of it.  An Envoy that an older version started tells less."""
        if self._counts_tries is None:
            self._counts_tries = await self._admin.counts_tries()
        if self._counts_tries:
            return await self._admin.tries(deployments)
        values = await counters_of(self._admin, deployments)
        latency = await self._latencies(deployments)
        return {name: reading_with_retries(values[name], latency[name]) for name in deployments}

    async def _latencies(self, deployments: list[str]) -> dict[str, dict[float, int]]:
        found = await self._admin.latency([*deployments, *(f"to-{name}" for name in deployments)])
        merged: dict[str, dict[float, int]] = {}
        for name in deployments:
            parts = (found.get(name, {}), found.get(f"to-{name}", {}))
            merged[name] = {edge: sum(part.get(edge, 0) for part in parts) for edge in {*parts[0], *parts[1]}}
        return merged

    def _with_processes(self, sample: Sample, roles: Roles) -> Sample:
        processes, canary, stable = read_status(self._folder, True).processes, roles.canary or "", roles.stable or ""
        recent = [
            [at for at in p.restarts if at >= self._since and time.time() - at < self._crash_loop.window]
            for p in processes
            if p.group == canary
        ]
        return replace(
            sample,
            restarts=sum(map(len, recent)),
            crash_looping=any(len(times) >= self._crash_loop.restarts for times in recent),
            canary_resources=used(processes, canary),
            stable_resources=used(processes, stable),
            deaths=self._deaths.count(processes, canary),
            stable_deaths=self._deaths.count(processes, stable),
        )

    async def _failures(self, canary: str) -> dict[str, float]:
        """Return how far each named counter rose on the canary since the first sample that could read it."""
        if not self._names:
            return {}
        totals: dict[str, float] = {}
        for port in read_desired(self._folder).deployments.get(canary, {}).get("ports", ()):
            try:
                page = await self._pages.page(f"http://127.0.0.1:{port}{self._page}")
            except HttpError:
                continue
            for name in self._names:
                # Every replica reads the same store, so the largest is the truth, not the sum.
                totals[name] = max(totals.get(name, 0.0), total(page, name))
        # A counter that could not be read in the first sample starts from where it is first read: it counts from the
        # start of the store, not of this rollout.
        self._counters_before = totals | self._counters_before
        return {name: value - self._counters_before[name] for name, value in totals.items()}
