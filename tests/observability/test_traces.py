"""A trace of a request of its own: sent with an id that nobody had before, and found by it."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.model.events import CheckResult
from dawsos.observability.answers import Unusable
from dawsos.observability.traces import check
from support.observed import COMMIT, Told, checked


class World:
    """A service that answers ``status``, and a trace store that has a span of the request for each of ``processes``."""

    def __init__(self, *processes: dict[str, Any], status: int = 200, after: int = 0) -> None:
        self.service = Told(lambda path, headers: None, status)
        self.store = Told(lambda path, params: self._answer(path))
        self._processes = processes
        self._after = after

    @property
    def trace(self) -> str:
        version, trace, _parent, flags = self.service.asked[-1][1]["traceparent"].split("-")
        assert (version, flags) == ("00", "01")
        return trace

    def _answer(self, path: str) -> Any:
        assert path == f"/api/traces/{self.trace}"
        if len(self.store.asked) <= self._after:
            raise Unusable("status 404: trace not found", status=404)
        spans = [{"traceID": self.trace, "processID": str(n)} for n in range(len(self._processes))]
        known = {str(n): process for n, process in enumerate(self._processes)}
        return {"data": [{"traceID": self.trace, "spans": spans, "processes": known}]}

    def checked(self, **settings: Any) -> CheckResult:
        servers = {"service": self.service, "traces": self.store}
        return checked(check, {"traces": settings, "within": 10.0}, servers)


def process(name: str, version: str = "") -> dict[str, Any]:
    return {"serviceName": name, "tags": [{"key": "service.version", "value": version}]}


def test_a_span_of_the_service_is_found_when_it_has_arrived() -> None:
    world = World(process("shop", COMMIT), process("shop-db"), after=3)
    found = world.checked()
    assert (found.result, found.limit) == ("pass", "a span of the service within 10s")
    assert found.measured.startswith("2 spans of shop, shop-db after ")
    assert found.measured.endswith(", the request was answered with 200")
    assert [path for path, _ in world.service.asked] == ["/health"]
    assert world.checked(page="/v1/prices").passed
    assert world.service.asked[1][0] == "/v1/prices"
    assert world.service.asked[0][1] != world.service.asked[1][1]


@pytest.mark.parametrize(
    ("world", "settings", "result", "measured"),
    [
        (World(after=99), {}, "fail", "no span, the request was answered with 200 (status 404: trace not found)"),
        (World(status=503), {}, "fail", "0 spans after 10s, the request was answered with 503"),
        (World(process("proxy")), {"service": "shop"}, "fail", "1 span of proxy after"),
        (World(process("shop", "b" * 40)), {}, "fail", f"1 span of shop, of version {'b' * 40} and not {COMMIT} after"),
        (World(process("shop", "c0ffee0")), {}, "pass", "1 span of shop after"),
        (World(process("shop", "1.4.2")), {}, "pass", "1 span of shop after"),
        (World(process("")), {"service": "shop"}, "fail", "1 span of no service after"),
    ],
    ids=["unknown", "empty", "another service", "another version", "short version", "number", "no name"],
)
def test_what_is_no_span_of_the_service_and_version_is_seen(
    world: World, settings: dict[str, Any], result: str, measured: str
) -> None:
    found = world.checked(**settings)
    assert (found.result, found.measured[: len(measured)]) == (result, measured)


def test_a_request_without_an_answer_is_an_error() -> None:
    def refuse(path: str, headers: object) -> None:
        raise Unusable("cannot connect")

    found = checked(check, {"traces": {}}, {"service": Told(refuse)})
    assert (found.result, found.measured) == ("error", "the request with a trace id had no answer: cannot connect")


def test_without_a_trace_store_nothing_is_checked() -> None:
    found = checked(check, {})
    assert (found.result, found.measured) == (
        "not_checked",
        "not configured: environments.production.observability.traces",
    )
