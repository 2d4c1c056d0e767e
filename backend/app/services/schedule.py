"""When the nightly jobs are due: once a day, whichever worker asks, and again after a failure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from app.services.nightly import order_problem
from app.services.ports import JobRun

MIDNIGHT = time(0, 0, tzinfo=UTC)
# The pack has to be fresh by 00:15. A failed night is retried in seconds until then and every ten minutes afterwards,
# until the next night: an outage may end at any time.
PACK_DEADLINE = timedelta(minutes=15)
FIRST_RETRY, MAX_RETRY_BEFORE_DEADLINE, RETRY_AFTER_DEADLINE = (
    timedelta(seconds=5),
    timedelta(seconds=60),
    timedelta(minutes=10),
)
# A reconciliation difference needs a person; each retry adds a row for every portfolio, so retries are rare.
PERSISTENT_ERROR = "ReconciliationError"


def begin_of_night(now: datetime) -> datetime:
    """The last midnight, UTC."""
    return datetime.combine(now.astimezone(UTC).date(), MIDNIGHT)


def seconds_to_night(now: datetime) -> float:
    """Seconds until the next midnight, UTC."""
    return (begin_of_night(now) + timedelta(days=1) - now).total_seconds()


def due_at(now: datetime, last: list[JobRun], tries: int, served: date | None) -> datetime | None:
    """When the nightly jobs of this date must start; None when they need not.

    `last` are the runs of the newest night, `tries` the number of nights since midnight, `served` the date of the
    newest fresh pack. Without an earlier night there is nothing to schedule: whoever sets the database up runs the
    first one.
    """
    begin = begin_of_night(now)
    if not last:
        return None
    if last[0].started < begin:
        return begin
    if any(run.status == "running" for run in last):
        return None
    if order_problem(last) is None:
        # A night of yesterday's date that began after midnight, by hand or in a release, is not the one of today.
        return begin if served is None or served < begin.date() else None
    ended = max(run.finished or run.started for run in last)
    if ended >= begin + PACK_DEADLINE or any(run.error.startswith(PERSISTENT_ERROR) for run in last):
        return ended + RETRY_AFTER_DEADLINE
    return ended + min(FIRST_RETRY * (1 << min(max(tries - 1, 0), 10)), MAX_RETRY_BEFORE_DEADLINE)
