"""The rate limit of a user: requests a minute, counted in the cache for all processes together.

Without the cache each process counts for itself. The limit is then multiplied by the number of processes, but there is
still one, and no request is refused because the cache is unavailable.
"""

from __future__ import annotations

from uuid import UUID

from app.core.errors import RateLimitedError
from app.services.cache import OptionalCache
from app.services.ports import Clock

WINDOW_SECONDS = 60


class RateLimiter:
    """A fixed window per user and minute."""

    def __init__(self, cache: OptionalCache, clock: Clock, per_minute: int) -> None:
        self._cache = cache
        self._clock = clock
        self._per_minute = per_minute
        self._window = 0
        self._own: dict[UUID, int] = {}

    async def count(self, user_id: UUID) -> None:
        """Count a request; raises RateLimitedError when it is one too many."""
        now = int(self._clock().timestamp())
        window = now // WINDOW_SECONDS
        counted = await self._cache.increment(f"rate:{user_id}:{window}", 2 * WINDOW_SECONDS)
        if counted is None:
            counted = self._count_here(user_id, window)
        if counted > self._per_minute:
            raise RateLimitedError((window + 1) * WINDOW_SECONDS - now)

    def _count_here(self, user_id: UUID, window: int) -> int:
        if window != self._window:
            self._window, self._own = window, {}
        self._own[user_id] = self._own.get(user_id, 0) + 1
        return self._own[user_id]
