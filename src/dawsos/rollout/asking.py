"""Asks a canary, before it gets any traffic, for the pages that pipeline.yaml says it has: what it lacks is told now, and not after
the promotion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dawsos.adapters.http import HttpError
from dawsos.errors import ReleaseFailed
from dawsos.model.events import CheckResult
from dawsos.model.service import Service
from dawsos.platforms.contract import Platform, Replica
from dawsos.platforms.pages import health_check, metrics_check, pages_of, version_check
from dawsos.ports import Clock

# How often, and with what pause in seconds, a canary is asked until it says what it should.
_TRIES, _PAUSE, _WITHIN = 20, 0.5, 5.0


async def must_say_so(platform: Platform, service: Service, deployment: str, commit: str, clock: Clock) -> None:
    """Raise ReleaseFailed when a replica of ``deployment`` answers otherwise than pipeline.yaml says: health, version, metrics.

    A replica that this machine cannot ask fails nothing: the verification after the promotion asks again.
    """
    async with platform.replicas(deployment) as replicas:
        if not replicas:
            return
        failed: list[CheckResult] = []
        for _ in range(_TRIES):
            failed = await _wrong(replicas[0], service, commit)
            if not failed:
                return
            await clock.sleep(_PAUSE)
    told = "; ".join(f"{one.name} is {one.measured!r}, wanted {one.limit!r}" for one in failed)
    raise ReleaseFailed(
        f"the release does not say what pipeline.yaml says of it, so it got no traffic: {told}",
        fix="correct the service, or service.health, healthy, version and metrics in pipeline.yaml",
    )


async def _wrong(replica: Replica, service: Service, commit: str) -> list[CheckResult]:
    async def ask(page: str) -> Mapping[str, Any]:
        try:
            answer = await replica.ask("GET", page, {}, None, _WITHIN)
        except HttpError as error:
            return {"url": page, "status_code": None, "body": None, "headers": {}, "error": str(error)}
        return {"url": page, "status_code": answer.status, "body": answer.text, "headers": answer.headers, "error": ""}

    said = await pages_of(service, ask)
    checks = (health_check(service, said), version_check(service, said, commit), await metrics_check(service, ask))
    # Without any answer it is this machine that cannot reach the replica.
    return [one for one in checks if one.failed and said.health["status_code"] is not None]
