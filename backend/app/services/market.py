"""Live market data from the first provider that answers, with a cache of earlier answers.

The order is: a fresh answer of the cache; the first provider; an answer of the cache that is not older than a day,
marked stale; the other providers; ProviderUnavailableError. The last answers are kept in this process too, so that an
outage of the cache and of the providers at once still leaves a stale answer.
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
from app.services.resilience import ResilientProvider

T = TypeVar("T")
FRESH_FOR = {"quote": timedelta(seconds=15), "fundamentals": timedelta(hours=12), "series": timedelta(hours=12)}
USABLE_FOR = timedelta(days=1)
MAX_LOCAL_ANSWERS = 500
# Without a cached answer the provider is tried again; with one, the stale answer is better than a wait.
TRIES_WITHOUT_CACHED = 2


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A value, the provider that gave it and when; `stale` when it is older than its kind stays fresh."""

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
    """Quotes, fundamentals and series from the providers."""

    def __init__(self, providers: Sequence[ResilientProvider], cache: OptionalCache, clock: Clock) -> None:
        self._providers = tuple(providers)
        self._cache = cache
        self._clock = clock
        self._local: dict[str, bytes] = {}

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
        """The state of each provider's circuit breaker, by name; the gauges show it too."""
        for resilient in self._providers:
            resilient.update_gauge()
        return {resilient.provider.name: resilient.state for resilient in self._providers}

    async def _get(self, kind: _Kind[T], key: str) -> Answer[T]:
        cached = await self._load(kind, key)
        if cached is not None and not cached.stale:
            return cached
        problems: list[str] = []
        unknown = False
        tries = TRIES_WITHOUT_CACHED if cached is None else 1
        for resilient in self._providers:
            try:
                value = await resilient.call(kind.endpoint, lambda p=resilient.provider: kind.ask(p, key), tries)  # type: ignore[misc]
            except ProviderError as error:
                # Another provider may know more listings than this one.
                if error.reason in {"unknown", "unsupported"}:
                    unknown |= error.reason == "unknown"
                    continue
                problems.append(str(error))
                if cached is not None:
                    return cached
                continue
            return await self._save(kind, key, value, resilient.provider.name)
        if unknown and not problems:
            raise NotFoundError(f"no provider knows {key}")
        raise ProviderUnavailableError(f"no market data now: {'; '.join(problems) or 'no provider offers this'}")

    async def _save(self, kind: _Kind[T], key: str, value: T, provider: str) -> Answer[T]:
        now = self._clock()
        text = json.dumps([provider, now.isoformat(), kind.pack(value)], separators=(",", ":")).encode()
        name = f"market:{kind.endpoint}:{key}"
        self._local.pop(name, None)
        if len(self._local) >= MAX_LOCAL_ANSWERS:
            self._local.pop(next(iter(self._local)))
        self._local[name] = text
        await self._cache.set(name, text, int(USABLE_FOR.total_seconds()))
        return Answer(value, provider, now, stale=False)

    async def _load(self, kind: _Kind[T], key: str) -> Answer[T] | None:
        name = f"market:{kind.endpoint}:{key}"
        text = await self._cache.get(name) or self._local.get(name)
        if text is None:
            return None
        provider, fetched, raw = json.loads(text)
        at = datetime.fromisoformat(fetched).astimezone(UTC)
        age = self._clock() - at
        if age > USABLE_FOR:
            return None
        return Answer(kind.unpack(key, raw), provider, at, stale=age > FRESH_FOR[kind.endpoint])
