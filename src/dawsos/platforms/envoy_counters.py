"""What Envoy's counters of a cluster say about its traffic: one piece of arithmetic for every platform with Envoy."""

from __future__ import annotations

from collections.abc import Mapping

from dawsos.platforms.readings import Reading

ACTIVE, MEMBERS, CHANGES = "upstream_rq_active", "membership_total", "membership_change"
# By the names of Envoy's documentation, without "cluster.NAME.".
COUNTERS = (
    "upstream_rq_total",
    "upstream_rq_5xx",
    "retry.upstream_rq_5xx",
    "upstream_rq_pending_failure_eject",
    "upstream_rq_rx_reset",
    ACTIVE,
    "upstream_rq_completed",
)


def reading_with_retries(counters: Mapping[str, float], latency: Mapping[float, int]) -> Reading:
    """Return the reading of a cluster whose failed tries Envoy repeats on another cluster.

    Retries hide errors from users, not from the judge: an answer 5xx that was retried counts, and so does a request that
    the canary refused or reset.  Every try counts as a request.
    """
    refused = counters["upstream_rq_pending_failure_eject"]
    return Reading(
        received=counters["upstream_rq_total"] + refused,
        errors=counters["upstream_rq_5xx"]
        + counters["retry.upstream_rq_5xx"]
        + refused
        + counters["upstream_rq_rx_reset"],
        unserved=refused,
        answered=counters["upstream_rq_completed"],
        active=counters[ACTIVE],
        latency=latency,
        monotone={name: value for name, value in counters.items() if name != ACTIVE},
    )
