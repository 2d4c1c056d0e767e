"""Spans of the S&P 500 between published turning points (closes), by the scenario they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

D = Decimal


@dataclass(frozen=True, slots=True)
class Span:
    """From one close to another; `regenerate` compares the levels with the index wherever it has the day."""

    name: str
    start: date
    end: date
    first: Decimal
    last: Decimal


OIL_1973 = Span("1973 oil embargo", date(1973, 1, 11), date(1974, 10, 3), D("120.24"), D("62.28"))
VOLCKER = Span("1980-82 Volcker", date(1980, 11, 28), date(1982, 8, 12), D("140.52"), D("102.42"))
GULF = Span("1990 Gulf war", date(1990, 7, 16), date(1990, 10, 11), D("368.95"), D("295.46"))
HIKES_2022 = Span("2022 inflation", date(2022, 1, 3), date(2022, 10, 12), D("4796.56"), D("3577.03"))

EPISODES: dict[str, tuple[Span, ...]] = {
    "recession": (
        Span("1957 recession", date(1956, 8, 2), date(1957, 10, 22), D("49.75"), D("38.98")),
        Span("1960 recession", date(1959, 8, 3), date(1960, 10, 25), D("60.71"), D("52.20")),
        Span("1970 recession", date(1968, 11, 29), date(1970, 5, 26), D("108.37"), D("69.29")),
        OIL_1973,
        VOLCKER,
        GULF,
        Span("2001 dot-com", date(2000, 3, 24), date(2002, 10, 9), D("1527.46"), D("776.76")),
        Span("2008 financial crisis", date(2007, 10, 9), date(2009, 3, 9), D("1565.15"), D("676.53")),
        Span("2020 pandemic", date(2020, 2, 19), date(2020, 3, 23), D("3386.15"), D("2237.40")),
    ),
    "inflation_shock": (
        OIL_1973,
        Span("1980 credit controls", date(1980, 2, 13), date(1980, 3, 27), D("118.44"), D("98.22")),
        GULF,
        HIKES_2022,
    ),
    "rate_hike": (
        Span("1966 credit crunch", date(1966, 2, 9), date(1966, 10, 7), D("94.06"), D("73.20")),
        VOLCKER,
        Span("1987 crash", date(1987, 8, 25), date(1987, 12, 4), D("336.77"), D("223.92")),
        Span("1994 tightening", date(1994, 2, 2), date(1994, 4, 4), D("482.00"), D("438.92")),
        Span("2018 tightening", date(2018, 9, 20), date(2018, 12, 24), D("2930.75"), D("2351.10")),
        HIKES_2022,
    ),
}
