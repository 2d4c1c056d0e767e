"""When the night begins: once a day, and once only, whoever looks and however often."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from app.services.ports import JobRun

MIDNIGHT = time(0, 0, tzinfo=UTC)


def begin_of_night(now: datetime) -> datetime:
    """The last midnight, UTC."""
    return datetime.combine(now.astimezone(UTC).date(), MIDNIGHT)


def seconds_to_night(now: datetime) -> float:
    """Until the next midnight."""
    return (begin_of_night(now) + timedelta(days=1) - now).total_seconds()


def night_is_due(now: datetime, last: list[JobRun]) -> bool:
    """Whether the night of this day was not begun yet.

    The first night of all is not the schedule's: a database without any is being set up by somebody who runs it.
    """
    return bool(last) and last[0].started < begin_of_night(now)
