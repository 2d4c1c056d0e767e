"""What a release says of itself: its health page, the commit that it was built from, its page of metrics.

The same is asked after a deployment, of a canary before it gets traffic, and after a promotion, so that what a service does not have
is known before users are on it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dawsos.model.events import NOT_CHECKED, CheckResult
from dawsos.model.service import Service

# Asks for a page below the address of a release: {status_code, headers, body, error}, as ``adapters.http.get``.
Ask = Callable[[str], Awaitable[Mapping[str, Any]]]
# The usual name of a service's counter of requests: a page that has it is a metrics page, and of a service that counts.
COUNTER = "http_requests_total"
ANY, NONE, _HEALTH = "any", "none", "health"


@dataclass(frozen=True)
class Pages:
    """What a release answered: its health page, and the commit that it names; ``version`` is None when nobody asks for it."""

    health: Mapping[str, Any]
    version: str | None

    @property
    def status(self) -> str:
        """The status in the JSON of the health page, an empty text without one."""
        body = self.health["body"]
        return str(body.get("status", "")) if isinstance(body, dict) else ""


async def pages_of(service: Service, ask: Ask) -> Pages:
    """Ask for the health page and, where it stands on another one, for the version."""
    health = _read(await ask(service.health))
    return Pages(health, await _version(service, health, ask))


def _read(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``answer`` with the document that its text is: many a small service sends JSON without calling it so."""
    text = answer["body"]
    if isinstance(text, str) and text.lstrip().startswith("{"):
        try:
            return {**answer, "body": json.loads(text)}
        except (ValueError, RecursionError):
            return answer
    return answer


async def _version(service: Service, health: Mapping[str, Any], ask: Ask) -> str | None:
    if service.version == NONE:
        return None
    if service.version.startswith("header "):
        return str((health.get("headers") or {}).get(service.version.removeprefix("header ").lower(), ""))
    answer = health if service.version == _HEALTH else _read(await ask(service.version))
    body = answer["body"]
    if isinstance(body, dict):
        return str(body.get("version", ""))
    # A page of its own may be the commit alone; a health page that is no JSON names none.
    named = service.version != _HEALTH and answer["status_code"] == 200 and isinstance(body, str)
    return str(body).strip() if named else ""


def health_check(service: Service, pages: Pages) -> CheckResult:
    """Return whether the health page says what pipeline.yaml wants: the status, or that it answers at all."""
    code = f"{pages.health['status_code']}"
    if service.healthy == ANY:
        said = pages.health["error"] if pages.health["status_code"] is None else ""
        return compared("health", f"{code} {said}".rstrip(), "200")
    return compared("health", f"{code} {pages.status or pages.health['error']}".rstrip(), f"200 {service.healthy}")


def version_check(service: Service, pages: Pages, commit: str) -> CheckResult:
    """Return whether the release names the commit that was shipped."""
    if pages.version is None:
        return CheckResult(
            "version", NOT_CHECKED, "service.version is none: the service does not name its commit", commit
        )
    return compared("version", pages.version[:200], commit)


async def metrics_check(service: Service, ask: Ask) -> CheckResult:
    """Return whether the page of metrics is there and counts requests; a service that declares none need not have one."""
    answer = await ask(service.metrics_page)
    there = answer["status_code"] == 200
    seen = COUNTER if COUNTER in str(answer["body"]) else f"200 without {COUNTER}"
    found = compared("metrics", seen if there else f"status {answer['status_code']}", COUNTER)
    if found.failed and service.metrics is None:
        why = f"{service.metrics_page} answers {found.measured}, and pipeline.yaml declares no service.metrics"
        return CheckResult("metrics", NOT_CHECKED, why, COUNTER)
    return found


def compared(name: str, measured: str, limit: str) -> CheckResult:
    """Return the check that passes when what was measured is the limit."""
    return CheckResult(name, "pass" if measured == limit else "fail", measured, limit)
