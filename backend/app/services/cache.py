"""A cache that may be unavailable: every read is a miss then, and every write is dropped."""

from __future__ import annotations

from collections.abc import Callable

from app.core.errors import CacheUnavailableError
from app.services.ports import Cache
from app.services.tracing import span

# The pause after a failure. Without it, a cache that drops packets would add its timeout to every request.
PAUSE_SECONDS = 1.0


class OptionalCache:
    """Wraps a cache that can fail; it never raises CacheUnavailableError."""

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
        """Store the value for `ttl_seconds`; False when it was not stored."""
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
        """Ping the cache, also within the pause: readiness must notice an outage and its end."""
        try:
            await self._inner.ping()
        except CacheUnavailableError:
            return False
        self._retry_at = float("-inf")
        return True
