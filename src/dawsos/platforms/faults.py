"""The faults of a drill that lie on the wire, and the routes by which an Envoy before the canary brings them about.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Object = dict[str, Any]
# What a platform may be able to do to a canary: alter its answers, close its connections without one, let its memory grow, and
# kill its processes.
FaultKind = Literal["answers", "connections", "memory", "processes"]

_TYPE = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
_FILTER = "envoy.filters.http.fault"


@dataclass(frozen=True)
class WireFault:
    """What happens to the share ``share`` of the canary's requests below ``path``.

    They are answered with ``status`` (``empty``: and without a body), or wait ``latency`` seconds, or their connection is
    ``closed`` without an answer; a connection has no path.
    """

    status: int = 0
    latency: float = 0.0
    empty: bool = False
    closed: bool = False
    share: float = 1.0
    path: str = "/"

    @property
    def kind(self) -> FaultKind:
        return "connections" if self.closed else "answers"


def faulty_routes(fault: WireFault, onward: Object) -> list[Object]:
    """Return Envoy's routes: those below the path with the fault, everything else ``onward``."""
    part = _percentage(fault.share)
    whole = {"match": {"prefix": "/"}, "route": onward}
    if fault.closed:
        return [whole]
    if fault.empty:
        chance = {"default_value": part, "runtime_key": "dawsos.fault"}
        answer = {
            "match": {"prefix": fault.path, "runtime_fraction": chance},
            "direct_response": {"status": fault.status},
        }
        return [answer, whole]
    filtered: Object = {"@type": _TYPE}
    if fault.status:
        filtered["abort"] = {"http_status": fault.status, "percentage": part}
    if fault.latency:
        filtered["delay"] = {"fixed_delay": f"{fault.latency:.3f}s", "percentage": part}
    broken = {"match": {"prefix": fault.path}, "route": onward, "typed_per_filter_config": {_FILTER: filtered}}
    return [broken] if fault.path == "/" else [broken, whole]


def _percentage(share: float) -> Object:
    return {"numerator": round(share * 1_000_000), "denominator": "MILLION"}
