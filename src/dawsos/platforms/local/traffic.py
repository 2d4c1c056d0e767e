"""The proxy as the rollout controller uses it: set the weight, wait until the canary is drained."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from dawsos.adapters.http import HttpError
from dawsos.model.rollout import Drained
from dawsos.platforms.local.admin import Admin, counters_of
from dawsos.platforms.local.envoy_config import write_weight
from dawsos.platforms.local.locking import PATIENT, URGENT, locked
from dawsos.platforms.local.state import read_desired, read_roles

_QUIET = 0.15


class EnvoyTraffic:
    """Implements ``contract.Traffic`` over one environment's files and Envoy's admin page."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._admin = Admin(folder, read_desired(folder).proxy)

    async def close(self) -> None:
        await self._admin.close()

    async def set_weight(self, weight: int) -> float:
        """Give the canary ``weight`` per cent; return seconds until Envoy confirmed.  Raises InfrastructureError."""
        started = time.monotonic()
        with locked(self._folder, URGENT if weight == 0 else PATIENT, or_without=weight == 0):
            version = write_weight(self._folder, weight)
        await self._admin.confirm("routes.json", version)
        return time.monotonic() - started

    async def wait_until_drained(self, deadline: float) -> Drained:
        """Wait until the canary has answered all it was sent; what was in flight at the decision is not cut off."""
        started = received = answered = time.monotonic()
        canary = read_roles(self._folder).canary
        if canary is None:
            return Drained(0.0, 0.0)
        before: dict[str, float] = {}
        while time.monotonic() - started < deadline:
            try:
                values = (await counters_of(self._admin, [canary]))[canary]
            except HttpError:
                await asyncio.sleep(0.02)
                continue
            now = time.monotonic()
            # Without an earlier reading nothing can be said about change.
            if not before or values["upstream_rq_total"] != before["upstream_rq_total"]:
                received = now
            if not before or (values["upstream_rq_completed"], values["upstream_rq_active"]) != (
                before["upstream_rq_completed"],
                before["upstream_rq_active"],
            ):
                answered = now
            if values["upstream_rq_active"] == 0 and now - max(received, answered) > _QUIET:
                return Drained(received - started, answered - started)
            before = values
            await asyncio.sleep(0.02)
        if not before:
            received = time.monotonic()
        return Drained(received - started, None)
