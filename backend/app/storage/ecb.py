"""Euro reference rates of the European Central Bank, from 1999 to the release of the package that carries them.

The policy is named for what it is: ECB1415CET, concertation at 14:15 Central European Time. A weekend or a holiday has
the rates of the day before it; so has every day after the last one the installed package knows.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property

from currency_converter import CurrencyConverter, RateNotFoundError  # type: ignore[import-untyped]  # no stubs exist

from app.core.errors import MarketDataError
from app.core.fx import Fixing
from app.core.money import CURRENCIES

ANCHOR = "EUR"
QUOTED = tuple(currency for currency in CURRENCIES if currency != ANCHOR)


class EcbHistory:
    """Implements services.ports.FxHistory. The file is read at the first look-up (about 0.3 s) and kept."""

    def __init__(self) -> None:
        self._known: dict[date, Fixing] = {}

    def fixing(self, day: date) -> Fixing:
        """The last fixing on or before `day`; raises MarketDataError for a day before the euro had any."""
        bounds = [self._converter.bounds[currency] for currency in QUOTED]
        first, last = max(b.first_date for b in bounds), min(b.last_date for b in bounds)
        looked = min(day, last)
        while looked >= first:
            if looked in self._known:
                return self._known[looked]
            try:
                # One euro, converted: the published number itself, as a Decimal.
                rates = {c: Decimal(self._converter.convert(Decimal(1), ANCHOR, c, looked)) for c in QUOTED}
            except RateNotFoundError:
                looked -= timedelta(days=1)
                continue
            return self._known.setdefault(looked, Fixing(looked, ANCHOR, rates))
        raise MarketDataError(f"no reference rates on or before {day.isoformat()}")

    @cached_property
    def _converter(self) -> CurrencyConverter:
        return CurrencyConverter(decimal=True)
