"""The market data document: read, then checked once into typed values (no I/O here, only text in, values out)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from app.core.errors import MarketDataError
from app.core.fx import Fixing
from app.core.money import quantize
from app.core.pack import PackContent, Price, Security

# NUMERIC(28, 10) in the database.
CLOSE_PLACES = Decimal("1e-10")
CLOSE_LIMIT = Decimal("1e18")


@dataclass(frozen=True, slots=True)
class Observation:
    """Closes seen on one day. Rates come from elsewhere: see `app.core.fx.Fixing`."""

    day: date
    closes: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class MarketData:
    """The universe and what was observed of it."""

    source: str
    policy: str
    universe: tuple[Security, ...]
    observations: tuple[Observation, ...]

    def content(self, asof: date, fixing: Fixing) -> PackContent:
        """The pack of one date: the last closes on or before it with the given rates, complete or not at all."""
        seen = [o for o in self.observations if o.day <= asof]
        if not seen:
            raise MarketDataError(f"no market data on or before {asof.isoformat()}")
        last = max(seen, key=lambda o: o.day)
        missing = sorted(s.symbol for s in self.universe if s.symbol not in last.closes)
        if missing:
            raise MarketDataError(
                f"no close for {', '.join(missing)} on {last.day.isoformat()}; no partial pack is built"
            )
        unpriced = sorted({s.currency for s in self.universe} - {*fixing.per_anchor, fixing.anchor})
        if unpriced:
            raise MarketDataError(f"no rate for {', '.join(unpriced)} on {fixing.day.isoformat()}")
        prices = tuple(
            Price(s.symbol, last.closes[s.symbol], s.currency, self.source, last.day)
            for s in sorted(self.universe, key=lambda s: s.symbol)
        )
        return PackContent(asof, self.policy, prices, fixing.pairs())


def parse(text: str) -> MarketData:
    """Turn the JSON document into values; every way it can be wrong becomes MarketDataError."""
    try:
        raw = json.loads(text)
        return MarketData(
            source=str(raw["source"]),
            policy=str(raw["policy"]),
            universe=tuple(Security(str(s["symbol"]), str(s["name"]), str(s["currency"])) for s in raw["securities"]),
            observations=tuple(_observation(o) for o in raw["observations"]),
        )
    except (ValueError, KeyError, TypeError, InvalidOperation) as error:
        raise MarketDataError(f"market data is not in the expected form: {type(error).__name__}: {error}") from error


def _observation(raw: dict[str, Any]) -> Observation:
    closes = {str(symbol): _positive(symbol, close) for symbol, close in raw["closes"].items()}
    return Observation(date.fromisoformat(raw["date"]), closes)


def _positive(name: str, text: object) -> Decimal:
    # Only strings are accepted: a JSON float has already lost digits before we see it.
    if not isinstance(text, str):
        raise MarketDataError(f"{name}: numbers must be written as strings")
    value = Decimal(text)
    if not value.is_finite() or value <= 0:
        raise MarketDataError(f"{name}: {text} is not a positive number")
    # The hash is of the close as it came. Rounded on its way into the database it would never match again.
    if value >= CLOSE_LIMIT or quantize(value, CLOSE_PLACES) != value:
        raise MarketDataError(f"{name}: {text} does not fit into 18 digits and 10 decimals")
    return value
