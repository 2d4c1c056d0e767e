"""Envoy's admin page as a test scripts it: counters and latencies of clusters, filtered by the pattern that is asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dawsos.adapters.http import HttpError
from dawsos.platforms.local.tries import MARK
from support.pages import Asked, answered

_QUIET = ("upstream_rq_total", "upstream_rq_completed", "upstream_rq_active")


@dataclass
class EnvoyPage:
    """``counters`` maps cluster -> counter -> value, ``latency`` cluster -> upper edge in milliseconds -> requests at or below
    it.  ``tries`` are the lines of what an Envoy says that counts each try, None for one that an older version started.  Nobody
    answers while ``away``."""

    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    latency: dict[str, dict[str, int]] = field(default_factory=dict)
    tries: str | None = None
    away: bool = False

    def count(self, cluster: str, **values: int) -> None:
        """Add to the counters of a cluster; ``retry_`` in a name stands for ``retry.``."""
        kept = self.counters.setdefault(cluster, dict.fromkeys(_QUIET, 0))
        for key, value in values.items():
            name = key.replace("retry_", "retry.")
            kept[name] = kept.get(name, 0) + value

    def page(self, path: str, params: Mapping[str, str]) -> str:
        """Return the page as Envoy writes it; raises HttpError while it is away."""
        if self.away:
            raise HttpError("cannot connect")
        if path == "/server_info":
            return json.dumps({"node": {"id": "dawsos", "metadata": {} if self.tries is None else MARK}})
        pattern = re.compile(params["filter"])
        if path == "/stats":
            named = {f"cluster.{c}.{key}": value for c, kept in self.counters.items() for key, value in kept.items()}
            return "".join(f"{name}: {value}\n" for name, value in named.items() if pattern.search(name))
        assert path == "/stats/prometheus"
        if self.tries is not None:
            return self.tries
        return "".join(
            f'envoy_cluster_upstream_rq_time_bucket{{envoy_cluster_name="{cluster}",le="{edge}"}} {count}\n'
            for cluster, buckets in self.latency.items()
            for edge, count in buckets.items()
            if pattern.search(f"cluster.{cluster}.upstream_rq_time")
        )

    def answer(self, asked: Asked) -> bytes | None:
        """Answer one request of a real connection; close it while away."""
        return None if self.away else answered(self.page(asked.path, asked.query))
