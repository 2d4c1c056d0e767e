"""What a proxy has counted of one backend, and what happened between two readings, whatever the proxy calls its counters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from dawsos.model.rollout import Counts

Histogram = tuple[tuple[float, int], ...]
_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class Reading:
    """The counters of one backend in one process of the proxy, since that process started.

    ``received`` requests were sent to the backend (each try) or could not be; ``errors`` of them failed, and of these
    ``unserved`` were answered by the proxy itself because no connection could be had.  ``answered`` counts the requests that
    have an answer, ``active`` those that have none yet (None when the proxy does not tell).  ``members`` is how many endpoints the
    proxy knows, ``changes`` how often they changed (None likewise).
    ``broken`` requests lost their connection while they were under way.  ``accounted`` is how many of those may be among the
    errors already, because the proxy made an answer of its own or tried again; what is more than that broke off in the middle of
    an answer.
    ``latency`` maps an upper edge in seconds to the requests at or below it, ``sizes`` an upper edge in bytes to the bodies of
    answers.  ``codes``, ``faults`` and ``waiting`` are as in ``rollout.Counts``: a key that is missing is not told.
    ``monotone`` are the counters behind these numbers: none of them falls while the process lives.
    """

    received: float = 0.0
    errors: float = 0.0
    unserved: float = 0.0
    answered: float = 0.0
    active: float | None = None
    members: float | None = None
    changes: float | None = None
    broken: float = 0.0
    accounted: float = 0.0
    latency: Mapping[float, int] = field(default_factory=dict)
    codes: Mapping[str, float] = field(default_factory=dict)
    faults: Mapping[str, float] = field(default_factory=dict)
    sizes: Mapping[float, int] = field(default_factory=dict)
    waiting: Histogram = ()
    monotone: Mapping[str, float] = field(default_factory=dict)


NOTHING = Reading()


def restarted(before: Reading, after: Reading) -> bool:
    """Return whether a counter went backwards: the process of the proxy is another one than before."""
    return any(after.monotone.get(name, 0.0) < value for name, value in before.monotone.items())


def difference(before: Reading, after: Reading) -> Counts:
    """Return what happened between two readings of one process.  One request is one error at most.

    Where a proxy counts requests when it sends them, one that was under way at the first reading may have failed since: it then
    counts as a request here as well, because no error is left out.
    """
    requests = round(after.received - before.received)
    broken = (after.broken - before.broken) - (after.accounted - before.accounted)
    failed = round(after.errors - before.errors + max(0.0, broken))
    errors = min(failed, requests + round(before.active or 0.0))
    return Counts(
        max(requests, errors),
        errors,
        _risen(before.latency, after.latency),
        {key: round(value - before.codes.get(key, 0.0)) for key, value in after.codes.items()},
        {key: round(value - before.faults.get(key, 0.0)) for key, value in after.faults.items()},
        None if after.active is None else round(after.active),
        after.waiting,
        _risen(before.sizes, after.sizes),
    )


def _risen(before: Mapping[float, int], after: Mapping[float, int]) -> Histogram:
    """Return how far each bucket rose; nothing when the last edge is missing, because such buckets prove nothing."""
    edges = tuple((edge, after[edge] - before.get(edge, 0)) for edge in sorted(after))
    return edges if edges and math.isinf(edges[-1][0]) else ()


def together(readings: Mapping[str, Reading]) -> Reading:
    """Return the reading of several processes as that of one: name of the process -> its reading."""
    parts = list(readings.values())
    active = [part.active for part in parts if part.active is not None]
    return Reading(
        received=sum(part.received for part in parts),
        errors=sum(part.errors for part in parts),
        unserved=sum(part.unserved for part in parts),
        answered=sum(part.answered for part in parts),
        active=sum(active) if parts and len(active) == len(parts) else None,
        latency=dict(_joined([tuple(sorted(part.latency.items())) for part in parts])),
        codes=_told_by_all([part.codes for part in parts]),
        faults=_told_by_all([part.faults for part in parts]),
        sizes=dict(_joined([tuple(sorted(part.sizes.items())) for part in parts])),
        waiting=_joined([part.waiting for part in parts]),
        monotone={f"{name} {key}": value for name, part in readings.items() for key, value in part.monotone.items()},
    )


def added(parts: Iterable[Counts]) -> Counts:
    """Return the traffic of several processes of a proxy together.

    Histograms are added edge by edge; when their edges are not the same there is none, because none would be right.  What one of
    the processes does not tell is not known of all; a process that had no request and told nothing is left out.
    """
    listed = list(parts)
    telling = [part for part in listed if part != Counts()]
    under_way = [part.under_way for part in telling if part.under_way is not None]
    return Counts(
        sum(part.requests for part in listed),
        sum(part.errors for part in listed),
        _joined([part.latency for part in listed]),
        _told_by_all([part.codes for part in telling]),
        _told_by_all([part.faults for part in telling]),
        sum(under_way) if telling and len(under_way) == len(telling) else None,
        # A lower bound stays one without the processes that give none.
        _joined([part.waiting for part in listed]),
        _joined([part.sizes for part in listed]),
    )


def _joined(histograms: Iterable[Histogram]) -> Histogram:
    """Return the sum of the histograms that are not empty; nothing when they do not have the same edges."""
    filled = [histogram for histogram in histograms if histogram]
    if len({tuple(edge for edge, _ in histogram) for histogram in filled}) != 1:
        return ()
    return tuple((column[0][0], sum(count for _, count in column)) for column in zip(*filled, strict=True))


def _told_by_all(tables: Sequence[Mapping[str, _Number]]) -> dict[str, _Number]:
    """Return the sums of the keys that all tables have."""
    first, *others = tables or [{}]
    return {
        key: sum((table[key] for table in others), value)
        for key, value in first.items()
        if all(key in t for t in others)
    }
