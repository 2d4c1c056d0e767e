"""What the tests do about midnight."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.support import midnight
from tests.support.midnight import stay_within_a_day

MIDNIGHT = datetime(2026, 11, 30, tzinfo=UTC)


class Site:
    """A service whose night of a day begins at midnight and takes three seconds of a clock that moves by the second."""

    def __init__(self, start: datetime, *, fails: bool = False) -> None:
        self.time, self.fails, self.asked = start, fails, 0
        self.client = httpx.Client(transport=httpx.MockTransport(self.answer), base_url="http://site")

    def now(self) -> datetime:
        return self.time

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        over = self.time >= MIDNIGHT + timedelta(seconds=3)
        if request.url.path == "/v1/pricing/latest":
            return httpx.Response(200, json={"asof_date": "2026-11-30" if over else "2026-11-29"})
        begun = MIDNIGHT if self.time > MIDNIGHT else MIDNIGHT - timedelta(days=1)
        failed = self.fails and over
        run = {"status": "failed" if failed else "succeeded", "started": begun.isoformat()}
        whole = self.time <= MIDNIGHT or (over and not failed)
        return httpx.Response(200, content=json.dumps({"order_ok": whole, "runs": [run]}))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[Site]:
    """Each wait moves the clock of the site put into the list by a second, without any real time."""
    sites: list[Site] = []

    def wait_for(condition: midnight.Callable[[], object], what: str, within: float) -> None:
        for _ in range(int(within)):
            if condition():
                return
            sites[0].time += timedelta(seconds=1)
        raise AssertionError(what)

    monkeypatch.setattr(midnight, "wait_for", wait_for)
    return sites


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("seconds", [-59, -1, 0, 1, 2])
def test_a_test_around_midnight_begins_after_the_night(waits: list[Site], seconds: int, fails: bool) -> None:
    waits.append(site := Site(MIDNIGHT + timedelta(seconds=seconds), fails=fails))
    stay_within_a_day(site.client, site.now)
    assert site.time == MIDNIGHT + timedelta(seconds=3)


@pytest.mark.parametrize("seconds", [-43200, -60, 900])
def test_at_other_times_nothing_is_asked_or_waited_for(waits: list[Site], seconds: int) -> None:
    waits.append(site := Site(start := MIDNIGHT + timedelta(seconds=seconds)))
    stay_within_a_day(site.client, site.now)
    assert (site.time, site.asked) == (start, 0)


def test_a_night_that_does_not_end_is_said(waits: list[Site]) -> None:
    waits.append(site := Site(MIDNIGHT + timedelta(seconds=5)))
    site.client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(503)), base_url="http://site")
    with pytest.raises(AssertionError, match="is not over"):
        stay_within_a_day(site.client, site.now)
