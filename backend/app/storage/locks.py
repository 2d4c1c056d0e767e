"""Locks that all processes share, and the channel by which they tell each other of new messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from app.core.errors import StoreUnavailableError
from app.storage.alerts import CHANNEL, RULES_CHANNEL
from app.storage.db import CONNECT_SECONDS, UNAVAILABLE, Database

HOLD = "SELECT pg_advisory_lock(hashtextextended($1, 1))"
TRY = "SELECT pg_try_advisory_lock(hashtextextended($1, 1))"
# The server ends a statement after seconds, a wait for a lock included, whatever this side is ready to wait. The pool
# resets what a session has set when the connection is given back.
PATIENCE = "SELECT set_config('statement_timeout', $1, false)"
RELEASE = "SELECT pg_advisory_unlock(hashtextextended($1, 1))"
# A night that waits for another one waits for minutes, not for a statement's three seconds.
WAIT_SECONDS = 1200.0
PING_SECONDS = 10.0


class PgMutex:
    """Implements services.alert_ports.Mutex by a session's advisory lock: it ends with its holder."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @asynccontextmanager
    async def hold(self, name: str, wait: bool) -> AsyncIterator[bool]:
        """Whether the lock was taken; it is given back at the end."""
        async with self._db.connection() as connection:
            if wait:
                await connection.execute(PATIENCE, f"{WAIT_SECONDS:.0f}s")
                await connection.execute(HOLD, name, timeout=WAIT_SECONDS)
                taken = True
            else:
                taken = bool(await connection.fetchval(TRY, name))
            try:
                yield taken
            finally:
                if taken and not connection.is_closed():
                    await connection.execute(RELEASE, name)


@asynccontextmanager
async def listening(
    url: str, ruled: Callable[[UUID], None] = lambda _: None
) -> AsyncIterator[asyncio.Queue[UUID | None]]:
    """Users with new messages, as they commit; None once the connection is lost. Raises StoreUnavailableError.

    `ruled` is told of users with new rules.
    """
    heard: asyncio.Queue[UUID | None] = asyncio.Queue()
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings={"application_name": "worker"})
    except UNAVAILABLE as error:
        raise StoreUnavailableError("the database does not answer") from error
    try:
        await connection.add_listener(CHANNEL, lambda *told: heard.put_nowait(UUID(str(told[3]))))
        await connection.add_listener(RULES_CHANNEL, lambda *told: ruled(UUID(str(told[3]))))
        connection.add_termination_listener(lambda _: heard.put_nowait(None))
        yield heard
    finally:
        try:
            await asyncio.wait_for(connection.close(timeout=1), timeout=2)
        except UNAVAILABLE:
            # A database that is away does not take its leave; why the listening ended must not get lost over that.
            connection.terminate()
