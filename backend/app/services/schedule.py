"""When the night begins: once a day, whoever looks and however often; and when one that failed is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from app.services.nightly import order_problem
from app.services.ports import JobRun

MIDNIGHT = time(0, 0, tzinfo=UTC)
# The pack is promised for 00:15. Until then a failed night is tried again soon, later patiently, and it is never given
# up before the next night: whatever was away may be back at any time.
PROMISED = timedelta(minutes=15)
FIRST_WAIT, LONGEST_WAIT_BEFORE, WAIT_AFTER = timedelta(seconds=5), timedelta(seconds=60), timedelta(minutes=10)
# A difference does not go away by itself, and looking for it again writes a line for every portfolio.
LASTING = "ReconciliationError"


def begin_of_night(now: datetime) -> datetime:
    """The last midnight, UTC."""
    return datetime.combine(now.astimezone(UTC).date(), MIDNIGHT)


def seconds_to_night(now: datetime) -> float:
    """Until the next midnight."""
    return (begin_of_night(now) + timedelta(days=1) - now).total_seconds()


def due_at(now: datetime, last: list[JobRun], tries: int) -> datetime | None:
    """When the night of this day is to be begun, given the newest night and how many this day has had; None if not.

    The first night of all is not the schedule's: a database without any is being set up by somebody who runs it.
    """
    begin = begin_of_night(now)
    if not last:
        return None
    if last[0].started < begin:
        return begin
    if order_problem(last) is None or any(run.status == "running" for run in last):
        return None
    ended = max(run.finished or run.started for run in last)
    if ended >= begin + PROMISED or any(run.error.startswith(LASTING) for run in last):
        return ended + WAIT_AFTER
    return ended + min(FIRST_WAIT * (1 << min(max(tries - 1, 0), 10)), LONGEST_WAIT_BEFORE)
