"""What a proxy has counted of one backend, and what happened between two readings, whatever the proxy calls its counters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dawsos.model.rollout import Counts


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
    ``latency`` maps an upper edge in seconds to the requests at or below it.  ``monotone`` are the counters behind these numbers:
    none of them falls while the process lives.
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
    monotone: Mapping[str, float] = field(default_factory=dict)


NOTHING = Reading()


def restarted(before: Reading, after: Reading) -> bool:
    """Return whether a counter went backwards: the process of the proxy is another one than before."""
    return any(after.monotone.get(name, 0.0) < value for name, value in before.monotone.items())


def difference(before: Reading, after: Reading) -> Counts:
    """Return what happened between two readings of one process.  One request is one error at most."""
    requests = round(after.received - before.received)
    broken = (after.broken - before.broken) - (after.accounted - before.accounted)
    errors = round(after.errors - before.errors + max(0.0, broken))
    edges = tuple((edge, after.latency[edge] - before.latency.get(edge, 0)) for edge in sorted(after.latency))
    return Counts(requests, min(errors, requests), edges if edges and math.isinf(edges[-1][0]) else ())


def together(readings: Mapping[str, Reading]) -> Reading:
    """Return the reading of several processes as that of one: name of the process -> its reading."""
    parts = list(readings.values())
    edges = {tuple(sorted(part.latency)) for part in parts if part.latency}
    shape = next(iter(edges)) if len(edges) == 1 else ()
    return Reading(
        received=sum(part.received for part in parts),
        errors=sum(part.errors for part in parts),
        unserved=sum(part.unserved for part in parts),
        answered=sum(part.answered for part in parts),
        latency={edge: sum(part.latency.get(edge, 0) for part in parts) for edge in shape},
        monotone={f"{name} {key}": value for name, part in readings.items() for key, value in part.monotone.items()},
    )


def added(parts: Iterable[Counts]) -> Counts:
    """Return the traffic of several processes of a proxy together.

    Histograms are added edge by edge; when their edges are not the same there is no latency, because none would be right.
    """
    listed = list(parts)
    shapes = {tuple(edge for edge, _ in part.latency) for part in listed if part.latency}
    latency: tuple[tuple[float, int], ...] = ()
    if len(shapes) == 1:
        with_latency = [dict(part.latency) for part in listed if part.latency]
        latency = tuple((edge, sum(part[edge] for part in with_latency)) for edge in next(iter(shapes)))
    return Counts(sum(part.requests for part in listed), sum(part.errors for part in listed), latency)
