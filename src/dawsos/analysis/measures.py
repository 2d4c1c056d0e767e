"""Sums and quantiles over samples."""

from __future__ import annotations

import math
from collections.abc import Iterable

from dawsos.model.rollout import Counts


def total(parts: Iterable[Counts]) -> Counts:
    """Return requests, errors, latency and codes of all ``parts``; they must share their latency edges, parts without any count
    as zero.  A code that one part with requests does not tell is not known of the sum."""
    requests = errors = 0
    latency: dict[float, int] = {}
    codes: dict[str, int] | None = None
    for part in parts:
        requests += part.requests
        errors += part.errors
        for edge, count in part.latency:
            latency[edge] = latency.get(edge, 0) + count
        if part.requests:
            known = part.codes.keys() if codes is None else codes.keys() & part.codes.keys()
            codes = {code: (codes or {}).get(code, 0) + part.codes[code] for code in sorted(known)}
    return Counts(requests, errors, tuple(sorted(latency.items())), codes or {})


def quantile(counts: Counts, q: float) -> float | None:
    """Return the ``q`` quantile of the latency in seconds, None without data.

    Linear within a bucket, as Prometheus' ``histogram_quantile``; a quantile beyond the last finite edge is that edge.
    """
    if not counts.latency or counts.latency[-1][1] <= 0:
        return None
    rank = q * counts.latency[-1][1]
    below_edge, below_count = 0.0, 0
    for edge, count in counts.latency:
        if count >= rank:
            if math.isinf(edge):
                return below_edge
            inside = count - below_count
            return edge if inside <= 0 else below_edge + (edge - below_edge) * (rank - below_count) / inside
        below_edge, below_count = edge, count
    return below_edge


def error_rate(counts: Counts) -> float | None:
    """Return errors over requests, None without requests."""
    return min(1.0, counts.errors / counts.requests) if counts.requests else None
