"""The one alert rule of this version: the value fell by more than five percent since the day before."""

from __future__ import annotations

from decimal import Decimal

from app.core.attribution import simple_return

DROP_LIMIT = Decimal("-0.05")


def value_drop(previous: Decimal, current: Decimal) -> Decimal | None:
    """The change as a fraction if it is an alert, else None. From nothing there is no fall."""
    if previous <= 0:
        return None
    change = simple_return(previous, current)
    return change if change < DROP_LIMIT else None
