"""The counters of the service itself, from its metrics page."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from dawsos.adapters.http import HttpError
from dawsos.model.policy import CrashLoop
from dawsos.platforms.contract import Roles
from dawsos.platforms.local.state import Desired, write_desired, write_roles
from dawsos.platforms.local.telemetry import EnvoyTelemetry
from support.pages import Pages


def test_a_named_counter_that_the_first_sample_could_not_read_starts_where_it_is_first_read(tmp_path: Path) -> None:
    """The store has counted since long before this rollout: none of that is a failure of the canary."""

    async def measured(pages: Iterator[str | None]) -> list[dict[str, float]]:
        write_desired(tmp_path, Desired(proxy={"admin": 1}, deployments={"d1": {"ports": [8000]}}))
        write_roles(tmp_path, Roles("d0", "d1", None, 5))
        traffic = EnvoyTelemetry(tmp_path, ("failures_total",), CrashLoop())
        traffic._pages = Pages(lambda _path, _: _or_nobody(next(pages)))
        traffic._admin._client = Pages(lambda _path, _: _or_nobody(None))
        return [(await traffic.sample(at, 5)).counters for at in range(4)]

    counters = asyncio.run(measured(iter([None, "failures_total 7", "failures_total 7", "failures_total 9"])))
    assert counters == [{}, {"failures_total": 0.0}, {"failures_total": 0.0}, {"failures_total": 2.0}]


def _or_nobody(page: str | None) -> str:
    if page is None:
        raise HttpError("cannot connect")
    return page
