"""A pricing pack: every price and every rate of one date, identified by the SHA-256 of its canonical bytes.

The hash is taken before the pack is stored and does not depend on the order in which prices arrived, so two builders
that saw the same market write the same hash, and a reader can prove that a stored pack was not altered.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from app.core.fx import FxRate, RateTable
from app.core.money import plain


@dataclass(frozen=True, slots=True)
class Security:
    """One instrument of the universe."""

    symbol: str
    name: str
    currency: str


@dataclass(frozen=True, slots=True)
class Price:
    """A close: `observed_on` may be earlier than the pack's date when the market was closed."""

    symbol: str
    close: Decimal
    currency: str
    source: str
    observed_on: date


@dataclass(frozen=True, slots=True)
class PackContent:
    """What the hash covers."""

    asof_date: date
    policy: str
    prices: tuple[Price, ...]
    rates: tuple[FxRate, ...]

    def canonical_bytes(self) -> bytes:
        """Sorted keys, sorted rows, numbers as plain strings, UTF-8, no white space."""
        document = {
            "asof_date": self.asof_date.isoformat(),
            "policy": self.policy,
            "prices": [
                [p.symbol, plain(p.close), p.currency, p.source, p.observed_on.isoformat()]
                for p in sorted(self.prices, key=lambda p: p.symbol)
            ],
            "rates": [
                # Packs of before rates had a date keep the bytes, and with them the hash, that they were stored with.
                [r.base, r.quote, plain(r.rate), *([r.observed_on.isoformat()] if r.observed_on else [])]
                for r in sorted(self.rates, key=lambda r: (r.base, r.quote))
            ],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    def digest(self) -> str:
        """SHA-256 of the canonical bytes, in hex."""
        return hashlib.sha256(self.canonical_bytes()).hexdigest()

    def price_of(self) -> dict[str, Price]:
        """Prices by symbol."""
        return {p.symbol: p for p in self.prices}

    def table(self) -> RateTable:
        """Rates by pair."""
        return RateTable(self.rates)


@dataclass(frozen=True, slots=True)
class PackHeader:
    """A stored pack without its rows."""

    id: str
    asof_date: date
    policy: str
    hash: str
    supersedes: str | None
    is_fresh: bool
    created_at: datetime
    ledger_commit_hash: str | None = None


def pack_id(asof_date: date, version: int) -> str:
    """`PP-2026-11-24-v2`: readable, ordered, and free to restate a date without reusing an id."""
    return f"PP-{asof_date.isoformat()}-v{version}"
