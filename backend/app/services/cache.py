"""A cache the service can live without: when it is gone, every read is a miss and every write is dropped."""

from __future__ import annotations

from collections.abc import Callable

from app.core.errors import CacheUnavailableError
from app.services.ports import Cache
from app.services.tracing import span

# After a failure the cache is left alone this long. Without the pause a cache that swallows packets (rather than
# refusing) would add its timeout to every single request.
PAUSE_SECONDS = 1.0


class OptionalCache:
    """Wraps a cache that can fail; never raises CacheUnavailableError from get or set."""

    def __init__(self, inner: Cache, monotonic: Callable[[], float]) -> None:
        self._inner = inner
        self._monotonic = monotonic
        self._retry_at = float("-inf")

    async def get(self, key: str) -> bytes | None:
        """The value, or None when it is absent or the cache is unreachable."""
        if self._monotonic() < self._retry_at:
            return None
        with span("cache.get") as opened:
            try:
                value = await self._inner.get(key)
            except CacheUnavailableError:
                self._retry_at = self._monotonic() + PAUSE_SECONDS
                return None
            opened.set_attribute("cache.hit", value is not None)
            return value

    async def set(self, key: str, value: bytes, ttl_seconds: int) -> bool:
        """Store the value; False means that it was not stored and the next read goes to the database."""
        if self._monotonic() < self._retry_at:
            return False
        try:
            await self._inner.set(key, value, ttl_seconds)
        except CacheUnavailableError:
            self._retry_at = self._monotonic() + PAUSE_SECONDS
            return False
        return True

    async def increment(self, key: str, ttl_seconds: int) -> int | None:
        """The counter after adding one, or None when the cache is unreachable."""
        if self._monotonic() < self._retry_at:
            return None
        try:
            return await self._inner.increment(key, ttl_seconds)
        except CacheUnavailableError:
            self._retry_at = self._monotonic() + PAUSE_SECONDS
            return None

    async def available(self) -> bool:
        """Ask now, whatever happened before: readiness must notice both loss and return."""
        try:
            await self._inner.ping()
        except CacheUnavailableError:
            return False
        self._retry_at = float("-inf")
        return True
