"""Envoy's statistics page in Prometheus' format, as the gateways that are made of Envoy serve it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from dawsos.model.rollout import CLASSES, NAMED_CODES
from dawsos.platforms.envoy_counters import ACTIVE, CHANGES, MEMBERS
from dawsos.platforms.exposition import Series, buckets, series
from dawsos.platforms.readings import Reading

_PREFIX, _CLUSTER, _TIME = "envoy_cluster_", "envoy_cluster_name", "upstream_rq_time"
_NAMES = (
    "upstream_rq_total",
    "upstream_rq_5xx",
    "upstream_rq_503",
    "upstream_rq_retry",
    "upstream_rq_timeout",
    "upstream_rq_pending_failure_eject",
    "upstream_rq_pending_overflow",
    "upstream_cx_none_healthy",
    "upstream_rq_rx_reset",
    "upstream_cx_destroy_remote_with_active_rq",
    "upstream_rq_completed",
    ACTIVE,
    MEMBERS,
    CHANGES,
    _TIME,
)
# Kind of fault -> the counter of it.  Envoy does not tell a reset connection from a closed one, nor an answer that broke off.
_FAULTS = {
    "refused": "upstream_rq_pending_failure_eject",
    "overflow": "upstream_rq_pending_overflow",
    "closed": "upstream_cx_destroy_remote_with_active_rq",
    "reset": "upstream_rq_rx_reset",
    "timeout": "upstream_rq_timeout",
}
_COUNTED = tuple(name for name in _NAMES if name not in (ACTIVE, MEMBERS, CHANGES, _TIME))


def query(clusters: Iterable[str]) -> Mapping[str, str]:
    """Return the parameters that ask for what ``reading`` needs of these clusters, named as in Envoy's statistics."""
    names = "|".join(map(re.escape, clusters))
    answers = rf"upstream_rq_([1-5]xx|{'|'.join(NAMED_CODES)})"
    return {"filter": rf"^cluster\.({names})\.({'|'.join(_NAMES)}|{answers})$"}


def reading(page: str, cluster: str) -> Reading | None:
    """Return what Envoy has counted of a cluster, None when the page does not have it."""
    mine = [each for each in series(page) if each.labels.get(_CLUSTER) == cluster and each.name.startswith(_PREFIX)]
    values = {each.name.removeprefix(_PREFIX): each.value for each in mine if len(each.labels) == 1}
    if "upstream_rq_total" not in values:
        return None
    # Envoy shows a class of answers, or a status, from its first one on.
    values["upstream_rq_5xx"] = _answers(mine, "upstream_rq_xx", "envoy_response_code_class", "5")
    values["upstream_rq_503"] = _answers(mine, "upstream_rq", "envoy_response_code", "503")
    codes = {each: _answers(mine, "upstream_rq_xx", "envoy_response_code_class", each[0]) for each in CLASSES}
    codes |= {each: _answers(mine, "upstream_rq", "envoy_response_code", each) for each in NAMED_CODES}
    return replace(as_answered(values, buckets(mine, _PREFIX + _TIME, per_second=1000)), codes=codes)


def _answers(mine: Iterable[Series], name: str, label: str, value: str) -> float:
    return sum(each.value for each in mine if each.name == _PREFIX + name and each.labels.get(label) == value)


# Requests that Envoy answers without sending them: the connection failed, too many wait, no endpoint is there.
_UNSERVED = ("upstream_rq_pending_failure_eject", "upstream_rq_pending_overflow", "upstream_cx_none_healthy")


def as_answered(values: Mapping[str, float], latency: Mapping[float, int]) -> Reading:
    """Return the reading of a cluster from Envoy's counters.

    The answers 5xx are what users got: those of the service, and those that Envoy makes when there is no connection (503), no
    answer in time (504) or a reset before the answer began (503).  A try that failed and was repeated is in
    ``upstream_rq_retry``.  An answer that broke off after it had begun is in neither: its connection was lost with a request
    under way, and no 503 was made of it.
    """
    counted = {name: values.get(name, 0.0) for name in _COUNTED}
    unserved = sum(counted[name] for name in _UNSERVED)
    repeated = counted["upstream_rq_retry"]
    return Reading(
        received=counted["upstream_rq_total"] + unserved,
        errors=counted["upstream_rq_5xx"] + repeated,
        unserved=unserved,
        answered=counted["upstream_rq_completed"],
        active=values.get(ACTIVE),
        members=values.get(MEMBERS),
        changes=values.get(CHANGES),
        broken=counted["upstream_rq_rx_reset"] + counted["upstream_cx_destroy_remote_with_active_rq"],
        accounted=counted["upstream_rq_503"] - unserved + repeated,
        latency=latency,
        faults={kind: counted[name] for kind, name in _FAULTS.items()},
        monotone=counted,
    )
