"""Exchange rates. `fx(base, quote)` is the number of units of `quote` that one unit of `base` buys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.core.errors import MarketDataError
from app.core.money import divide, significant

# 12 significant digits hold a cross, its inverse and a triangulation within far less than one basis point, also for
# pairs such as JPY/GBP where a fixed number of decimals would not.
RATE_DIGITS = 12


@dataclass(frozen=True, slots=True)
class FxRate:
    """One directed pair."""

    base: str
    quote: str
    rate: Decimal


def cross(per_anchor: Mapping[str, Decimal], base: str, quote: str) -> Decimal:
    """The rate base->quote out of rates quoted as "units per one anchor" (the ECB quotes per euro)."""
    if base == quote:
        return Decimal(1)
    return significant(divide(per_anchor[quote], per_anchor[base]), RATE_DIGITS)


def all_pairs(anchor: str, per_anchor: Mapping[str, Decimal]) -> tuple[FxRate, ...]:
    """Every directed pair of distinct currencies, in alphabetical order."""
    for currency, rate in per_anchor.items():
        if not rate.is_finite() or rate <= 0:
            raise MarketDataError(f"rate of {currency} is {rate}; a rate must be a positive number")
    quoted = {**per_anchor, anchor: Decimal(1)}
    names = sorted(quoted)
    return tuple(FxRate(b, q, cross(quoted, b, q)) for b in names for q in names if b != q)


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
