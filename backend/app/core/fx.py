"""Exchange rates. `fx(base, quote)` is the number of units of `quote` that one unit of `base` buys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from app.core.errors import MarketDataError
from app.core.money import divide, significant

# 12 significant digits hold a cross, its inverse and a triangulation within far less than one basis point, also for
# pairs such as JPY/GBP where a fixed number of decimals would not.
RATE_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Fixing:
    """What was published on one day: units of each currency per one unit of the anchor."""

    day: date
    anchor: str
    per_anchor: Mapping[str, Decimal]

    def rate(self, base: str, quote: str) -> Decimal:
        """The rate base->quote of that day; raises MarketDataError for a currency that was not published."""
        quoted = {**self.per_anchor, self.anchor: Decimal(1)}
        for currency in (base, quote):
            if currency not in quoted:
                raise MarketDataError(f"no rate for {currency} on {self.day.isoformat()}")
        return cross(quoted, base, quote)

    def pairs(self) -> tuple[FxRate, ...]:
        """Every directed pair, each with the day it was observed."""
        return all_pairs(self.anchor, self.per_anchor, self.day)


@dataclass(frozen=True, slots=True)
class FxRate:
    """One directed pair; `observed_on` is the day of publication, which may be before the date it is used for."""

    base: str
    quote: str
    rate: Decimal
    observed_on: date | None = None


def cross(per_anchor: Mapping[str, Decimal], base: str, quote: str) -> Decimal:
    """The rate base->quote out of rates quoted as "units per one anchor" (the ECB quotes per euro)."""
    if base == quote:
        return Decimal(1)
    return significant(divide(per_anchor[quote], per_anchor[base]), RATE_DIGITS)


def all_pairs(anchor: str, per_anchor: Mapping[str, Decimal], observed_on: date | None = None) -> tuple[FxRate, ...]:
    """Every directed pair of distinct currencies, in alphabetical order."""
    for currency, rate in per_anchor.items():
        if not rate.is_finite() or rate <= 0:
            raise MarketDataError(f"rate of {currency} is {rate}; a rate must be a positive number")
    quoted = {**per_anchor, anchor: Decimal(1)}
    names = sorted(quoted)
    return tuple(FxRate(b, q, cross(quoted, b, q), observed_on) for b in names for q in names if b != q)


class RateTable:
    """Look-up over the pairs of one pack."""

    def __init__(self, rates: tuple[FxRate, ...]) -> None:
        self._rates = {(r.base, r.quote): r.rate for r in rates}

    def rate(self, base: str, quote: str) -> Decimal:
        """The rate base->quote; a pair the pack lacks is an error, never a silent 1."""
        if base == quote:
            return Decimal(1)
        try:
            return self._rates[base, quote]
        except KeyError:
            raise MarketDataError(f"the pack has no rate {base}->{quote}") from None
