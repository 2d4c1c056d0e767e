"""The connection pool, transactions bound to a user, and the mapping of driver errors to ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from app.core.errors import StoreUnavailableError

# Called after each statement with its text (without values), its duration in seconds, and its exception if it failed.
OnQuery = Callable[[str, float, BaseException | None], None]

if TYPE_CHECKING:
    from asyncpg.connection import LoggedQuery
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

# A request must fail in less than five seconds, the promised recovery time, when the database drops packets.
CONNECT_SECONDS = 2.0
COMMAND_SECONDS = 3.0
STATEMENT_TIMEOUT = "10s"

UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidCachedStatementError,
    # Raised when a statement uses a connection that the server has closed while it was idle.
    asyncpg.InternalClientError,
)


class Database:
    """A lazy pool: nothing connects before the first transaction, so the service listens while the database is away."""

    def __init__(
        self,
        url: str,
        max_size: int = 10,
        query_seconds: float = COMMAND_SECONDS,
        on_query: OnQuery | None = None,
    ) -> None:
        self._url = url
        self._on_query = on_query
        self._max_size = max_size
        self._query_seconds = query_seconds
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()

    async def _opened(self) -> asyncpg.Pool[asyncpg.Record]:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=self._max_size,
                    timeout=CONNECT_SECONDS,
                    command_timeout=self._query_seconds,
                    # The server ends the query even when the client has gone.
                    server_settings={"application_name": "dawsos", "statement_timeout": STATEMENT_TIMEOUT},
                    init=self._watch if self._on_query else None,
                )
            return self._pool

    async def _watch(self, connection: Connection) -> None:
        connection.add_query_logger(self._queried)

    def _queried(self, record: LoggedQuery) -> None:
        if self._on_query is not None:
            self._on_query(record.query, record.elapsed, record.exception)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A pooled connection without a transaction."""
        try:
            pool = await self._opened()
            async with pool.acquire(timeout=CONNECT_SECONDS) as connection:
                yield connection
        except UNAVAILABLE as error:
            raise StoreUnavailableError("the database does not answer") from error
        except asyncpg.UndefinedTableError as error:
            # A service may be started before its migrations have run; it waits for them as for a database that is away.
            raise StoreUnavailableError("the database has no schema yet: run app.migrate up") from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction without a user: tenant tables are empty in it."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def as_user(self, user_id: UUID, snapshot: bool = False) -> AsyncIterator[Connection]:
        """A transaction of one user. The setting ends with it, so a pooled connection keeps no user's identity."""
        async with self.connection() as connection:
            isolation = connection.transaction(
                isolation="repeatable_read" if snapshot else "read_committed", readonly=snapshot
            )
            async with isolation:
                await connection.execute("SELECT set_config('app.user_id', $1, true)", str(user_id))
                yield connection

    async def ping(self) -> None:
        """Return when the database answers and has a schema; raises StoreUnavailableError."""
        async with self.connection() as connection:
            await connection.execute("SELECT FROM users LIMIT 0")

    async def close(self) -> None:
        """Close the connections, for at most a second."""
        if self._pool is not None:
            try:
                await asyncio.wait_for(self._pool.close(), timeout=1.0)
            except TimeoutError:
                self._pool.terminate()
