"""Queries Envoy's admin page: the versions that it runs and its counters."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Mapping
from pathlib import Path

from dawsos.adapters.http import HttpClient, HttpError
from dawsos.errors import InfrastructureError
from dawsos.platforms.envoy_counters import COUNTERS
from dawsos.platforms.local import tries
from dawsos.platforms.local.envoy_config import ADMIN_SOCKET, FAULT_PREFIX, FAULT_ROUTES, HTTP_PREFIX, ROUTES
from dawsos.platforms.readings import Reading

_VERSIONS = {
    "clusters.json": "cluster_manager.cds.version_text",
    "routes.json": f"http.{HTTP_PREFIX}.rds.{ROUTES}.version_text",
    "faults.json": f"http.{FAULT_PREFIX}.rds.{FAULT_ROUTES}.version_text",
}
_BUCKET = re.compile(
    r'^envoy_cluster_upstream_rq_time_bucket\{envoy_cluster_name="([^"]+)",le="([^"]+)"\} (\d+)', re.MULTILINE
)


class Admin:
    """The admin page of the Envoy of one environment ``folder``; ``proxy`` is what ``desired.json`` says of it."""

    def __init__(self, folder: Path, proxy: Mapping[str, int], timeout: float = 2.0) -> None:
        if "admin" in proxy:
            # An Envoy that an older version started.
            self._client = HttpClient(f"http://127.0.0.1:{proxy['admin']}", timeout=timeout)
        else:
            self._client = HttpClient("http://envoy", timeout=timeout, unix=folder / ADMIN_SOCKET)

    async def close(self) -> None:
        await self._client.close()

    async def stats(self, pattern: str, kind: str = "All") -> dict[str, str]:
        """Return name -> value of the statistics that match; raises HttpError."""
        page = await self._client.page("/stats", {"filter": pattern, "type": kind})
        pairs = (line.partition(": ") for line in page.splitlines())
        return {name: value for name, separator, value in pairs if separator}

    async def active_requests(self) -> int:
        """Return how many requests of users have no answer yet; raises HttpError."""
        name = f"http.{HTTP_PREFIX}.downstream_rq_active"
        found = await self.stats(f"^{re.escape(name)}$", "Gauges")
        return int(found.get(name, 0))

    async def drain(self) -> None:
        """Tell the clients, with each answer, to close their connections; raises HttpError."""
        await self._client.request("POST", "/drain_listeners?graceful&skip_exit")

    async def counts_tries(self) -> bool:
        """Return whether this Envoy counts each try (see ``tries``): one that an older version started does not.  Raises HttpError."""
        page = await self._client.page("/server_info")
        try:
            metadata = json.loads(page)["node"].get("metadata", {})
        except (ValueError, LookupError, AttributeError):
            return False
        return all(metadata.get(key) == value for key, value in tries.MARK.items())

    async def tries(self, deployments: list[str]) -> dict[str, Reading]:
        """Return deployment -> what Envoy has counted of the tries on it, since it started; raises HttpError."""
        page = await self._client.page("/stats/prometheus", {"filter": tries.query(deployments)})
        return tries.readings(page, deployments)

    async def latency(self, clusters: list[str]) -> dict[str, dict[float, int]]:
        """Return cluster -> upper edge in seconds -> requests at or below it, since Envoy started; raises HttpError."""
        pattern = rf"^cluster\.({'|'.join(map(re.escape, clusters))})\.upstream_rq_time$"
        page = await self._client.page("/stats/prometheus", {"filter": pattern})
        found: dict[str, dict[float, int]] = {}
        for name, edge, count in _BUCKET.findall(page):
            seconds = math.inf if edge == "+Inf" else float(edge) / 1000
            found.setdefault(name, {})[seconds] = int(count)
        return found

    async def confirm(self, name: str, version: str, within: float = 10.0) -> float:
        """Wait until Envoy runs ``version`` of the file ``name``; return the seconds it took.

        Raises InfrastructureError when it does not in time, with whether Envoy answered at all.
        """
        stat = _VERSIONS[name]
        started = time.monotonic()
        seen = "nothing"
        while time.monotonic() - started < within:
            try:
                values = await self.stats(f"^{re.escape(stat)}$", "TextReadouts")
                seen = values.get(stat, "").strip('"')
                if seen == version:
                    return time.monotonic() - started
            except HttpError as error:
                seen = f"no answer ({error.kind})"
            await asyncio.sleep(0.005)
        raise InfrastructureError(
            f"Envoy did not take over {name} {version} within {within:g} s; it runs {seen}",
            fix="see the proxy's log, dawsos status",
        )


async def counters_of(admin: Admin, deployments: list[str]) -> dict[str, dict[str, float]]:
    """Return deployment -> counter -> value since Envoy started.  Raises HttpError.

    For a request that came through the canary's aggregate, Envoy counts tries and resets on the member cluster, answers
    and latency on the aggregate; neither counts twice, so both are added.
    """
    clusters = [*deployments, *(f"to-{name}" for name in deployments)]
    pattern = rf"^cluster\.({'|'.join(map(re.escape, clusters))})\.({'|'.join(map(re.escape, COUNTERS))})$"
    stats = await admin.stats(pattern)
    return {
        name: {
            key: float(stats.get(f"cluster.{name}.{key}", 0)) + float(stats.get(f"cluster.to-{name}.{key}", 0))
            for key in COUNTERS
        }
        for name in deployments
    }
