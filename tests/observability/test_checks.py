"""All checks at once, over real sockets: each asks its own server, with its own token, and none waits for another."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.loopback import free_ports
from dawsos.model.events import CheckResult
from dawsos.model.observability import Observability
from dawsos.observability.asking import Question
from dawsos.observability.checks import observe
from observability.test_dashboards import board, panel
from support.observed import SERVING, vector
from support.pages import Asked, answered, serving

pytestmark = pytest.mark.e2e  # opens sockets on loopback

RULES = {"status": "success", "data": {"groups": [{"rules": [{"type": "alerting", "name": "High", "health": "ok"}]}]}}
MANAGERS = {"status": "success", "data": {"activeAlertmanagers": [{"url": "http://a"}]}}


def everything(one: Asked) -> bytes:
    """Answer as a service, a Prometheus, an Alertmanager and a Jaeger that are well, all on one port."""
    pages: dict[str, Any] = {
        "/health": {},
        "/api/v1/query": vector(({"instance": "a"}, "1"), ({"instance": "b"}, "2")),
        "/api/v1/rules": RULES,
        "/api/v1/alertmanagers": MANAGERS,
        "/api/v2/alerts": [],
    }
    trace = re.fullmatch(r"/api/traces/([0-9a-f]{32})", one.path)
    if trace is not None:
        span = {"traceID": trace[1], "processID": "p"}
        page: Any = {"data": [{"spans": [span], "processes": {"p": {"serviceName": "shop"}}}]}
    else:
        page = pages[one.path]
    return answered(json.dumps(page), kind="application/json")


def observed(
    settings: Mapping[str, Any], within: float = 0.3, dashboards: Mapping[str, str | None] | None = None
) -> tuple[list[CheckResult], list[Asked]]:
    """Return the checks, and what the server was asked that is ``{HERE_PORT}``, and what serves."""

    async def talk() -> tuple[list[CheckResult], list[Asked]]:
        async with serving(everything) as (url, asked):
            variables = {"HERE_PORT": url.rsplit(":", 1)[1]}
            question = Question(SystemClock(), {"A": "one", "B": "two"}, variables, dashboards or {})
            wanted = Observability.model_validate({**settings, "within": within})
            return await observe(replace(SERVING, url=url), wanted, question), asked

    return asyncio.run(talk())


def test_each_is_asked_at_its_port_with_its_token() -> None:
    here = "http://127.0.0.1:{HERE_PORT}"
    settings = {
        "prometheus": {"url": here, "token": "A"}, "traces": {"url": here, "token": "B"}, "alertmanager": {"url": here},
    }  # fmt: skip
    checks, asked = observed(settings, 10.0, {"shop.json": board(panel("a"))})
    assert [(check.name, check.result) for check in checks] == [
        ("metrics at Prometheus", "pass"), ("trace", "pass"), ("alerts", "pass"), ("dashboards", "pass"),
    ]  # fmt: skip
    tokens = {(one.path.split("/api/traces/")[0], one.headers.get("authorization", "")) for one in asked}
    assert tokens == {
        ("/health", ""), ("/api/v1/query", "Bearer one"), ("/api/v1/rules", "Bearer one"),
        ("/api/v1/alertmanagers", "Bearer one"), ("", "Bearer two"), ("/api/v2/alerts", ""),
    }  # fmt: skip


def test_nothing_that_is_not_named_is_asked_or_passed() -> None:
    checks, asked = observed({})
    assert {check.result for check in checks} == {"not_checked"}
    assert asked == []


def test_nobody_there_is_no_pass() -> None:
    nowhere = {"url": f"http://127.0.0.1:{free_ports(1)[0]}"}
    checks, _ = observed(
        {"prometheus": nowhere, "traces": nowhere, "alertmanager": nowhere}, dashboards={"a.json": board(panel("a"))}
    )
    assert [check.result for check in checks] == ["error"] * 4
    assert all("cannot connect" in check.measured for check in checks)
