"""The record of job runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, cast
from uuid import UUID

from app.services.ports import JobRun
from app.storage.db import Database

if TYPE_CHECKING:
    from app.storage.db import Connection

LOCK_CLASS = 3493
RUNS = "SELECT seq, night, job, status, started, finished, error FROM job_run_state "
# A job that runs on its own has no night.
LAST_NIGHT = """
SELECT seq, night, job, status, started, finished, error FROM job_run_state
WHERE night = (SELECT night FROM job_runs WHERE night IS NOT NULL ORDER BY seq DESC LIMIT 1) ORDER BY seq
"""
MAX_ERROR_LENGTH = 2000


class PgJobLog:
    """Implements services.ports.JobLog for the jobs of one release in one deployment."""

    def __init__(self, db: Database, git_sha: str, deployment_id: str) -> None:
        self._db = db
        self._git_sha = git_sha
        self._deployment_id = deployment_id

    @asynccontextmanager
    async def record(self, job: str, night: UUID | None) -> AsyncIterator[None]:
        """Hold a connection of its own while the job runs: its advisory lock shows that the process is alive."""
        async with self._db.connection() as connection:
            # Row and lock become visible together at commit, so a running job never looks dead.
            async with connection.transaction():
                seq = cast(
                    "int",
                    await connection.fetchval(
                        "INSERT INTO job_runs (night, job, git_sha, deployment_id) VALUES ($1, $2, $3, $4) "
                        "RETURNING seq",
                        *(night, job, self._git_sha, self._deployment_id),
                    ),
                )
                await connection.execute("SELECT pg_advisory_lock($1::int, $2::int)", LOCK_CLASS, seq)
            try:
                yield
            except Exception as error:
                await _finish(connection, seq, "failed", f"{type(error).__name__}: {error}")
                raise
            await _finish(connection, seq, "succeeded", "")

    async def last_attempt(self, job: str) -> JobRun | None:
        """The newest run of a job, of any deployment."""
        runs = await self._runs(RUNS + "WHERE job = $1 ORDER BY seq DESC LIMIT 1", job)
        return runs[0] if runs else None

    async def last_night(self) -> list[JobRun]:
        """All runs of the newest night, in the order they began."""
        return await self._runs(LAST_NIGHT)

    async def nights_since(self, time: datetime) -> int:
        """The number of nights that have started, of any outcome."""
        query = "SELECT count(DISTINCT night) FROM job_runs WHERE started >= $1"
        async with self._db.connection() as connection:
            return cast("int", await connection.fetchval(query, time))

    async def of_deployment(self, job: str) -> list[JobRun]:
        """The runs of a job that this deployment made."""
        return await self._runs(RUNS + "WHERE job = $1 AND deployment_id = $2 ORDER BY seq", job, self._deployment_id)

    async def _runs(self, query: str, *arguments: str) -> list[JobRun]:
        async with self._db.connection() as connection:
            return [JobRun(**dict(row)) for row in await connection.fetch(query, *arguments)]


async def _finish(connection: Connection, seq: int, status: str, error: str) -> None:
    await connection.execute(
        "UPDATE job_runs SET status = $2, error = $3, finished = clock_timestamp() WHERE seq = $1",
        *(seq, status, error[:MAX_ERROR_LENGTH]),
    )
    await connection.execute("SELECT pg_advisory_unlock($1::int, $2::int)", LOCK_CLASS, seq)
