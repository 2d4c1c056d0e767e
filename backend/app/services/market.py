"""Live market data: from the first provider that answers, from memory when it is fresh, and marked when it is stale.

The order is: what is remembered and fresh; the first provider; what is remembered and not older than a day, marked
stale; the other providers; an error that says so. Remembered answers lie in the cache, and the last ones also in this
process, so that losing the cache and the provider together still leaves something to show.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

from app.core.errors import NotFoundError
from app.core.money import plain
from app.services.cache import OptionalCache
from app.services.guard import Guard
from app.services.ports import Clock
from app.services.provider_ports import (
    Endpoint,
    Fundamentals,
    Provider,
    ProviderError,
    ProviderUnavailableError,
    Quote,
    Series,
    Statement,
)

T = TypeVar("T")
FRESH = {"quote": timedelta(seconds=15), "fundamentals": timedelta(hours=12), "series": timedelta(hours=12)}
KEPT = timedelta(days=1)
REMEMBERED = 500
# With nothing to fall back on, the caller gets the retries; otherwise the remembered answer is the better retry.
TRIES_WITHOUT_MEMORY = 2


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What was found, who said it and when it was fetched; `stale` when that was not now."""

    value: T
    provider: str
    fetched_at: datetime
    stale: bool


@dataclass(frozen=True, slots=True)
class _Kind(Generic[T]):
    endpoint: Endpoint
    ask: Callable[[Provider, str], Awaitable[T]]
    pack: Callable[[T], Any]
    unpack: Callable[[str, Any], T]


def _pack_statements(found: Fundamentals) -> Any:
    return [[s.fiscal_year, plain(s.revenue), plain(s.net_income)] for s in found.statements]


_QUOTE: _Kind[Quote] = _Kind(
    "quote",
    lambda provider, key: provider.quote(key),
    lambda q: [plain(q.price), q.volume, q.at.isoformat()],
    lambda key, raw: Quote(key, Decimal(raw[0]), raw[1], datetime.fromisoformat(raw[2])),
)
_FUNDAMENTALS: _Kind[Fundamentals] = _Kind(
    "fundamentals",
    lambda provider, key: provider.fundamentals(key),
    _pack_statements,
    lambda key, raw: Fundamentals(key, tuple(Statement(y, Decimal(r), Decimal(n)) for y, r, n in raw)),
)
_SERIES: _Kind[Series] = _Kind(
    "series",
    lambda provider, key: provider.series(key),
    lambda s: [[day.isoformat(), plain(value)] for day, value in s.observations],
    lambda key, raw: Series(key, tuple((date.fromisoformat(day), Decimal(value)) for day, value in raw)),
)


class MarketService:
    """Quotes, fundamentals and series through guarded providers."""

    def __init__(self, guards: Sequence[Guard], cache: OptionalCache, clock: Clock) -> None:
        self.guards = tuple(guards)
        self._cache = cache
        self._clock = clock
        self._last: dict[str, bytes] = {}

    async def quote(self, symbol: str) -> Answer[Quote]:
        """The last price of a symbol."""
        return await self._get(_QUOTE, symbol)

    async def fundamentals(self, symbol: str) -> Answer[Fundamentals]:
        """The statements of a company."""
        return await self._get(_FUNDAMENTALS, symbol)

    async def series(self, series_id: str) -> Answer[Series]:
        """A macroeconomic series."""
        return await self._get(_SERIES, series_id)

    def states(self) -> dict[str, str]:
        """The breaker of each provider."""
        for guard in self.guards:
            guard.show()
        return {guard.provider.name: guard.state for guard in self.guards}

    async def _get(self, kind: _Kind[T], key: str) -> Answer[T]:
        remembered = await self._remembered(kind, key)
        if remembered is not None and not remembered.stale:
            return remembered
        problems: list[str] = []
        unknown = False
        tries = TRIES_WITHOUT_MEMORY if remembered is None else 1
        for guard in self.guards:
            try:
                value = await guard.call(kind.endpoint, lambda p=guard.provider: kind.ask(p, key), tries)  # type: ignore[misc]
            except ProviderError as error:
                # Another provider may know more listings than this one.
                if error.reason in {"unknown", "unsupported"}:
                    unknown |= error.reason == "unknown"
                    continue
                problems.append(str(error))
                if remembered is not None:
                    return remembered
                continue
            return await self._remember(kind, key, value, guard.provider.name)
        if unknown and not problems:
            raise NotFoundError(f"no provider knows {key}")
        raise ProviderUnavailableError(f"no market data now: {'; '.join(problems) or 'no provider offers this'}")

    async def _remember(self, kind: _Kind[T], key: str, value: T, provider: str) -> Answer[T]:
        now = self._clock()
        text = json.dumps([provider, now.isoformat(), kind.pack(value)], separators=(",", ":")).encode()
        name = f"market:{kind.endpoint}:{key}"
        self._last.pop(name, None)
        if len(self._last) >= REMEMBERED:
            self._last.pop(next(iter(self._last)))
        self._last[name] = text
        await self._cache.set(name, text, int(KEPT.total_seconds()))
        return Answer(value, provider, now, stale=False)

    async def _remembered(self, kind: _Kind[T], key: str) -> Answer[T] | None:
        name = f"market:{kind.endpoint}:{key}"
        text = await self._cache.get(name) or self._last.get(name)
        if text is None:
            return None
        provider, fetched, raw = json.loads(text)
        at = datetime.fromisoformat(fetched).astimezone(UTC)
        age = self._clock() - at
        if age > KEPT:
            return None
        return Answer(kind.unpack(key, raw), provider, at, stale=age > FRESH[kind.endpoint])
