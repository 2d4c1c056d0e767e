"""What Envoy logs of each try to have a request answered by a replica, as counters: how every exchange ended.

Envoy's own counters of a cluster cannot tell this: they hide a failed try behind the one that succeeded, book it on the
cluster of the route instead of the one that failed, and do not count a connection that was closed without an answer.  Its log
of tries has one entry for each, with the endpoint that was tried.  The entries are counted in Envoy (``stats`` access logger):
nothing is written anywhere.  Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from dawsos.model.rollout import CLASSES, FAULTS, NAMED_CODES, Counts
from dawsos.platforms.exposition import Series, buckets, series
from dawsos.platforms.readings import Reading

_TYPE = "type.googleapis.com/"
_SPACE, _KEY = "dawsos", "deployment"
# The prefix of Envoy's names of these counters, and of the target of a canary beside a stable release.
_PREFIX, AGGREGATE = "tries", "to-"
# An Envoy whose bootstrap has these logs says so by its node; one that was started by an older version does not.
MARK = {"tries": "1"}
# How a try ended that was not answered whole, by Envoy's flag.  Envoy does not tell a reset connection from a closed one.
_FLAGS = {
    "UF": "refused",
    "UC": "closed",
    "UR": "reset",
    "UPE": "protocol",
    "UO": "overflow",
    "UT": "timeout",
}
# Envoy looks at what is under way every half second, and once at each of these ages (milliseconds): within a window that is
# shorter than that, so that no try is seen twice in one.  A try was at least as old as the window's beginning.
_LOOK, _EARLY, _LATE = 0.5, 250, 200
_AGES = (500, 1000, 2000, 5000, 10_000, 20_000)
# Bytes: small bodies are told apart, and above that what differs by half.
SIZES = [1.0, *(step * 10.0**power for power in range(1, 7) for step in (1.0, 1.5, 2.2, 3.3, 4.7, 6.8)), 1e7]


def endpoint_metadata(deployment: str) -> dict[str, Any]:
    """Return what an endpoint says of itself in the log of tries and in a header: its deployment."""
    return {"filter_metadata": {_SPACE: {_KEY: deployment}}}


DEPLOYMENT_OPERATOR = f"%UPSTREAM_METADATA({_SPACE}:{_KEY})%"


def histograms(times: list[float]) -> list[dict[str, Any]]:
    """Return the buckets of the histograms that the log makes; ``times`` are milliseconds."""
    return [
        {"match": {"prefix": f"{_PREFIX}.time"}, "buckets": times},
        {"match": {"prefix": f"{_PREFIX}.size"}, "buckets": SIZES},
    ]


def router_log() -> dict[str, Any]:
    """Return the part of the router's configuration that counts every try when it ended, and looks at those under way."""
    deployment = _tag("deployment", DEPLOYMENT_OPERATOR)
    ended = [
        deployment,
        _tag("target", "%UPSTREAM_CLUSTER_RAW%"),
        _tag("flags", "%RESPONSE_FLAGS%"),
        _tag("code", "%RESPONSE_CODE%"),
    ]
    time = {"stat": _stat("time", deployment), "unit": "Milliseconds", "value_format": "%DURATION%"}
    size = {"stat": _stat("size", deployment), "unit": "Bytes", "value_format": "%BYTES_RECEIVED%"}
    logs = [
        _log(_types("UpstreamEnd"), counters=[_count("ended", *ended)], histograms=[time]),
        # The bodies of answers that say that all is well: of others the size has no meaning.
        _log(_all_of(_types("UpstreamEnd"), _code("GE", 200), _code("LE", 299)), histograms=[size]),
    ]
    for age in _AGES:
        seen = {
            "stat": _stat(f"waiting_{age - _EARLY}", deployment),
            "value_fixed": 1,
            # What was added is taken away when the try ends.
            "add_subtract": {"add_log_type": "UpstreamPeriodic", "sub_log_type": "UpstreamEnd"},
        }
        window = (_lasted("GE", age - _EARLY), _lasted("LE", age + _LATE))
        logs.append(_log(_all_of(_types("UpstreamPeriodic"), *window), gauges=[seen]))
    return {"upstream_log": logs, "upstream_log_options": {"upstream_log_flush_interval": f"{_LOOK}s"}}


def access_log() -> list[dict[str, Any]]:
    """Return the log of whole requests: those that Envoy ended because time was up; the log of tries does not tell."""
    tags = (_tag("deployment", DEPLOYMENT_OPERATOR), _tag("target", "%UPSTREAM_CLUSTER_RAW%"))
    return [_log({"response_flag_filter": {"flags": ["UT"]}}, counters=[_count("timeout", *tags)])]


def _log(chosen: dict[str, Any], **stats: Any) -> dict[str, Any]:
    config = {"@type": _TYPE + "envoy.extensions.access_loggers.stats.v3.Config", "stat_prefix": _PREFIX, **stats}
    return {"name": "envoy.access_loggers.stats", "filter": chosen, "typed_config": config}


def _tag(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value_format": value}


def _stat(name: str, *tags: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "tags": list(tags)}


def _count(name: str, *tags: dict[str, str]) -> dict[str, Any]:
    return {"stat": _stat(name, *tags), "value_fixed": 1}


def _types(*names: str) -> dict[str, Any]:
    return {"log_type_filter": {"types": list(names)}}


def _all_of(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"and_filter": {"filters": list(filters)}}


def _lasted(operator: str, milliseconds: int) -> dict[str, Any]:
    return {"duration_filter": {"comparison": _compared(operator, milliseconds)}}


def _code(operator: str, code: int) -> dict[str, Any]:
    return {"status_code_filter": {"comparison": _compared(operator, code)}}


def _compared(operator: str, value: int) -> dict[str, Any]:
    # Envoy wants a key under which the value could be changed while it runs.
    return {"op": operator, "value": {"default_value": value, "runtime_key": f"{_SPACE}.{_PREFIX}.{operator}.{value}"}}


def query(deployments: Iterable[str]) -> str:
    """Return the pattern of the statistics that ``reading`` needs of these deployments."""
    names = "|".join(map(re.escape, deployments))
    # A try that got no endpoint has no deployment, only a target.
    told = rf"^{_PREFIX}\.[a-z_0-9]+\.deployment\.(({names})(\.|$)|.*target\.({AGGREGATE})?({names})(\.|$))"
    return rf"{told}|^cluster\.({names})\.upstream_rq_(pending_)?active$"


def readings(page: str, deployments: Iterable[str]) -> dict[str, Reading]:
    """Return deployment -> what Envoy has counted of the tries on it."""
    names = list(deployments)
    sorted_out: dict[str, list[Series]] = {name: [] for name in names}
    for each in series(page):
        sorted_out.get(_whose(each), []).append(each)
    return {name: _reading(sorted_out[name]) for name in names}


def _whose(found: Series) -> str:
    cluster = found.labels.get("envoy_cluster_name", "")
    return cluster or found.labels.get("deployment", "") or found.labels.get("target", "").removeprefix(AGGREGATE)


def _reading(mine: list[Series]) -> Reading:
    codes = dict.fromkeys((*CLASSES, *NAMED_CODES), 0.0)
    faults = dict.fromkeys(FAULTS, 0.0)
    total = errors = 0.0
    monotone: dict[str, float] = {}
    for each in mine:
        name = each.name.removeprefix(f"envoy_{_PREFIX}_")
        labels = each.labels
        if name == "ended":
            code = labels.get("code", "")
            fault = fault_of(labels.get("flags", ""), code)
            total += each.value
            _add(each.value, codes, f"{code[:1]}xx", code)
            _add(each.value, faults, fault)
            errors += each.value if fault or code.startswith("5") else 0.0
        elif name == "timeout":
            _add(each.value, faults, "timeout")
            errors += each.value
        else:
            continue
        monotone[f"{name} {sorted(labels.items())}"] = each.value
    return Reading(
        received=total,
        errors=errors,
        answered=total,
        active=sum(each.value for each in mine if each.name.startswith("envoy_cluster_upstream_rq_")),
        latency=buckets(mine, f"envoy_{_PREFIX}_time", per_second=1000),
        codes=codes,
        faults=faults,
        sizes=buckets(mine, f"envoy_{_PREFIX}_size"),
        waiting=_waiting(mine),
        monotone=monotone,
    )


def _add(value: float, table: dict[str, float], *keys: str) -> None:
    for key in keys:
        if key in table:
            table[key] += value


def fault_of(flags: str, code: str) -> str:
    """Return the kind of fault with which a try ended, empty when there was none; ``code`` is "0" without an answer."""
    kinds = [_FLAGS[flag] for flag in flags.split(",") if flag in _FLAGS]
    if not kinds:
        return ""
    return kinds[0] if code in ("0", "", "-") else "short"


class Settled:
    """Counts a request whose time was up once.

    Envoy tells the try that ended, and that it ended because time was up, by two counters, and its page is not of one moment: a
    sample may have the timeout and the next one the try.  The first counts a request for the error; the second must not again.
    """

    def __init__(self) -> None:
        self._ahead = 0

    def counts(self, before: Reading, after: Reading, found: Counts) -> Counts:
        """Return ``found``, the difference of the two readings, without a request that an earlier sample has."""
        ended = round(after.received - before.received)
        self._ahead += found.requests - ended
        answered = sum(found.codes.get(each, 0) for each in CLASSES)
        broken = sum(number for kind, number in found.faults.items() if kind not in ("short", "timeout"))
        silent = ended - answered - broken - found.faults.get("timeout", 0)
        twice = max(0, min(self._ahead, silent, found.requests - found.errors))
        self._ahead -= twice
        return replace(found, requests=found.requests - twice)


def _waiting(mine: list[Series]) -> tuple[tuple[float, int], ...]:
    found: Mapping[str, float] = {each.name: each.value for each in mine}
    ages = [age - _EARLY for age in _AGES]
    return tuple((age / 1000, round(found.get(f"envoy_{_PREFIX}_waiting_{age}", 0.0))) for age in ages)
