"""Locks that all processes share, and notifications of new messages and rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from app.core.errors import StoreUnavailableError
from app.storage.alerts import CHANNEL, RULES_CHANNEL
from app.storage.db import CONNECT_SECONDS, UNAVAILABLE, Database

LOCK = "SELECT pg_advisory_lock(hashtextextended($1, 1))"
TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended($1, 1))"
# The server's statement timeout covers a wait for a lock as well, so it is raised for this session. The pool resets it
# when the connection is returned.
SET_TIMEOUT = "SELECT set_config('statement_timeout', $1, false)"
UNLOCK = "SELECT pg_advisory_unlock(hashtextextended($1, 1))"
# The nightly jobs of another process take minutes.
WAIT_SECONDS = 1200.0


class PgMutex:
    """Implements services.alert_ports.Mutex by a session's advisory lock: it ends with its holder."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @asynccontextmanager
    async def hold(self, name: str, wait: bool) -> AsyncIterator[bool]:
        """Yield whether the lock was acquired; it is released on leaving."""
        async with self._db.connection() as connection:
            if wait:
                await connection.execute(SET_TIMEOUT, f"{WAIT_SECONDS:.0f}s")
                await connection.execute(LOCK, name, timeout=WAIT_SECONDS)
                acquired = True
            else:
                acquired = bool(await connection.fetchval(TRY_LOCK, name))
            try:
                yield acquired
            finally:
                if acquired and not connection.is_closed():
                    await connection.execute(UNLOCK, name)


@asynccontextmanager
async def listen_for_messages(
    url: str, rule_added: Callable[[UUID], None] = lambda _: None
) -> AsyncIterator[asyncio.Queue[UUID | None]]:
    """A queue of the users with new messages, as they commit; None once the connection is lost.

    `rule_added` is called with each user who makes a rule. Raises StoreUnavailableError.
    """
    notified: asyncio.Queue[UUID | None] = asyncio.Queue()
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings={"application_name": "worker"})
    except UNAVAILABLE as error:
        raise StoreUnavailableError("the database does not answer") from error
    try:
        await connection.add_listener(CHANNEL, lambda *event: notified.put_nowait(UUID(str(event[3]))))
        await connection.add_listener(RULES_CHANNEL, lambda *event: rule_added(UUID(str(event[3]))))
        connection.add_termination_listener(lambda _: notified.put_nowait(None))
        yield notified
    finally:
        try:
            await asyncio.wait_for(connection.close(timeout=1), timeout=2)
        except UNAVAILABLE:
            # The database is unavailable. The exception that ended the listening is the one to raise, not this one.
            connection.terminate()
