"""Tests on either side of midnight UTC.

A worker runs the night when a day begins. While it runs, the last good pack is served as stale, and the newest night is
not whole yet. A test of a service with a worker does not ask during that time, and does not begin before it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import httpx

from app.container_clients import utc_now
from app.services.schedule import PACK_DEADLINE, begin_of_night, seconds_to_night
from tests.support.external import wait_for

# No test that looks at dates takes longer.
LAST_SECONDS = 60.0
NIGHT_SECONDS = 180.0


def stay_within_a_day(client: httpx.Client, now: Callable[[], datetime] = utc_now) -> None:
    """Return when a minute of the day is left and its night is over; at most times that is at once.

    `client` is a user's. Raises an AssertionError when the night does not end.
    """
    if seconds_to_night(now()) < LAST_SECONDS:
        tomorrow = begin_of_night(now()) + timedelta(days=1)
        wait_for(lambda: now() >= tomorrow, "the clock stands still", within=LAST_SECONDS + 5)
    if now() - begin_of_night(now()) < PACK_DEADLINE:
        wait_for(lambda: night_is_over(client, now()), "the night of this day is not over", within=NIGHT_SECONDS)


def night_is_over(client: httpx.Client, now: datetime) -> bool:
    """Whether the newest night is of this day, and whole or failed: what it was is for the tests to judge."""
    answer = client.get("/v1/jobs/latest")
    if answer.status_code != 200:
        return False
    night = answer.json()
    if any(run["status"] == "failed" for run in night["runs"]):
        return datetime.fromisoformat(night["runs"][0]["started"]) >= begin_of_night(now)
    pack = client.get("/v1/pricing/latest").json()
    return bool(night["order_ok"] and pack["asof_date"] >= now.date().isoformat())
