"""Macro-economic series: regular monthly or quarterly observations, and what is derived from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from app.core.money import divide

Frequency = Literal["monthly", "quarterly"]
MONTHS: Mapping[Frequency, int] = {"monthly": 1, "quarterly": 3}


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """What a series is and where it came from; `origin` names the data set and its digest."""

    id: str
    title: str
    units: str
    frequency: Frequency
    origin: str


@dataclass(frozen=True, slots=True)
class Series:
    """Values by the first day of their month or quarter, ascending and without holes."""

    info: SeriesInfo
    start: date
    values: tuple[Decimal, ...]

    def period(self, index: int) -> date:
        """First day of the period at an index."""
        return shift(self.start, index * MONTHS[self.info.frequency])

    def last(self) -> tuple[date, Decimal]:
        """The newest observation."""
        return self.period(len(self.values) - 1), self.values[-1]

    def index(self, period: date) -> int | None:
        """Where a period is, or None when the series does not reach it."""
        months = (period.year - self.start.year) * 12 + period.month - self.start.month
        at, rest = divmod(months, MONTHS[self.info.frequency])
        return at if rest == 0 and 0 <= at < len(self.values) else None

    def at(self, period: date) -> Decimal:
        """The value of a period; raises KeyError with the series' name when there is none."""
        found = self.index(period)
        if found is None:
            raise KeyError(f"{self.info.id} has no value for {period.isoformat()}")
        return self.values[found]

    def until(self, day: date) -> Series:
        """Without the periods that had not ended by a day; may be empty."""
        step = MONTHS[self.info.frequency]
        kept = sum(1 for i in range(len(self.values)) if shift(self.period(i), step) - timedelta(days=1) <= day)
        return Series(self.info, self.start, self.values[:kept])


def shift(day: date, months: int) -> date:
    """The first day of the month so many months later."""
    count = day.year * 12 + day.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)


def quarter_of(day: date) -> date:
    """First day of the calendar quarter of a day."""
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)


def quarter_name(quarter: date) -> str:
    """`2008Q4`."""
    return f"{quarter.year}Q{(quarter.month + 2) // 3}"


def last_ended_quarter(day: date) -> date:
    """The newest quarter that was over by the end of a day."""
    current = quarter_of(day)
    return current if shift(current, 3) - timedelta(days=1) <= day else shift(current, -3)


def change(series: Series, period: date, months: int) -> Decimal:
    """Relative change against so many months before, as a fraction."""
    return divide(series.at(period), series.at(shift(period, -months))) - 1


def quarter_mean(series: Series, quarter: date) -> Decimal:
    """Mean of the three months of a quarter."""
    return mean([series.at(shift(quarter, month)) for month in range(3)])


def mean(values: Sequence[Decimal]) -> Decimal:
    """Arithmetic mean of at least one value."""
    return divide(sum(values, Decimal(0)), Decimal(len(values)))
