"""Redis behind the Cache protocol."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.core.errors import CacheUnavailableError

# The cache must never cost more than the database query it saves.
TIMEOUT_SECONDS = 0.25


class RedisCache:
    """Implements services.ports.Cache; every way Redis can fail becomes CacheUnavailableError."""

    def __init__(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            # The library retries with backoff by default, which would multiply the timeout of every request.
            retry=Retry(NoBackoff(), 0),
            max_connections=50,
        )

    async def get(self, key: str) -> bytes | None:
        """The stored bytes."""
        try:
            async with asyncio.timeout(2 * TIMEOUT_SECONDS):
                value = await self._redis.get(key)
        except (RedisError, OSError, TimeoutError) as error:
            raise CacheUnavailableError("redis does not answer") from error
        return value.encode() if isinstance(value, str) else value

    async def set(self, key: str, value: bytes, ttl_seconds: int) -> None:
        """Store bytes for a while."""
        try:
            async with asyncio.timeout(2 * TIMEOUT_SECONDS):
                await self._redis.set(key, value, ex=ttl_seconds)
        except (RedisError, OSError, TimeoutError) as error:
            raise CacheUnavailableError("redis does not answer") from error

    async def increment(self, key: str, ttl_seconds: int) -> int:
        """One round trip: count, and let the counter end by itself."""
        try:
            async with asyncio.timeout(2 * TIMEOUT_SECONDS):
                pipeline = self._redis.pipeline(transaction=False)
                pipeline.set(key, 0, ex=ttl_seconds, nx=True)
                pipeline.incr(key)
                _, counted = await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise CacheUnavailableError("redis does not answer") from error
        return int(counted)

    async def ping(self) -> None:
        """Answer or CacheUnavailableError."""
        try:
            async with asyncio.timeout(2 * TIMEOUT_SECONDS):
                await self._redis.get("ping")
        except (RedisError, OSError, TimeoutError) as error:
            raise CacheUnavailableError("redis does not answer") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
